"""What an exchange is judged on, in one statement: what is held of its epoch, and the heads of the feed."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from stillopen.backoffice.feed.epoch import server_epoch
from stillopen.backoffice.feed.heads import Heads, heads_of, scopes_of
from stillopen.backoffice.ingest.fact import Place
from stillopen.backoffice.ingest.sql import Cursor
from stillopen.sync.lineage import Branch, History, is_label, named
from stillopen.sync.live import live_scopes
from stillopen.sync.messages import Ack, ExchangeRequest


class EpochKnown(msgspec.Struct, frozen=True):
    """What is held of one epoch, and its label. ``held``: entries of the register are not applied."""

    history: History
    label: str
    held: bool
    backed_up: Mapping[str, Ack] = {}  # by branch: how far every backup that is kept reaches

    def label_after(self, request: ExchangeRequest) -> str:
        """The label that was given, until the register has printed its own."""
        printed = request.former or request.journal_count > 0
        return request.label if printed and is_label(request.label) else self.label


class Standing(msgspec.Struct, frozen=True):
    """``known`` is None for an epoch that is not known yet. ``heads`` are those of the register's catalogue,
    ``live`` those of its live lane."""

    known: EpochKnown | None
    heads: Heads
    live: Heads


def read_standing(cursor: Cursor, place: Place, request: ExchangeRequest) -> Standing:
    """All of one moment; only a request that names numbers before the end of what is held takes a second
    statement, for their hashes."""
    source = place.source
    scopes, live = scopes_of(source.store, source.register), live_scopes(source.store)
    rows = _rows(cursor, place, request.epoch, (*scopes, *live))
    if not rows:
        server_epoch()  # makes it
        rows = _rows(cursor, place, request.epoch, (*scopes, *live))
    at = {scope: (seq, chain) for _, scope, seq, chain, *_ in rows if scope is not None}
    epoch = rows[0][0]
    return Standing(
        _epoch(cursor, place, request, [row[4:] for row in rows]),
        heads_of(epoch, scopes, at),
        heads_of(epoch, live, at),
    )


def _rows(cursor: Cursor, place: Place, epoch: str, scopes: Sequence[str]) -> list[tuple[Any, ...]]:
    """Each head beside each branch of ``epoch``: a handful beside, nearly always, the only one."""
    cursor.execute(
        f"""SELECT s.epoch, h.scope, h.seq, h.chain,
        e.branch, e.acked_seq, e.acked_hash, e.parent, e.base_seq, e.label, b.seq, b.hash,
        EXISTS (SELECT 1 FROM ingest_entry n WHERE n.account_id = %s
            AND n.register_id = %s AND NOT (n.status = 'applied'))
        FROM feed_serverepoch s
        LEFT JOIN feed_head h ON h.account_id = %s AND {place.db.among("h.scope")}
        LEFT JOIN devices_epoch e ON e.account_id = %s AND e.register_id = %s AND e.epoch = %s
        LEFT JOIN backups_backedup b ON b.account_id = e.account_id
        AND b.register_id = e.register_id AND b.branch = e.branch
        WHERE s.id = 1 ORDER BY e.created_at, e.branch""",
        (*place.ids, place.account, place.db.many(scopes), *place.ids, epoch),
    )
    return cursor.fetchall()


def _epoch(
    cursor: Cursor, place: Place, request: ExchangeRequest, rows: Sequence[tuple[Any, ...]]
) -> EpochKnown | None:
    """``rows``: name, seq, hash, parent, base and label of a branch, seq and hash of its backup, held."""
    lines = {row[0]: row for row in rows if row[0] is not None}
    if not lines:
        return None
    branches = tuple(Branch(x[0], x[1], bytes(x[2]), x[3], x[4]) for x in lines.values())
    history = History(branches, _held(cursor, place, branches, request))
    reach = {
        x[0]: Ack(request.epoch, x[6], bytes(x[7])) for x in lines.values() if x[6] is not None
    }
    return EpochKnown(history, rows[0][5], bool(rows[0][8]), reach)


def _held(
    cursor: Cursor, place: Place, branches: Sequence[Branch], request: ExchangeRequest
) -> dict[tuple[str, int], bytes]:
    """The hashes that are stored under the numbers which the request names."""
    end = max(b.seq for b in branches)
    seqs = [n for n in named(request) if 0 < n < end]
    if not seqs:
        return {}
    cursor.execute(
        f"""SELECT branch, seq, hash FROM ingest_entry WHERE account_id = %s AND register_id = %s
        AND {place.db.among("branch")} AND {place.db.among("seq")}""",
        (*place.ids, place.db.many([b.name for b in branches]), place.db.many(seqs)),
    )
    return {(branch, seq): bytes(value) for branch, seq, value in cursor.fetchall()}
