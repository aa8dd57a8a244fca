"""SQLite: prepared statements run over many rows. See sql.py for what each function promises."""

import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
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
    if not _writer.acquire(timeout=_WAIT):
        raise OperationalError("the database is busy with other writers")
    try:
        with django_transaction.atomic(durable=True), connection.cursor() as cursor:
            yield cursor
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


def is_open() -> bool:
    return connection.connection is not None and connection.connection.in_transaction


def lock(alias: str, skip: bool = False) -> str:
    return ""  # the transaction is the only writer of the whole file


def uid(text: str) -> str:
    return text.replace("-", "")


def moment(at: datetime) -> str:
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return str(at.replace(tzinfo=None))


def among(column: str) -> str:
    return f"{column} IN (SELECT value FROM json_each(%s))"


def many(values: Iterable[str | int]) -> object:
    return json.dumps(list(values))


@lru_cache
def _insert_sql(table: Table) -> str:
    columns = ", ".join(f'"{c}"' for c in table.columns)
    marks = ", ".join(["%s"] * len(table.columns))
    return f'INSERT INTO "{table.name}" ({columns}) VALUES ({marks}) {table.conflict}'


def insert(cursor: Any, table: Table, rows: Sequence[Row]) -> None:
    if rows:
        cursor.executemany(_insert_sql(table), rows)


def add_levels(cursor: Any, account: str, changes: Sequence[tuple[str, str, Decimal]]) -> None:
    # NUMERIC columns hold a REAL here: rounding each sum keeps it the double nearest to the decimal.
    if changes:
        cursor.executemany(
            """INSERT INTO stock_level ("account_id", "store_id", "product_id", "quantity")
            VALUES (%s, %s, %s, %s)
            ON CONFLICT ("account_id", "store_id", "product_id") DO UPDATE
            SET "quantity" = round(stock_level."quantity" + excluded."quantity", 3)""",
            [(account, store, product, str(quantity)) for store, product, quantity in changes],
        )
