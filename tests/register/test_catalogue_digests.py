"""Sums kept on write, an audit of what is really stored, and a repair that touches one kind alone."""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillopen.register.store.catalogue import Catalogue
from stillopen.sync.digest import Key, Sums, add, row_digest, to_bytes
from stillopen.sync.messages import Cursor, Digest, FeedRow
from tests.register.shop import feed_row, product

ACCOUNT, STORE = "account", "store:1"
PRODUCTS, PEOPLE = (ACCOUNT, "product"), (STORE, "employee")


def goods(seq: int, key: str, name: str, scope: str = ACCOUNT) -> FeedRow:
    return feed_row(seq, scope, key, product(key, name, 100, [f"b-{key}"]))


def person(seq: int, key: str, data: bytes = b"{}") -> FeedRow:
    return FeedRow(STORE, seq, "employee", key, data)


def digests(rows: Sequence[FeedRow]) -> list[Digest]:
    """What a server with exactly these rows says."""
    sums: Sums = {}
    for row in rows:
        if not row.deleted:
            add(sums, (row.scope, row.kind), row_digest(row.kind, row.id, row.payload))
    return [Digest(*key, to_bytes(value)) for key, value in sums.items()]


def heads(*scopes: str, seq: int = 1) -> list[Cursor]:
    return [Cursor(scope, seq, b"c" * 32) for scope in scopes]


