"""Where the scopes of a register stand."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from stillopen.backoffice.feed.epoch import server_epoch
from stillopen.backoffice.ingest.sql import Cursor, engine
from stillopen.sync import messages
from stillopen.sync.feed import GENESIS_CHAIN, cursors_hash


class Heads:
    """Where the scopes of a register stand now, and in which history of the server."""

    def __init__(self, epoch: str, heads: Sequence[messages.Cursor]) -> None:
        self.epoch, self.heads = epoch, tuple(heads)

    @cached_property
    def hash(self) -> bytes:
        return cursors_hash(self.epoch, self.heads)

    @property
    def seqs(self) -> dict[str, int]:
        return {head.scope: head.seq for head in self.heads}


def scopes_of(store: str, register: str) -> tuple[str, ...]:
    """As devices.scopes.scopes_of, from canonical ids."""
    return ("account", f"store:{store}", f"register:{register}")


def read_heads(cursor: Cursor, account: str, scopes: Sequence[str]) -> Heads:
    """One cursor per scope, in the order of ``scopes``; a scope without publications stands at 0."""
    db = engine()
    cursor.execute(
        f"""SELECT e.epoch, h.scope, h.seq, h.chain FROM feed_serverepoch e LEFT JOIN feed_head h
        ON h.account_id = %s AND {db.among("h.scope")} WHERE e.id = 1""",
        (db.uid(account), db.many(scopes)),
    )
    rows = cursor.fetchall()
    epoch = rows[0][0] if rows else server_epoch()
    known = {scope: (seq, chain) for _, scope, seq, chain in rows if scope is not None}
    return heads_of(epoch, scopes, known)


def heads_of(epoch: str, scopes: Sequence[str], at: Mapping[str, tuple[int, bytes]]) -> Heads:
    """From what the database has of them: number and chain of those that have publications."""
    known = {scope: (seq, bytes(chain)) for scope, (seq, chain) in at.items()}
    return Heads(epoch, [messages.Cursor(s, *known.get(s, (0, GENESIS_CHAIN))) for s in scopes])
