"""What the hub's thread asks the database: which accounts moved, and which registers that concerns."""

from collections.abc import Iterable, Mapping
from typing import Any

import django.db
import msgspec

from stillopen.backoffice.feed.pages import scopes_of
from stillopen.backoffice.ingest.sql import Cursor, canonical, engine
from stillopen.sync.live import live_scopes


class Ticket(msgspec.Struct, frozen=True, gc=False):
    """A register that may listen; ``seqs`` is where it stands in its scopes, as it last said; ``live`` the
    same for those of stock and receipts, summed up; None where it is not known."""

    register: str
    account: str
    public_key: bytes
    seqs: Mapping[str, int]
    live: int | None = None


class News(msgspec.Struct, frozen=True):
    """Where an active register's scopes stand; and the key of the device that is bound to it."""

    public_key: bytes
    seqs: dict[str, int]
    live: int = 0


class Watch:
    """The queries of the thread, on its own connection."""

    def __init__(self) -> None:
        self._pulses: dict[str, int] = {}
        self._version: int | None = None

    def forget(self) -> None:
        """After an error: a new connection, and look at everything again."""
        self._pulses, self._version = {}, None
        django.db.connection.close()

    def moved(self, accounts: list[str]) -> set[str]:
        """Those of ``accounts`` whose pulse is another than at the last look."""
        if not self._file_changed():
            return set()
        with django.db.connection.cursor() as cursor:
            pulses = _pulses(cursor, accounts)
        before, self._pulses = self._pulses, pulses
        return {account for account in pulses if pulses[account] != before.get(account)}

    def _file_changed(self) -> bool:
        """SQLite tells for next to nothing whether anyone else wrote to the file."""
        if not on_sqlite():
            return True
        connection = django.db.connection
        connection.ensure_connection()
        with connection.wrap_database_errors:  # it is asked past Django's cursors
            (version,) = connection.connection.execute("PRAGMA data_version").fetchone()
        changed = version != self._version
        self._version = version
        return changed

    def read(self, account: str, tickets: Iterable[Ticket]) -> dict[str, News | None]:
        """What is new for the registers of one account; none for a register that is not active."""
        with django.db.connection.cursor() as cursor:
            heads = _heads(cursor, account)
            rows = _registers(cursor, account, [t.register for t in tickets])
        return {
            register: News(
                bytes(key),
                {s: heads.get(s, 0) for s in scopes_of(store, register)},
                sum(heads.get(s, 0) for s in live_scopes(store)),
            )
            for register, store, state, key in rows
            if state == "active" and key is not None
        }


def on_sqlite() -> bool:
    return django.db.connection.vendor == "sqlite"


def _pulses(cursor: Cursor, accounts: list[str]) -> dict[str, int]:
    db = engine()
    cursor.execute(
        f"SELECT account_id, count FROM feed_pulse WHERE {db.among('account_id')}",
        (db.many(db.uid(account) for account in accounts),),
    )
    return {canonical(account): count for account, count in cursor.fetchall()}


def _heads(cursor: Cursor, account: str) -> dict[str, int]:
    cursor.execute(
        "SELECT scope, seq FROM feed_head WHERE account_id = %s", (engine().uid(account),)
    )
    return dict(cursor.fetchall())


def _registers(
    cursor: Cursor, account: str, registers: list[str]
) -> list[tuple[str, str, str, Any]]:
    db = engine()
    cursor.execute(
        f"""SELECT id, store_id, state, public_key FROM devices_register
        WHERE account_id = %s AND {db.among("id")}""",
        (db.uid(account), db.many(db.uid(register) for register in registers)),
    )
    return [
        (canonical(register), canonical(store), state, key)
        for register, store, state, key in cursor.fetchall()
    ]
