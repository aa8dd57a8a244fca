"""The physical limit of ingest: the rows of a batch, read back, and written again with nothing around them."""

import sqlite3
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import sql

from stillopen.bench.office import Office

#: table → which of its rows belong to the entries of a batch, given the receipts' ids.
_TABLES = {
    "ingest_entry": "branch = :epoch AND seq > :after AND seq <= :last",
    "ledger_receipt": "branch = :epoch AND seq > :after AND seq <= :last",
    "ledger_receiptline": "receipt_id IN (SELECT id FROM ledger_receipt WHERE branch = :epoch"
    " AND seq > :after AND seq <= :last)",
    "ledger_payment": "receipt_id IN (SELECT id FROM ledger_receipt WHERE branch = :epoch"
    " AND seq > :after AND seq <= :last)",
    "stock_movement": "source IN (SELECT entry_id FROM ingest_entry WHERE branch = :epoch"
    " AND seq > :after AND seq <= :last)",
}


class RawRows(ABC):
    """``load`` the rows of a batch from a Back Office; ``write`` them, durably, in one transaction."""

    #: Whether the rows are written by a process of the database's own.
    apart = False

    def __init__(self, server: Office) -> None:
        self._rows: dict[str, list[tuple[Any, ...]]] = {}
        self._open(server)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def load(self, epoch: str, after: int, last: int) -> int:
        """How many rows there are."""
        place = {"epoch": epoch, "after": after, "last": last}
        self._rows = {table: self._read(table, where, place) for table, where in _TABLES.items()}
        return sum(map(len, self._rows.values()))

    @abstractmethod
    def _open(self, server: Office) -> None: ...

    @abstractmethod
    def _read(self, table: str, where: str, place: dict[str, Any]) -> list[tuple[Any, ...]]: ...

    @abstractmethod
    def write(self) -> None: ...

    @abstractmethod
    def close(self) -> None: ...


class _Sqlite(RawRows):
    def _open(self, server: Office) -> None:
        self._from = sqlite3.connect(server.database, isolation_level=None)
        self._to = sqlite3.connect(server.folder / "raw.db", isolation_level=None)
        (page_size,) = self._from.execute("PRAGMA page_size").fetchone()
        self._to.execute(f"PRAGMA page_size = {page_size}")
        self._to.execute("PRAGMA journal_mode = WAL")
        self._to.execute("PRAGMA synchronous = FULL")
        self._marks: dict[str, str] = {}
        for table in _TABLES:
            row = self._from.execute(
                "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)
            ).fetchone()
            self._to.execute(row[0])
            columns = self._from.execute(f"PRAGMA table_info({table})").fetchall()
            self._marks[table] = ",".join("?" * len(columns))

    def _read(self, table: str, where: str, place: dict[str, Any]) -> list[tuple[Any, ...]]:
        return self._from.execute(f"SELECT * FROM {table} WHERE {where}", place).fetchall()

    def write(self) -> None:
        self._to.execute("BEGIN IMMEDIATE")
        for table, rows in self._rows.items():
            self._to.executemany(f"INSERT INTO {table} VALUES ({self._marks[table]})", rows)
        self._to.execute("COMMIT")

    def close(self) -> None:
        self._from.close()
        self._to.close()


class _Postgres(RawRows):
    apart = True

    def _open(self, server: Office) -> None:
        self._db = psycopg.connect(server.database, autocommit=True)
        self._db.execute("CREATE SCHEMA raw")
        self._inserts: dict[str, sql.Composed] = {}
        for table in _TABLES:
            name = sql.Identifier(table)
            self._db.execute(
                sql.SQL(
                    "CREATE TABLE raw.{} (LIKE public.{} INCLUDING DEFAULTS INCLUDING COMPRESSION)"
                ).format(name, name)
            )
            self._db.execute(sql.SQL(self._key(table)))
            self._inserts[table] = self._insert(table)

    def _key(self, table: str) -> str:
        """The primary key of ``table`` for its copy."""
        row = self._db.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE contype = 'p' AND conrelid = %s::regclass",
            (f"public.{table}",),
        ).fetchone()
        assert row is not None
        return f"ALTER TABLE raw.{table} ADD {row[0]}"

    def _insert(self, table: str) -> sql.Composed:
        """One statement for any number of rows: an array for each column."""
        rows = self._db.execute(
            "SELECT format_type(atttypid, NULL) FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            (f"public.{table}",),
        ).fetchall()
        arrays = sql.SQL(", ").join(sql.SQL(f"%s::{kind}[]") for (kind,) in rows)
        return sql.SQL("INSERT INTO raw.{} SELECT * FROM unnest({})").format(
            sql.Identifier(table), arrays
        )

    def _read(self, table: str, where: str, place: dict[str, Any]) -> list[tuple[Any, ...]]:
        for name in place:
            where = where.replace(f":{name}", f"%({name})s")
        found = self._db.execute(f"SELECT * FROM public.{table} WHERE {where}".encode(), place)
        return found.fetchall()

    def write(self) -> None:
        with self._db.transaction(), self._db.cursor() as cursor:
            for table, rows in self._rows.items():
                if rows:
                    columns = [list(column) for column in zip(*rows, strict=True)]
                    cursor.execute(self._inserts[table], columns)

    def close(self) -> None:
        self._db.close()


def raw_rows(server: Office) -> RawRows:
    return _Postgres(server) if server.engine == "postgresql" else _Sqlite(server)
