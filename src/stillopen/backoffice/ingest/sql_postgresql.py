"""PostgreSQL: COPY for what is new, arrays for the rest. See sql.py for what each function promises."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import psycopg
from django.db import connection
from django.db import transaction as django_transaction
from psycopg.pq import TransactionStatus

from stillopen.backoffice.ingest.tables import Row, Table


@contextmanager
def transaction() -> Iterator[Any]:
    with django_transaction.atomic(durable=True), connection.cursor() as cursor:
        yield cursor


@contextmanager
def snapshot() -> Iterator[Any]:
    with connection.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield cursor
        finally:
            cursor.execute("COMMIT")  # psycopg forgets what is prepared at each ROLLBACK


@contextmanager
def autocommit() -> Iterator[Any]:
    with connection.cursor() as cursor:
        yield cursor


@contextmanager
def savepoint() -> Iterator[None]:
    with django_transaction.atomic():
        yield


class _Often(psycopg.Cursor[Any]):
    """Prepares each statement the first time that it is executed on a connection."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> "_Often":
        super().execute(query, params, prepare=True, **options)
        return self


def often(cursor: Any) -> Any:
    raw: Any = _Often(connection.connection)
    return connection.make_cursor(raw)


def need_not_wait() -> str:
    """As ``SET LOCAL``, which would be a statement more."""
    return "set_config('synchronous_commit', 'off', true) = 'off'"


def is_open() -> bool:
    raw = connection.connection
    return raw is not None and raw.info.transaction_status == TransactionStatus.INTRANS


def lock(alias: str, skip: bool = False) -> str:
    return f"FOR UPDATE OF {alias}{' SKIP LOCKED' if skip else ''}"


def uid(text: str) -> str:
    return text


def moment(at: datetime) -> str:
    return at.isoformat()


def among(column: str) -> str:
    return f"{column} = ANY(%s)"


def many(values: Iterable[str | int]) -> object:
    return list(values)


@lru_cache
def _copy_sql(table: Table) -> str:
    columns = ", ".join(f'"{c}"' for c in table.columns)
    return f'COPY "{table.name}" ({columns}) FROM STDIN'


@lru_cache
def _insert_sql(table: Table) -> str:
    columns = ", ".join(f'"{c}"' for c in table.columns)
    marks = ", ".join(["%s"] * len(table.columns))
    return f'INSERT INTO "{table.name}" ({columns}) VALUES ({marks}) {table.conflict}'


def insert(cursor: Any, table: Table, rows: Sequence[Row]) -> None:
    if not rows:
        return
    if table.conflict:
        cursor.executemany(_insert_sql(table), rows)
        return
    with connection.wrap_database_errors, cursor.copy(_copy_sql(table)) as copy:
        for row in rows:
            copy.write_row(row)


def add_levels(cursor: Any, account: str, changes: Sequence[tuple[str, str, Decimal]]) -> None:
    if changes:
        stores, products, quantities = zip(*changes, strict=True)
        cursor.execute(
            """INSERT INTO stock_level ("account_id", "store_id", "product_id", "quantity", "dirty")
            SELECT %s, t.store, t.product, t.quantity, TRUE
            FROM unnest(%s::uuid[], %s::text[], %s::numeric[]) AS t(store, product, quantity)
            ON CONFLICT ("account_id", "store_id", "product_id") DO UPDATE
            SET "quantity" = stock_level."quantity" + excluded."quantity", "dirty" = TRUE""",
            (account, list(stores), list(products), list(quantities)),
        )


def settle_levels(
    cursor: Any, account: str, store: str, read: Sequence[tuple[str, object]]
) -> None:
    # A level that somebody is changing at this moment stays dirty: nobody waits for another here.
    if read:
        products, quantities = zip(*read, strict=True)
        cursor.execute(
            """UPDATE stock_level s SET "dirty" = FALSE FROM (
                SELECT l."product_id" FROM stock_level l
                JOIN unnest(%s::text[], %s::numeric[]) AS t(product, quantity)
                ON l."product_id" = t.product AND l."quantity" = t.quantity
                WHERE l."account_id" = %s AND l."store_id" = %s AND l."dirty"
                FOR UPDATE OF l SKIP LOCKED
            ) AS same
            WHERE s."account_id" = %s AND s."store_id" = %s AND s."product_id" = same."product_id" """,
            (list(products), list(quantities), account, store, account, store),
        )
