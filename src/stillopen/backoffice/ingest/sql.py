"""Raw SQL: what both engines share, and the choice between their modules.

``sql_sqlite`` and ``sql_postgresql`` have the same functions; tests/conformance holds them to the same
behaviour. Everything here runs on Django's connection, inside the transaction of the caller.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol, cast

from django.db import connection

from stillopen.backoffice.ingest import sql_postgresql, sql_sqlite
from stillopen.backoffice.ingest.tables import Row, Table

#: (store, product id, quantity to add)
LevelChange = tuple[str, str, Decimal]


class Cursor(Protocol):
    """The part of Django's cursor that is used here."""

    rowcount: int

    def execute(self, sql: str, params: Any = ..., /) -> Any: ...
    def executemany(self, sql: str, param_list: Any, /) -> Any: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...


class Engine(Protocol):
    """What differs between the databases."""

    def transaction(self) -> AbstractContextManager[Cursor]:
        """One durable transaction, begun as a writer; commits at the end, rolls back on any error."""

    def snapshot(self) -> AbstractContextManager[Cursor]:
        """A read-only transaction in which every statement sees the same moment."""

    def autocommit(self) -> AbstractContextManager[Cursor]:
        """No transaction: each statement is one of its own, as durable as :meth:`transaction`."""

    def savepoint(self) -> AbstractContextManager[None]:
        """Undo what is done inside when it raises."""

    def often(self, cursor: Cursor) -> Cursor:
        """A cursor in the same transaction for statements of every exchange: each is planned once for a
        connection. Their text never varies, and what a parameter is follows from its place."""

    def need_not_wait(self) -> str:
        """A condition that always holds. A transaction whose last UPDATE has it does not wait for the disk: a
        crash right after the commit may undo it, whole."""

    def is_open(self) -> bool:
        """Whether the transaction is really still open: SQLite ends one by itself on a full disk."""

    def lock(self, alias: str, skip: bool = False) -> str:
        """What to put behind a SELECT to lock the rows of the table ``alias``; ``skip`` those that
        somebody else has locked."""

    def uid(self, text: str) -> str:
        """A canonical UUID (with hyphens) as a parameter."""

    def moment(self, at: datetime) -> str:
        """An aware time as a parameter."""

    def among(self, column: str) -> str:
        """A condition with one placeholder that takes :meth:`many`."""

    def many(self, values: Iterable[str | int]) -> object:
        """Any number of values as one parameter."""

    def insert(self, cursor: Cursor, table: Table, rows: Sequence[Row]) -> None:
        """Write ``rows``; a table with a conflict clause settles repeats by it, others must be new."""

    def add_levels(self, cursor: Cursor, account: str, changes: Sequence[LevelChange]) -> None:
        """Add to stock levels. ``changes`` has each (store, product) once, sorted: everyone locks
        levels in this order, so nobody waits in a circle. They are dirty afterwards."""

    def settle_levels(
        self, cursor: Cursor, account: str, store: str, read: Sequence[tuple[str, object]]
    ) -> None:
        """Levels that still are what was ``read`` of them (product, quantity) are dirty no longer."""


_ENGINES = {"sqlite": sql_sqlite, "postgresql": sql_postgresql}


def engine() -> Engine:
    """The module for the database that Django is connected to."""
    return cast(Engine, _ENGINES[connection.vendor])


def utc(at: datetime) -> datetime:
    """``at`` in UTC; one without a zone is taken as UTC. ``OverflowError`` beyond the calendar."""
    if at.tzinfo is UTC:
        return at
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def when(value: object) -> datetime | None:
    """A time as either engine returns it; SQLite's have no zone."""
    if value is None:
        return None
    return utc(value if isinstance(value, datetime) else datetime.fromisoformat(str(value)))


def canonical(value: object) -> str:
    """A UUID as either engine returns it, with hyphens."""
    text = str(value)
    if len(text) != 32:
        return text
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