ROWS = [goods(1, "a", "Apple"), goods(2, "b", "Bread"), person(1, "e"), person(2, "f", b"[]")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalogue.db"


@pytest.fixture
def catalogue(path: Path) -> Iterator[Catalogue]:
    made = Catalogue.open(path)
    made.begin(snapshot=True)
    made.stage(ROWS)
    made.switch(heads(ACCOUNT, STORE), "e", digests(ROWS))
    yield made
    made.close()


def audit(catalogue: Catalogue, rows: int = 1) -> tuple[Key, ...]:
    while (wrong := catalogue.audit(rows)) is None:
        pass
    return wrong


def damage(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as file:
        assert file.execute(statement).rowcount == 1


def test_what_was_told_is_what_is_there(catalogue: Catalogue) -> None:
    assert catalogue.differing() == ()
    assert audit(catalogue) == ()


@pytest.mark.parametrize(
    ("statement", "wrong"),
    [
        ("UPDATE row SET payload = x'7b' WHERE id = 'e'", (PEOPLE,)),
        ("UPDATE row SET id = 'g' WHERE id = 'e'", (PEOPLE,)),
        ("UPDATE row SET dead = 1 WHERE id = 'b'", (PRODUCTS,)),
        ("DELETE FROM row WHERE id = 'a'", (PRODUCTS,)),
        ("UPDATE row SET kind = 'prodact' WHERE id = 'a'", ((ACCOUNT, "prodact"), PRODUCTS)),
        (
            "INSERT INTO row (kind, id, scope, seq, payload, born)"
            " VALUES ('product', 'stale', 'account', 1, x'00', 1)",
            (PRODUCTS,),
        ),
    ],
)
def test_an_audit_notices(
    catalogue: Catalogue, path: Path, statement: str, wrong: tuple[Key, ...]
) -> None:
    damage(path, statement)
    assert catalogue.differing() == ()  # the sums only know what was written
    assert audit(catalogue) == tuple(sorted(wrong))
    repair(catalogue, [r for r in ROWS if (r.scope, r.kind) in wrong], wrong)
    assert audit(catalogue) == () and catalogue.differing() == ()
    assert {i.record.name for i in catalogue.search("")} == {"Apple", "Bread"}


def repair(catalogue: Catalogue, rows: Sequence[FeedRow], pairs: Sequence[Key]) -> None:
    catalogue.begin(snapshot=False)
    catalogue.stage(rows)
    catalogue.switch(heads(ACCOUNT, STORE, seq=2), "e", digests(ROWS), pairs)


def test_a_repair_leaves_the_other_kinds_alone(catalogue: Catalogue, path: Path) -> None:
    with sqlite3.connect(path) as file:
        before = file.execute("SELECT n FROM row WHERE kind = 'employee' ORDER BY n").fetchall()
    repair(catalogue, ROWS[:1], [PRODUCTS])
    with sqlite3.connect(path) as file:
        after = file.execute(
            "SELECT n FROM row WHERE kind = 'employee' AND dead IS NULL ORDER BY n"
        )
        assert after.fetchall() == before
    assert catalogue.product("b") is None  # it was not among what came
    assert catalogue.differing() == (PRODUCTS,)


def test_a_server_that_says_other_sums_is_noticed_at_the_switch(catalogue: Catalogue) -> None:
    catalogue.begin(snapshot=False)
    catalogue.stage([goods(3, "c", "Cake")])
    told = digests([*ROWS, goods(3, "c", "Cake"), person(3, "missing")])
    catalogue.switch(heads(ACCOUNT, STORE, seq=3), "e", told)
    assert catalogue.differing() == (PEOPLE,)


def test_a_server_that_says_nothing_is_believed(catalogue: Catalogue) -> None:
    catalogue.begin(snapshot=False)
    catalogue.stage([goods(3, "c", "Cake")])
    catalogue.switch(heads(ACCOUNT, STORE, seq=3), "e")
    assert catalogue.differing() == () and audit(catalogue) == ()


def test_an_audit_begins_anew_when_a_switch_comes_between(catalogue: Catalogue) -> None:
    assert catalogue.audit(1) is None
    now = [*ROWS[1:], goods(5, "a", "Avocado")]
    catalogue.begin(snapshot=False)
    catalogue.stage([now[-1]])
    catalogue.switch(heads(ACCOUNT, STORE, seq=5), "e", digests(now))
    assert audit(catalogue) == ()


KEYS = st.sampled_from("abcd")
STEP = st.tuples(
    st.lists(st.tuples(st.sampled_from([ACCOUNT, STORE]), KEYS, st.none() | st.integers(1, 3))),
    st.booleans(),  # a snapshot
    st.booleans(),  # the store's scope is left
    st.sampled_from(["switch", "abandon", "restart"]),
)


@settings(max_examples=30, deadline=None)
@given(steps=st.lists(STEP, max_size=6))
def test_sums_kept_on_write_are_those_of_the_rows(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[list[object], bool, bool, str]]
) -> None:
    path = tmp_path_factory.mktemp("sums") / "catalogue.db"
    catalogue, model = Catalogue.open(path), dict[tuple[str, str], FeedRow]()
    for number, (changes, snapshot, leave, end) in enumerate(steps, 1):
        rows = [_row(number * 10 + i, *change) for i, change in enumerate(changes)]  # type: ignore[misc]
        catalogue.begin(snapshot)
        half = len(rows) // 2
        catalogue.stage(rows[:half])
        catalogue.stage(rows[half:])
        if end == "switch":
            model = {} if snapshot else model
            model |= {(row.scope, row.id): row for row in rows}
            model = {k: r for k, r in model.items() if not (leave and k[0] == STORE)}
            scopes = [ACCOUNT] if leave else [ACCOUNT, STORE]
            told = digests(list(model.values())) or [Digest("account", "none", bytes(16))]
            catalogue.switch(heads(*scopes, seq=number), "e", told)
        elif end == "abandon":
            catalogue.abandon()
        else:
            catalogue.close()
            catalogue = Catalogue.open(path)
        assert catalogue.differing() == ()
        assert audit(catalogue, 3) == ()
    catalogue.close()


def _row(seq: int, scope: str, key: str, price: int | None) -> FeedRow:
    if price is None:
        return FeedRow(scope, seq, "product", key, b"", deleted=True)
    return feed_row(seq, scope, key, product(key, f"{key}{price}", price, [f"b-{key}"]))


# -- a broken file ------------------------------------------------------------------------


def test_a_file_that_cannot_be_read_is_replaced_by_the_next_snapshot(path: Path) -> None:
    first = Catalogue.open(path)
    many = [goods(n, f"k{n}", f"Thing {n}") for n in range(1, 1500)]
    first.begin(snapshot=True)
    first.stage(many)
    first.switch(heads(ACCOUNT), "e", digests(many))
    first.close()
    _scratch(path)
    again = Catalogue.open(path)
    with pytest.raises(sqlite3.DatabaseError):
        audit(again, 100)
    again.begin(snapshot=True)
    again.stage(many)
    again.switch(heads(ACCOUNT), "e", digests(many))
    assert audit(again, 100) == () and again.count("product") == len(many)
    again.close()
    reopened = Catalogue.open(path)
    assert audit(reopened, 100) == () and reopened.count("product") == len(many)
    reopened.close()


def _scratch(path: Path) -> None:
    """Overwrite the heads of some pages that hold rows; not all, else the file could not even be opened."""
    data = bytearray(path.read_bytes())
    holding = [
        at for at in range(0, len(data), 4096) if data[at : at + 4096].count(b"barcodes") > 5
    ]
    for at in holding[10::5]:
        data[at : at + 64] = b"\xa5" * 64
    path.write_bytes(bytes(data))
