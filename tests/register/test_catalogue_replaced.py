"""A large catalogue that is replaced by pages goes into another file; killed anywhere, one of the two is whole."""

import os
import shutil
import signal
import sqlite3
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stillopen.register.store import catalogue_feed, database
from stillopen.register.store.catalogue import Catalogue
from stillopen.sync.messages import Cursor, FeedRow
from tests.register.shop import feed_row, product

ACCOUNT = "account"
OLD, NEW = 600, 500


class Dying(sqlite3.Connection):
    """Kills the process when ``left`` statements, commits and changes of names have been made."""

    left = 1 << 30

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        Dying.step()
        done = super().execute(sql, *parameters)
        if sql == "COMMIT":
            Dying.step()
        return done

    @staticmethod
    def step() -> None:
        Dying.left -= 1
        if Dying.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)


def _hook(event: str, _: object) -> None:
    if event in ("os.rename", "os.remove", "os.symlink"):
        Dying.step()


def replace_and_die(path: Path, left: int) -> int:
    """In a process of its own: how many steps were left in the end, -1 when it was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        database.connection_class = Dying
        sys.addaudithook(_hook)
        Dying.left = left
        replace(path)
        os.write(writing, str(Dying.left).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as said:
        answer = said.read()
    status = os.waitpid(child, 0)[1]
    assert status == 0 or os.WTERMSIG(status) == signal.SIGKILL
    return int(answer or -1)


def goods(seq: int, key: str, name: str) -> FeedRow:
    return feed_row(seq, ACCOUNT, key, product(key, name, 100, [f"b-{key}"]))


def fill(path: Path) -> None:
    made = Catalogue.open(path)
    made.begin(snapshot=True)
    made.stage([goods(n, f"k{n}", f"Old {n:03}") for n in range(1, OLD + 1)])
    made.switch([Cursor(ACCOUNT, OLD, b"o" * 32)], "server-1")
    made.close()


def begin(catalogue: Catalogue) -> None:
    catalogue.begin(snapshot=True)
    for start in range(1, NEW + 1, 250):
        catalogue.stage([goods(n, f"k{n}", f"New {n:03}") for n in range(start, start + 250)])


def replace(path: Path) -> None:
    catalogue = Catalogue.open(path)
    begin(catalogue)
    catalogue.switch([Cursor(ACCOUNT, 9000, b"n" * 32)], "server-1")
    catalogue.close()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(catalogue_feed, "LARGE", 100)
    fill(tmp_path / "catalogue.db")
    return tmp_path / "catalogue.db"


@pytest.fixture
def catalogue(path: Path) -> Iterator[Catalogue]:
    made = Catalogue.open(path)
    yield made
    made.close()


def whole(catalogue: Catalogue) -> str:
    """Which of the two it is, every way of looking being agreed."""
    old = catalogue.count("product") == OLD
    name, count, seq = ("Old", OLD, OLD) if old else ("New", NEW, 9000)
    assert catalogue.count("product") == count
    assert [c.seq for c in catalogue.cursors()] == [seq]
    for key in ("k1", f"k{count}"):
        item = catalogue.by_barcode(f"b-{key}")
        assert item is not None and item.record.name.startswith(name)
    assert len(catalogue.search(name, limit=1000)) == count
    assert catalogue.by_barcode(f"b-k{OLD}") is None or old
    return name


def test_it_goes_into_another_file_and_leaves_nothing_to_clean(
    catalogue: Catalogue, path: Path
) -> None:
    before = catalogue.generation
    begin(catalogue)
    assert whole(catalogue) == "Old" and catalogue.generation == before
    catalogue.switch([Cursor(ACCOUNT, 9000, b"n" * 32)], "server-1")
    assert whole(catalogue) == "New" and catalogue.generation > before
    assert path.is_symlink() and not catalogue.clean()
    assert len(list(path.parent.glob("catalogue*.db"))) == 2  # the link and its file


def test_what_is_small_stays_where_it_is(tmp_path: Path) -> None:
    fill(tmp_path / "catalogue.db")
    replace(tmp_path / "catalogue.db")
    assert not (tmp_path / "catalogue.db").is_symlink()


def test_where_links_are_not_to_be_had_it_is_replaced_in_place(
    catalogue: Catalogue, path: Path
) -> None:
    (path.parent / "link.probe").mkdir()  # the probe cannot be made
    begin(catalogue)
    catalogue.switch([Cursor(ACCOUNT, 9000, b"n" * 32)], "server-1")
    assert not path.is_symlink() and whole(catalogue) == "New"


def test_abandoned_the_old_one_goes_on_with_its_cursors(catalogue: Catalogue, path: Path) -> None:
    begin(catalogue)
    catalogue.abandon()
    assert whole(catalogue) == "Old"
    assert len(list(path.parent.glob("catalogue*.db"))) == 1
    _publish_one(catalogue)


def test_news_that_come_instead_are_added_to_what_is_in_force(catalogue: Catalogue) -> None:
    begin(catalogue)
    _publish_one(catalogue)


def _publish_one(catalogue: Catalogue) -> None:
    catalogue.begin(snapshot=False)
    catalogue.stage([goods(OLD + 1, "k1", "Renamed")])
    catalogue.switch([Cursor(ACCOUNT, OLD + 1, b"r" * 32)], "server-1")
    assert catalogue.count("product") == OLD
    assert [i.record.name for i in catalogue.search("renamed")] == ["Renamed"]


def test_staged_news_are_forgotten_when_everything_is_replaced(catalogue: Catalogue) -> None:
    catalogue.begin(snapshot=False)
    catalogue.stage([goods(OLD + 1, "k1", "Renamed")])
    begin(catalogue)
    catalogue.abandon()
    assert whole(catalogue) == "Old"


def test_whoever_asks_how_far_it_is_does_not_wait_for_the_writer(catalogue: Catalogue) -> None:
    answered = threading.Event()

    def ask() -> None:
        assert catalogue.cursors() and catalogue.server_epoch
        answered.set()

    with catalogue._writer_db.transaction():
        threading.Thread(target=ask, daemon=True).start()
        assert answered.wait(5)


def test_killed_at_any_step_one_of_the_two_is_whole(path: Path, tmp_path: Path) -> None:
    most = 1 << 30
    steps = most - replace_and_die(_copy(path, tmp_path / "all"), most)
    seen = []
    # Staging is many times the same; the end of it, the switch and the renaming step by step.
    for at in [*range(0, steps - 60, 40), *range(steps - 60, steps)]:
        copied = _copy(path, tmp_path / f"at-{at}")
        assert replace_and_die(copied, at) == -1
        again = Catalogue.open(copied)
        seen.append(whole(again))
        _publish_one_more(again)
        again.close()
        assert len(list(copied.parent.glob("catalogue*.db"))) <= 2
    assert seen == sorted(seen, reverse=True) and set(seen) == {"Old", "New"}


def _copy(path: Path, folder: Path) -> Path:
    folder.mkdir()
    return Path(shutil.copy(path, folder / path.name))


def _publish_one_more(catalogue: Catalogue) -> None:
    catalogue.begin(snapshot=False)
    catalogue.stage([goods(9001, "more", "One more")])
    catalogue.switch([Cursor(ACCOUNT, 9001, b"m" * 32)], "server-1")
    assert catalogue.search("one more")
