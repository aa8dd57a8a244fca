"""catalogue.db: generations, one switch, search; and that nothing odd breaks a till."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillopen.domain.pricing import Price
from stillopen.register.store.catalogue import Catalogue
from stillopen.sync import records
from stillopen.sync.messages import Cursor, FeedRow
from tests.register.shop import PRODUCTS, feed_row, product

ACCOUNT, STORE = "account", "store:1"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalogue.db"


@pytest.fixture
def catalogue(path: Path) -> Iterator[Catalogue]:
    made = Catalogue.open(path)
    yield made
    made.close()


def row(seq: int, key: str, name: str, scope: str = ACCOUNT, price: int = 100) -> FeedRow:
    return feed_row(seq, scope, key, product(key, name, price, [f"b-{key}"]))


def gone(seq: int, key: str, scope: str = ACCOUNT) -> FeedRow:
    return FeedRow(scope, seq, "product", key, b"", deleted=True)


def apply(catalogue: Catalogue, *rows: FeedRow, seq: int = 1, snapshot: bool = False) -> int:
    catalogue.begin(snapshot)
    catalogue.stage(rows)
    scopes = {r.scope for r in rows} | {c.scope for c in catalogue.cursors()}
    return catalogue.switch([Cursor(s, seq, b"c" * 32) for s in sorted(scopes)], "epoch")


def names(catalogue: Catalogue, text: str) -> list[str]:
    return [item.record.name for item in catalogue.search(text)]


def test_nothing_of_a_transfer_is_seen_before_its_switch(catalogue: Catalogue) -> None:
    apply(catalogue, row(1, "a", "Apple"), row(2, "b", "Bread"))
    catalogue.begin(snapshot=False)
    catalogue.stage([row(3, "a", "Apple pie", price=300), gone(4, "b"), row(5, "c", "Cake")])
    assert names(catalogue, "") == ["Apple", "Bread"]
    assert catalogue.by_barcode("b-c") is None
    assert catalogue.staged() == {ACCOUNT: 5}
    changed = catalogue.switch([Cursor(ACCOUNT, 5, b"x" * 32)], "epoch-2")
    assert changed == 3
    assert names(catalogue, "") == ["Apple pie", "Cake"]
    assert catalogue.by_barcode("b-b") is None
    assert catalogue.count("product") == 2
    assert catalogue.cursors() == (Cursor(ACCOUNT, 5, b"x" * 32),)
    assert catalogue.server_epoch == "epoch-2"
    assert catalogue.staged() == {}


def test_a_row_met_again_in_one_transfer_counts_once(catalogue: Catalogue) -> None:
    catalogue.begin(snapshot=False)
    catalogue.stage([row(1, "a", "Apple")])
    catalogue.stage([row(7, "a", "Pear")])
    assert catalogue.switch([Cursor(ACCOUNT, 7, b"x" * 32)], "e") == 1
    assert names(catalogue, "") == ["Pear"]
    assert names(catalogue, "apple") == []


def test_what_was_staged_and_then_deleted_is_gone(catalogue: Catalogue) -> None:
    apply(catalogue, row(1, "a", "Apple"))
    catalogue.begin(snapshot=False)
    catalogue.stage([row(2, "a", "Pear"), row(3, "b", "Bread")])
    catalogue.stage([gone(4, "a"), gone(5, "b")])
    catalogue.switch([Cursor(ACCOUNT, 5, b"x" * 32)], "e")
    assert names(catalogue, "") == []


def test_leftovers_of_a_transfer_are_discarded_on_opening(path: Path) -> None:
    first = Catalogue.open(path)
    apply(first, row(1, "a", "Apple"), row(2, "b", "Bread"))
    first.begin(snapshot=True)
    first.stage([row(3, "a", "Pear"), gone(4, "b"), row(5, "c", "Cake")])
    first.close()
    again = Catalogue.open(path)
    assert names(again, "") == ["Apple", "Bread"]
    assert again.staged() == {}
    apply(again, row(6, "d", "Dates"), seq=6)
    assert names(again, "") == ["Apple", "Bread", "Dates"]
    assert names(again, "pear") == []
    again.close()


def test_an_abandoned_transfer_leaves_everything_as_it_was(catalogue: Catalogue) -> None:
    apply(catalogue, row(1, "a", "Apple"))
    catalogue.begin(snapshot=False)
    catalogue.stage([row(2, "a", "Pear"), row(3, "b", "Bread")])
    catalogue.abandon()
    assert not catalogue.transfer_runs
    apply(catalogue, row(4, "c", "Cake"), seq=4)
    assert names(catalogue, "") == ["Apple", "Cake"]


def test_a_snapshot_replaces_everything(catalogue: Catalogue) -> None:
    apply(catalogue, row(1, "a", "Apple"), row(2, "b", "Bread"), row(1, "s", "Soup", STORE))
    apply(catalogue, row(9, "b", "Bread"), row(9, "s", "Soup", STORE), seq=9, snapshot=True)
    assert names(catalogue, "") == ["Bread", "Soup"]


def test_a_scope_that_left_the_heads_loses_its_rows(catalogue: Catalogue) -> None:
    apply(catalogue, row(1, "a", "Apple"), row(1, "s", "Soup", STORE))
    catalogue.begin(snapshot=False)
    catalogue.switch([Cursor(ACCOUNT, 1, b"c" * 32), Cursor("store:2", 0, b"")], "epoch")
    assert names(catalogue, "") == ["Apple"]
    assert [c.scope for c in catalogue.cursors()] == [ACCOUNT, "store:2"]


def test_the_nearer_scope_wins(catalogue: Catalogue) -> None:
    apply(catalogue, row(1, "a", "Of the store", STORE), row(1, "a", "Of the account"))
    found = catalogue.product("a")
    assert found is not None and found.record.name == "Of the store"
    assert names(catalogue, "of the") == ["Of the store"]
    assert catalogue.count("product") == 1


def test_a_large_transfer_goes_in_chunks_and_dead_rows_are_cleaned(
    catalogue: Catalogue, path: Path
) -> None:
    many = [row(n, f"k{n}", f"Thing {n:04}") for n in range(1, 2501)]
    assert apply(catalogue, *many, seq=2500) == 2500
    apply(catalogue, *many[:10], seq=2501, snapshot=True)
    assert catalogue.count("product") == 10
    rounds = 1
    while catalogue.clean(1000):
        rounds += 1
    assert rounds == 3
    with sqlite3.connect(path) as file:
        assert file.execute("SELECT count(*) FROM row").fetchone() == (10,)
        assert file.execute("SELECT count(*) FROM barcode").fetchone() == (10,)
        assert file.execute("SELECT count(*) FROM words").fetchone() == (10,)
    assert len(catalogue.search("thing")) == 10


def test_listeners_hear_of_a_switch(catalogue: Catalogue) -> None:
    heard: list[int] = []
    catalogue.on_change(lambda: heard.append(catalogue.generation))
    apply(catalogue, row(1, "a", "Apple"))
    apply(catalogue, row(2, "a", "Pear"), seq=2)
    assert heard == [1, 2]


def test_records_that_nobody_understands_are_kept_and_passed_over(
    catalogue: Catalogue, path: Path
) -> None:
    odd = [
        FeedRow(ACCOUNT, 1, "product", "x", b'{"kind":"product","sku":5}'),
        FeedRow(ACCOUNT, 2, "hologram", "y", b'{"kind":"hologram","depth":3}'),
        FeedRow(ACCOUNT, 3, "tax_rate", "z", b"\xff\xfe"),
    ]
    apply(catalogue, *odd, row(4, "a", "Apple"))
    assert names(catalogue, "") == ["Apple"]
    assert catalogue.tax_rates() == {}
    assert catalogue.product("x") is None
    with sqlite3.connect(path) as file:
        kept = file.execute("SELECT payload FROM row WHERE id = 'y'").fetchone()
    assert kept == (b'{"kind":"hologram","depth":3}',)


def test_a_broken_file_is_replaced_by_an_empty_one(path: Path) -> None:
    path.write_bytes(b"this is no database, but it is long enough to look like one" * 50)
    catalogue = Catalogue.open(path)
    assert catalogue.generation == 0
    apply(catalogue, row(1, "a", "Apple"))
    catalogue.close()


def test_a_file_of_another_version_is_begun_anew(path: Path) -> None:
    first = Catalogue.open(path)
    apply(first, row(1, "a", "Apple"))
    first.close()
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA user_version = 99")
    again = Catalogue.open(path)
    assert (again.generation, again.cursors()) == (0, ())
    again.close()


# -- search -------------------------------------------------------------------------------


@pytest.fixture
def shelf(catalogue: Catalogue) -> Catalogue:
    goods = {
        "1": product("COF-1", "Crème brûlée coffee", 350, ["4006381333931"]),
        "2": product("COF-2", "Coffee beans 1 kg", 1299, ["4002359000037"]),
        "3": product("TEA-1", "Tea", 250),
        "4": product("cof-9", "Décaf", 350),
        "5": product("900", "Iced coffee with oat milk", 420),
    }
    rows = [feed_row(n, ACCOUNT, key, p) for n, (key, p) in enumerate(goods.items(), start=1)]
    apply(catalogue, *rows)
    return catalogue


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("coffee", {"Crème brûlée coffee", "Coffee beans 1 kg", "Iced coffee with oat milk"}),
        ("creme BRU", {"Crème brûlée coffee"}),
        ("oat ice", {"Iced coffee with oat milk"}),
        ("decaf", {"Décaf"}),
        ("4002359000037", {"Coffee beans 1 kg"}),
        (
            "cof-",
            {"Crème brûlée coffee", "Coffee beans 1 kg", "Décaf", "Iced coffee with oat milk"},
        ),
        ("te", {"Tea"}),
        ("zebra", set()),
        ('"', set()),
        ("tea*", {"Tea"}),
        ("NOT tea", set()),
    ],
)
def test_search(shelf: Catalogue, text: str, found: set[str]) -> None:
    assert set(names(shelf, text)) == found


def test_a_code_stands_before_names_and_short_texts_go_by_the_alphabet(shelf: Catalogue) -> None:
    assert names(shelf, "900")[0] == "Iced coffee with oat milk"
    assert names(shelf, "c")[:2] == ["Crème brûlée coffee", "Coffee beans 1 kg"]  # by SKU
    assert names(shelf, "d") == ["Décaf"]
    assert names(shelf, "") == sorted(names(shelf, ""), key=str.casefold)


def test_a_word_that_thousands_have_is_answered_and_paged_all_the_same(
    catalogue: Catalogue,
) -> None:
    apply(catalogue, *(row(n, f"k{n}", f"Thing {n % 7} {n}") for n in range(1, 1201)), seq=1200)
    apply(catalogue, row(1201, "x", "Best thing"), seq=1201)
    seen: list[str] = []
    while page := catalogue.search("thing", limit=100, offset=len(seen)):
        seen += [item.id for item in page]
    assert len(seen) == len(set(seen)) == 1201
    assert names(catalogue, "best")[0] == "Best thing"


def test_search_pages(shelf: Catalogue) -> None:
    whole = [item.id for item in shelf.search("coffee")]
    parts = [item.id for n in range(4) for item in shelf.search("coffee", limit=1, offset=n)]
    assert parts == whole


@settings(max_examples=150, deadline=None)
@given(text=st.text(max_size=60) | st.text(alphabet='"*()^:-+ ANDORNT\0', max_size=20))
def test_search_never_raises(odd_shelf: Catalogue, text: str) -> None:
    found = odd_shelf.search(text, limit=5)
    assert len(found) <= 5
    odd_shelf.by_barcode(text)
    odd_shelf.by_sku(text)


@pytest.fixture(scope="module")
def odd_shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    catalogue = Catalogue.open(tmp_path_factory.mktemp("shelf") / "catalogue.db")
    goods = enumerate(PRODUCTS.items(), start=1)
    apply(catalogue, *(feed_row(n, ACCOUNT, key, p) for n, (key, p) in goods))
    yield catalogue
    catalogue.close()


def test_a_sku_is_found_in_any_case_where_that_is_clear(catalogue: Catalogue) -> None:
    goods = [product("Ab-1", "One", 100), product("AB-2", "Two", 100), product("ab-2", "Three", 1)]
    apply(catalogue, *(feed_row(n, ACCOUNT, str(n), p) for n, p in enumerate(goods)))

    def sku(text: str) -> str | None:
        found = catalogue.by_sku(text)
        return found.record.name if found else None

    assert [sku("AB-1"), sku("AB-2"), sku("ab-2"), sku("Ab-2")] == ["One", "Two", "Three", None]


def test_settings_and_lists_come_in_order(catalogue: Catalogue) -> None:
    late = records.CategoryRecord(name="A late one", position=2)
    early = records.CategoryRecord(name="Z early one", position=1)
    apply(catalogue, feed_row(1, ACCOUNT, "late", late), feed_row(2, ACCOUNT, "early", early))
    assert [key for key, _ in catalogue.categories()] == ["early", "late"]
    assert catalogue.account_settings() is None


# -- any history of publications equals its last state ------------------------------------

_keys = st.sampled_from(["a", "b", "c", "d"])
_changes = st.lists(st.tuples(_keys, st.none() | st.integers(1, 999)), max_size=6)
_transfers = st.lists(st.tuples(st.booleans(), st.booleans(), _changes), max_size=6)


@settings(max_examples=60, deadline=None)
@given(transfers=_transfers)
def test_any_run_of_transfers_ends_in_what_was_published(
    tmp_path_factory: pytest.TempPathFactory,
    transfers: list[tuple[bool, bool, list[tuple[str, int | None]]]],
) -> None:
    """(snapshot, finished, changes): a price, or None for a deletion."""
    path = tmp_path_factory.mktemp("run") / "catalogue.db"
    catalogue = Catalogue.open(path)
    model: dict[str, int] = {}
    seq = 0
    for snapshot, finished, changes in transfers:
        next_model = {} if snapshot else dict(model)
        catalogue.begin(snapshot)
        for key, price in changes:
            seq += 1
            catalogue.stage([gone(seq, key) if price is None else row(seq, key, key, price=price)])
            next_model.pop(key, None)
            if price is not None:
                next_model[key] = price
        if finished:
            catalogue.switch([Cursor(ACCOUNT, seq, b"")], "e")
            model = next_model
        else:
            catalogue.close()
            catalogue = Catalogue.open(path)
        while catalogue.clean(2):
            pass
        shown = {item.id: item.record.prices[0].amount for item in catalogue.search("")}
        assert shown == model
        by_code = [key for key in "abcd" if catalogue.by_barcode(f"b-{key}")]
        assert by_code == sorted(model)
    catalogue.close()


def test_prices_are_kept_with_their_dates(catalogue: Catalogue) -> None:
    flip = datetime(2026, 3, 2, 0, 0, tzinfo=UTC).replace(tzinfo=None)
    prices = (Price(amount=1000), Price(amount=800, since=flip))
    apply(catalogue, feed_row(1, ACCOUNT, "a", product("a", "A", 0, prices=prices)))
    found = catalogue.product("a")
    assert found is not None and found.record.prices == prices
