"""The feed: scopes, cursors, the chain of publications, and what a pull is to be answered with.

A scope is ``account``, ``store:<id>`` or ``register:<id>``; in the live lane ``stock:<store id>`` or
``receipts:<store id>``. Its rows carry dense sequence numbers; a
cursor always stands at the end of a publication and names the chain hash there, so that a cursor
of another history (a restored server) is recognized and answered with a snapshot.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b, sha256

import msgspec

from stillopen.sync.messages import Cursor, Digest, FeedPage, FeedRow, Pull

GENESIS_CHAIN = bytes(32)
PAGE_ROWS = 1000
_RANK = {"account": 0, "store": 1, "register": 2, "stock": 3, "receipts": 4}


def scope_rank(scope: str) -> tuple[int, str]:
    """Sort key: account, stores, registers — the order in which heads are locked everywhere."""
    return _RANK[scope.split(":", 1)[0]], scope


def next_chain(prev: bytes, rows: Iterable[FeedRow]) -> bytes:
    """The chain hash (32 bytes) of a publication of ``rows`` after ``prev``."""
    digest = sha256(prev)
    for row in rows:
        digest.update(f"{row.seq}\0{row.kind}\0{row.id}\0{int(row.deleted)}\0".encode())
        digest.update(sha256(row.payload).digest())
    return digest.digest()


def cursors_hash(server_epoch: str, cursors: Iterable[Cursor]) -> bytes:
    """16 bytes over all cursors, so that a register with nothing new says so in little space."""
    digest = blake2b(server_epoch.encode(), digest_size=16)
    for cursor in sorted(cursors, key=lambda c: scope_rank(c.scope)):
        digest.update(f"\0{cursor.scope}\0{cursor.seq}\0".encode() + cursor.chain)
    return digest.digest()


class PullPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Read rows with ``seq > since[scope]`` for each scope, in scope order then seq order. Where a scope is
    mended, ``since`` begins at nothing: up to ``news[scope]`` only the kinds of ``repair`` are wanted."""

    since: dict[str, int]
    snapshot: bool
    repair: tuple[tuple[str, str], ...] = ()
    news: dict[str, int] = {}

    def mended(self, scope: str) -> tuple[str, ...]:
        """The kinds of ``scope`` that are read from nothing."""
        return tuple(kind for where, kind in self.repair if where == scope)


def plan_pull(
    pull: Pull,
    server_epoch: str,
    scopes: Sequence[str],
    known: Mapping[tuple[str, int], bytes],
) -> PullPlan:
    """Where reading begins. ``known`` has the chain hash of each publication that the pull's cursors name.

    An unknown history gives a snapshot from nothing; a scope that is new to the register is read
    from its beginning.
    """
    fresh = PullPlan(since=dict.fromkeys(scopes, 0), snapshot=True)
    if pull.server_epoch != server_epoch:
        return fresh
    staged = {s: n for s, n in pull.staged.items() if s in scopes}
    if pull.snapshot:
        return PullPlan(since={s: staged.get(s, 0) for s in scopes}, snapshot=True)
    at: dict[str, int] = {}
    for cursor in pull.cursors:
        if cursor.seq and known.get((cursor.scope, cursor.seq)) != cursor.chain:
            return fresh
        at[cursor.scope] = cursor.seq
    repair = tuple(pair for pair in pull.repair if at.get(pair[0]) and pair[0] in scopes)
    mended = {scope for scope, _ in repair}
    begin = {s: 0 if s in mended else at.get(s, 0) for s in scopes}
    return PullPlan(
        since={s: max(begin[s], staged.get(s, 0)) for s in scopes},
        snapshot=False,
        repair=repair,
        news={s: at[s] for s in mended},
    )


def make_page(
    plan: PullPlan,
    rows: Sequence[FeedRow],
    heads: Sequence[Cursor],
    server_epoch: str,
    limit: int = PAGE_ROWS,
    digests: Sequence[Digest] = (),
) -> FeedPage:
    """The page for ``rows``, of which at most ``limit`` + 1 were read in one snapshot with ``heads``
    and ``digests``; those two go with the last page only."""
    more = len(rows) > limit
    left = sum(max(h.seq - _news(plan, h.scope), 0) for h in heads) if more else 0
    return FeedPage(
        server_epoch=server_epoch,
        rows=tuple(rows[:limit]),
        more=more,
        since=plan.since,
        heads=() if more else tuple(heads),
        snapshot=plan.snapshot,
        total=max(left, len(rows)),
        repair=plan.repair,
        digests=() if more else tuple(digests),
    )


def _news(plan: PullPlan, scope: str) -> int:
    """From where on every row counts: what is fetched again besides cannot be known without reading it."""
    return max(plan.since.get(scope, 0), plan.news.get(scope, 0))


def staged_after(page: FeedPage) -> dict[str, int]:
    """How far each scope is staged once ``page`` is."""
    staged = dict(page.since)
    for row in page.rows:
        staged[row.scope] = max(staged.get(row.scope, 0), row.seq)
    return staged
