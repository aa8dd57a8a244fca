"""What the Back Office's file really holds, read beside the programs by a connection of its own."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from stillopen.simulator.server_node import FILE, ServerNode

Row = tuple[Any, ...]
#: (kind, record) → payload of one scope
Content = dict[tuple[str, str], bytes]


class Branch(NamedTuple):
    register: str
    name: str
    epoch: str
    parent: str
    base: int
    acked: int
    acked_hash: bytes


class Held(NamedTuple):
    """A raw entry as the Back Office holds it."""

    register: str
    branch: str
    seq: int
    id: str
    kind: str
    aggregate: str
    prev_hash: bytes
    hash: bytes
    status: str
    code: str
    behind: str


_HELD = (
    "SELECT register_id, branch, seq, entry_id, kind, aggregate, prev_hash, hash, status, code, behind"
    " FROM ingest_entry"
)


class Truth:
    """Committed state only: what a transaction has not ended is not seen."""

    def __init__(self, server: ServerNode) -> None:
        self._server = server
        self._life = -1
        self._connection: sqlite3.Connection | None = None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def query(self, sql: str, *parameters: object) -> list[Row]:
        if self._connection is None or self._life != self._server.life:
            self.close()
            self._life = self._server.life
            path: Path = self._server.folder / FILE
            self._connection = sqlite3.connect(path, isolation_level=None)
        return self._connection.execute(sql, parameters).fetchall()

    def state_of(self, register: str) -> tuple[str, int, dict[str, bytes]]:
        """(its store, entries of it that are not applied, scope → chain of all heads), of one moment."""
        rows = self.query(
            "SELECT store_id, (SELECT count(*) FROM ingest_entry e WHERE e.account_id = r.account_id"
            " AND e.register_id = r.id AND NOT (e.status = 'applied')), scope, chain"
            " FROM devices_register r LEFT JOIN feed_head h ON h.account_id = r.account_id WHERE r.id = ?",
            register,
        )
        store, held, _, _ = rows[0]
        return store, held, {scope: chain for _, _, scope, chain in rows if scope}

    def branches(self, register: str = "") -> list[Branch]:
        where, of = ("WHERE register_id = ?", (register,)) if register else ("", ())
        rows = self.query(
            "SELECT register_id, branch, epoch, parent, base_seq, acked_seq, acked_hash"
            f" FROM devices_epoch {where} ORDER BY register_id, created_at, branch",
            *of,
        )
        return [Branch(*row) for row in rows]

    def entries(self, register: str, branch: str, after: int) -> list[Held]:
        rows = self.query(
            f"{_HELD} WHERE account_id = (SELECT id FROM accounts_account)"
            " AND register_id = ? AND branch = ? AND seq > ? ORDER BY seq",
            register,
            branch,
            after,
        )
        return [Held(*row) for row in rows]

    def all_entries(self) -> list[Held]:
        return [Held(*row) for row in self.query(f"{_HELD} ORDER BY register_id, branch, seq")]

    def heads(self, scopes: Iterable[str]) -> dict[str, bytes]:
        """scope → chain hash, of those that have publications."""
        known: dict[str, bytes] = dict(self.query("SELECT scope, chain FROM feed_head"))
        return {scope: known[scope] for scope in scopes if scope in known}

    def content(self, scope: str) -> Content:
        rows = self.query(
            "SELECT kind, record, payload FROM feed_published WHERE scope = ? AND NOT deleted",
            scope,
        )
        return {(kind, record): bytes(payload) for kind, record, payload in rows}

    def store_of(self, register: str) -> str:
        return str(self.query("SELECT store_id FROM devices_register WHERE id = ?", register)[0][0])

    def moved_in(self, store: str) -> frozenset[str]:
        """Ids of the entries that have moved the stock of ``store`` (hex)."""
        rows = self.query("SELECT DISTINCT source FROM stock_movement WHERE store_id = ?", store)
        return frozenset(row[0] for row in rows)
