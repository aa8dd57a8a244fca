"""SQLite: prepared statements run over many rows. See sql.py for what each function promises."""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from itertools import chain
from typing import Any

from django.db import OperationalError, connection
from django.db import transaction as django_transaction

from stillopen.backoffice.ingest.tables import Row, Table

#: SQLite has one writer at a time anyway. Waiting here is fair and wakes at once; its own busy handler
#: sleeps up to a tenth of a second and starves whoever came first.
_writer = threading.Lock()


_WAIT = 20.0  # seconds, as long as SQLite's own time-out


@contextmanager
def transaction() -> Iterator[Any]:
    with _turn(), django_transaction.atomic(durable=True), connection.cursor() as cursor:
        yield cursor


@contextmanager
def autocommit() -> Iterator[Any]:
    with _turn(), connection.cursor() as cursor:
        yield cursor


@contextmanager
def _turn() -> Iterator[None]:
    if not _writer.acquire(timeout=_WAIT):
        raise OperationalError("the database is busy with other writers")
    try:
        yield
    finally:
        _writer.release()


@contextmanager
def snapshot() -> Iterator[Any]:
    """A deferred BEGIN reads one state of the file and blocks no writer."""
    with connection.cursor() as cursor:
        cursor.execute("BEGIN DEFERRED")
        try:
            yield cursor
        finally:
            cursor.execute("ROLLBACK")


@contextmanager
def savepoint() -> Iterator[None]:
    with django_transaction.atomic():
        yield


def often(cursor: Any) -> Any:
    return cursor  # sqlite3 remembers the statements of a connection anyway


def need_not_wait() -> str:
    return "TRUE"  # SQLite takes no such word inside a transaction


def is_open() -> bool:
    return connection.connection is not None and connection.connection.in_transaction


def lock(alias: str, skip: bool = False) -> str:
    return ""  # the transaction is the only writer of the whole file


def uid(text: str) -> str:
    return text.replace("-", "")


def moment(at: datetime) -> str:
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return at.isoformat(" ")[:-6]  # without +00:00


def among(column: str) -> str:
    return f"{column} IN (SELECT value FROM json_each(%s))"


def many(values: Iterable[str | int]) -> object:
    return json.dumps(list(values))


#: Rows to a statement. Between two statements other threads of this process get their turn, and one that
#: computes keeps it: a statement for each row would wait for them at each row.
_TOGETHER = 100


def insert(cursor: Any, table: Table, rows: Sequence[Row]) -> None:
    columns = ", ".join(f'"{c}"' for c in table.columns)
    _write(f'INSERT INTO "{table.name}" ({columns})', table.conflict, rows)


def _write(head: str, tail: str, rows: Sequence[Sequence[object]]) -> None:
    """``head VALUES … tail`` for all ``rows``, on the connection itself: Django would look through each
    statement for its marks."""
    whole = len(rows) // _TOGETHER * _TOGETHER
    with connection.wrap_database_errors:
        for first in range(0, whole, _TOGETHER):
            part = chain.from_iterable(rows[first : first + _TOGETHER])
            _raw().execute(_statement(head, tail, len(rows[0]), _TOGETHER), tuple(part))
        if whole < len(rows):
            rest = rows[whole:]
            part = chain.from_iterable(rest)
            _raw().execute(_statement(head, tail, len(rest[0]), len(rest)), tuple(part))


def _raw() -> sqlite3.Connection:
    raw: sqlite3.Connection = connection.connection
    return raw


@lru_cache(2000)
def _statement(head: str, tail: str, columns: int, rows: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return f"{head} VALUES {', '.join([row] * rows)} {tail}"


def add_levels(cursor: Any, account: str, changes: Sequence[tuple[str, str, Decimal]]) -> None:
    # NUMERIC columns hold a REAL here: rounding each sum keeps it the double nearest to the decimal.
    _write(
        'INSERT INTO stock_level ("account_id", "store_id", "product_id", "quantity", "dirty")',
        """ON CONFLICT ("account_id", "store_id", "product_id") DO UPDATE
        SET "quantity" = round(stock_level."quantity" + excluded."quantity", 3), "dirty" = TRUE""",
        [(account, store, product, str(quantity), True) for store, product, quantity in changes],
    )


def settle_levels(
    cursor: Any, account: str, store: str, read: Sequence[tuple[str, object]]
) -> None:
    _write(
        'WITH "read" ("account", "store", "product", "quantity") AS (',
        """) UPDATE stock_level SET "dirty" = FALSE FROM "read" WHERE "account_id" = "read"."account"
        AND "store_id" = "read"."store" AND "product_id" = "read"."product"
        AND stock_level."quantity" = "read"."quantity" """,
        [(account, store, product, quantity) for product, quantity in read],
    )
