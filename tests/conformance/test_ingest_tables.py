"""The raw SQL of ingest against the models: columns, indexes, and what each engine promises."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import product as pairs
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import Model

from stillopen.backoffice.ingest import tables
from stillopen.backoffice.ingest.models import ExceptionItem
from stillopen.backoffice.ingest.sql import canonical, engine, when
from stillopen.backoffice.ledger.models import Shift
from stillopen.backoffice.stock.models import Level
from tests.support.backoffice import Database

TABLES = [table for table in vars(tables).values() if isinstance(table, tables.Table)]
PARTIAL = {tables.SHIFT_STUB, tables.SHIFT_OPENED, tables.SHIFT_CLOSED}


def model_of(table: tables.Table) -> type[Model]:
    return next(m for m in apps.get_models() if m._meta.db_table == table.name)


@pytest.mark.parametrize("table", TABLES, ids=lambda t: f"{t.name}-{len(t.columns)}")
def test_rows_have_the_columns_of_the_model(table: tables.Table) -> None:
    columns = {f.column for f in model_of(table)._meta.local_concrete_fields if f.column}
    assert len(set(table.columns)) == len(table.columns)
    assert set(table.columns) - columns == set()
    if table not in PARTIAL:
        assert columns - set(table.columns) == set()
    else:
        required = {
            f.column for f in model_of(table)._meta.local_concrete_fields if f.column and not f.null
        }
        assert required - set(table.columns) == set()


def test_every_table_of_the_ledger_is_written() -> None:
    written = {table.name for table in TABLES}
    models = [*apps.get_app_config("ledger").get_models()]
    assert {m._meta.db_table for m in models} <= written


def test_held_entries_are_found_by_their_index(backoffice: Database) -> None:
    """Most entries are applied: looking for the others must not read them all."""
    explain = "EXPLAIN QUERY PLAN" if backoffice.engine == "sqlite" else "EXPLAIN"
    with connection.cursor() as cursor:
        if backoffice.engine != "sqlite":
            cursor.execute("SET enable_seqscan = off")
        cursor.execute(
            f"""{explain} SELECT seq FROM ingest_entry WHERE account_id = %s
            AND register_id = %s AND NOT (status = 'applied')""",
            (engine().uid(str(uuid4())), engine().uid(str(uuid4()))),
        )
        assert "entry_not_applied" in str(cursor.fetchall())


def test_ids_and_times_come_back_as_they_went(backoffice: Database) -> None:
    """What raw SQL writes, the ORM reads, and the other way round."""
    db, name, account = engine(), str(uuid4()), str(uuid4())
    at = datetime(2026, 11, 22, 12, 0, 0, 123456, UTC)
    row = (
        db.uid(account), db.uid(name), db.uid(account), "x", "code", "text", '{"a": [1]}',
        db.moment(at), None,
    )  # fmt: skip
    with db.transaction() as cursor:
        db.insert(cursor, tables.EXCEPTION, [row, row])
    item = ExceptionItem.objects.get(id=name)
    assert (str(item.id), item.created_at, item.details) == (name, at, {"a": [1]})
    assert ExceptionItem.objects.filter(created_at__lte=at, created_at__gte=at).exists()
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, created_at FROM ingest_exceptionitem")
        raw = cursor.fetchone()
    assert (canonical(raw[0]), when(raw[1])) == (name, at)


def test_levels_add_up_and_are_made_when_new(backoffice: Database) -> None:
    db, account, store = engine(), str(uuid4()), str(uuid4())
    for _ in range(3):
        with db.transaction() as cursor:
            changes = [(db.uid(store), p, Decimal(q)) for p, q in (("a", "0.1"), ("b", "-2"))]
            db.add_levels(cursor, db.uid(account), changes)
            db.add_levels(cursor, db.uid(account), [])
    found = {level.product_id: level.quantity for level in Level.objects.all()}
    assert found == {"a": Decimal("0.3"), "b": Decimal(-6)}


def shift_rows(shift: str) -> dict[str, tuple[tables.Table, tables.Row]]:
    db = engine()
    ids = (db.uid(shift),) * 4
    at = db.moment(datetime(2026, 11, 22, 8, tzinfo=UTC))
    return {
        "stub": (tables.SHIFT_STUB, (*ids, "e", "", 0, "")),
        "opened": (tables.SHIFT_OPENED, (*ids, "e", at, "Anna", 100, "", "2026-11-22")),
        "closed": (
            tables.SHIFT_CLOSED,
            (*ids, "e", at, "Anna", 100, at, "Ben", "2026-11-22", 7, 300, 290, -10, "{}"),
        ),
    }


def test_a_shift_is_the_same_in_whatever_order_it_is_heard_of(backoffice: Database) -> None:
    for order in pairs(["stub", "opened", "closed"], repeat=3):
        db, shift, known = engine(), str(uuid4()), set(order)
        with db.transaction() as cursor:
            for word in order:
                table, row = shift_rows(shift)[word]
                db.insert(cursor, table, [row])
        made = Shift.objects.get(id=shift)
        opening = ("", 0) if known == {"stub"} else ("Anna", 100)
        closing = ("Ben", 7) if "closed" in known else ("", None)
        assert (made.opened_by, made.float) == opening, order
        assert (made.closed_by, made.z_number) == closing, order


def test_what_fails_inside_a_savepoint_is_undone_alone(backoffice: Database) -> None:
    db, account = engine(), engine().uid(str(uuid4()))
    with db.transaction() as cursor:
        db.add_levels(cursor, account, [(account, "a", Decimal(1))])
        with pytest.raises(ValueError, match="rule"), db.savepoint():
            db.add_levels(cursor, account, [(account, "b", Decimal(1))])
            raise ValueError("rule")
        assert db.is_open()
    assert [level.product_id for level in Level.objects.all()] == ["a"]
    assert not db.is_open()
