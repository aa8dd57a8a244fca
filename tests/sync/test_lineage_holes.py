"""Journals with holes and damage: what is there arrives, what is gone is declared."""

import pytest

from stillopen.sync.chain import GENESIS, StoredEntry
from stillopen.sync.messages import Gap
from tests.sync.journals import (
    arrive,
    damage,
    everything_once,
    lose,
    missing_at,
    sell,
    shop,
)


@pytest.mark.parametrize(
    "missing", [{1}, {1, 2, 3}, {4}, {4, 5}, {9}, {2, 5, 6, 9}, {1, 2, 10 - 1}]
)
@pytest.mark.parametrize("batch", [1, 2, 100])
def test_a_hole_is_declared_and_the_rest_goes_on(missing: set[int], batch: int) -> None:
    books, till = shop(batch=batch)
    sell(till, 10)
    lose(till, missing)
    till.settle(books)
    gaps = missing_at(books)
    assert gaps == missing
    everything_once(books, till)


def test_a_hole_that_the_server_can_fill_is_none() -> None:
    books, till = shop(6)
    lose(till, {2, 3})
    till.disk.lines[0].acked = (0, GENESIS)
    arrive(books, till)
    assert not any(isinstance(s, Gap) for s in books.stored.values())
    assert not any(v.opens for v in books.verdicts)


@pytest.mark.parametrize("kept", range(1, 8))
def test_a_hole_on_both_sides(kept: int) -> None:
    """The server was restored to entry ``kept``, the register has lost 3 to 5: only what neither has is gone."""
    books, till = shop()
    saved = {}
    for n in range(1, 9):
        till.sell()
        till.settle(books)
        saved[n] = books.saved()
    lose(till, {3, 4, 5})
    books.restore(saved[kept])
    till.settle(books)
    gone = missing_at(books)
    assert gone == {n for n in (3, 4, 5) if n > kept}
    assert {s.seq for s in books.stored.values() if isinstance(s, StoredEntry)} | gone == set(
        range(1, 9)
    )
    everything_once(books, till)


def test_a_disk_that_lost_its_last_entries_numbers_anew() -> None:
    books, till = shop(6)
    del till.disk.lines[0].entries[4:]
    till.restart()
    till.settle(books)
    assert till.disk.lines[-1].label == "b"
    everything_once(books, till)


@pytest.mark.parametrize("at", [1, 2, 5, 10])
@pytest.mark.parametrize("batch", [1, 3, 100])
def test_a_broken_link_loses_nothing(at: int, batch: int) -> None:
    books, till = shop(batch=batch)
    sell(till, 10)
    damage(till, at - 1, prev_hash=b"x" * 32)
    arrive(books, till)
    everything_once(books, till)


@pytest.mark.parametrize("at", [1, 2, 5, 10])
def test_a_broken_hash_loses_nothing(at: int) -> None:
    books, till = shop(batch=3)
    sell(till, 10)
    damage(till, at - 1, hash=b"x" * 32)
    arrive(books, till)
    everything_once(books, till)


def test_a_row_damaged_after_it_had_arrived_is_told_from_a_sale() -> None:
    books, till = shop(10)
    backup = books.saved()
    arrive(books, till)
    damage(till, 4, hash=b"x" * 32)
    books.restore(backup)
    till.settle(books)
    everything_once(books, till)


@pytest.mark.parametrize("lost", [{4}, {4, 5}, {5}])
def test_a_copy_with_a_hole_where_the_histories_part(lost: set[int]) -> None:
    """The hole hides where they part; the hash that the copy recorded behind it tells."""
    books, till = shop(3)
    copy = till.copied()
    for _ in range(4):
        till.sell()
        copy.sell()
    till.settle(books)
    lose(copy, lost)
    copy.settle(books)
    assert copy.disk.lines[-1].label == "b"
    everything_once(books, till, copy)
