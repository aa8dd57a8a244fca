"""What a register asks next, and what it makes of an answer: pure functions over one small state.

The driver (register/syncer) owns stores, sockets and timers: it turns a :class:`Plan` into a
request, keeps what the returned effects say, *then* goes on. An effect is written before the next
request is planned, so a crash between any two steps repeats work and never skips any.

    plan ──request──►  server  ──answer──► conclude ──effects──► stores
"""

from datetime import datetime

import msgspec

from stillopen.sync.feed import cursors_hash
from stillopen.sync.messages import (
    Ack,
    Cursor,
    ExchangeAnswer,
    ExchangeRequest,
    FeedPage,
    FeedRow,
    NotApplied,
    Pull,
    Unsent,
)

MIN_BATCH, MAX_BATCH, FIRST_BATCH = 1, 1000, 100
#: A batch is sized so that one exchange takes about this long (seconds).
TARGET_SECONDS = 2.0


class Transfer(msgspec.Struct, frozen=True):
    """Pages on their way: of which server history, and whether they replace everything."""

    server_epoch: str
    snapshot: bool


class SyncState(msgspec.Struct, frozen=True, kw_only=True):
    """The register's memory of the conversation. Only ``acked`` is kept on disk: after a start the first
    exchange carries no nonce, is stale by definition, and brings one."""

    nonce: bytes = b""
    acked: Ack
    request: int = 0  # number of the latest request; only its answer counts
    in_flight: bool = False
    batch: int = FIRST_BATCH
    feed_behind: bool = True  # until the server says otherwise
    transfer: Transfer | None = None  # feed rows are being staged, page by page
    anew: bool = False  # a person asked for the whole catalogue again (Clear cache)
    retry: bool = False  # a person asked for Retry errored sales
    waiting_for_upgrade: bool = False
    revoked: bool = False
    parted: bool = False  # the server holds another history under the numbers of this epoch


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """What the stores hold at this moment."""

    register: str
    software: str
    epoch: str
    head_seq: int
    head_hash: bytes
    server_epoch: str
    cursors: tuple[Cursor, ...]
    staged: dict[str, int]  # scope → highest seq staged in the running transfer
    unsent: Unsent
    shift_open: bool
    receipts_made: int
    clock: datetime | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Send the entries ``first … last`` (none when last < first) with ``request``."""

    first: int
    last: int
    request: ExchangeRequest


# Effects, in the order in which the driver carries them out.
class Advance(msgspec.Struct, frozen=True):
    """Everything up to ``ack`` has arrived."""

    ack: Ack


class Rewind(msgspec.Struct, frozen=True):
    """The server holds less than it had acknowledged (it was restored): send again after ``ack``."""

    ack: Ack


class KeepNotApplied(msgspec.Struct, frozen=True):
    """The entries that the server could not apply yet: all of them, replacing what was known."""

    items: tuple[NotApplied, ...]


class Begin(msgspec.Struct, frozen=True):
    """A transfer begins; whatever was staged before is dropped."""

    snapshot: bool


class Stage(msgspec.Struct, frozen=True):
    rows: tuple[FeedRow, ...]
    total: int


class Switch(msgspec.Struct, frozen=True):
    """Make everything staged visible at once, with these cursors."""

    heads: tuple[Cursor, ...]
    server_epoch: str


class SetClock(msgspec.Struct, frozen=True):
    server_time: datetime


class StopSelling(msgspec.Struct, frozen=True):
    """The device was revoked: it ends after the open cart and may still hand in its journal."""

    reason: str


class NeedsNewEpoch(msgspec.Struct, frozen=True):
    """The server holds another history under this epoch's numbers."""

    reason: str


class NeedsUpgrade(msgspec.Struct, frozen=True):
    reason: str


Effect = (
    Advance
    | Rewind
    | KeepNotApplied
    | Begin
    | Stage
    | Switch
    | SetClock
    | StopSelling
    | NeedsNewEpoch
    | NeedsUpgrade
)


def plan(state: SyncState, outlook: Outlook) -> tuple[SyncState, Plan]:
    """The next request. Facts and feed go together; neither waits for the other."""
    number = state.request + 1
    first = state.acked.seq + 1
    last = min(outlook.head_seq, state.acked.seq + state.batch)
    if not state.nonce:
        last = first - 1  # without a nonce the server stores nothing: ask for one, at no weight
    request = ExchangeRequest(
        software=outlook.software,
        register=outlook.register,
        nonce=state.nonce,
        request=number,
        epoch=outlook.epoch,
        head_seq=outlook.head_seq,
        head_hash=outlook.head_hash,
        cursors_hash=cursors_hash(outlook.server_epoch, outlook.cursors),
        pull=_pull(state, outlook),
        unsent=outlook.unsent,
        shift_open=outlook.shift_open,
        clock=outlook.clock,
        journal_count=outlook.receipts_made,
        retry=state.retry,
    )
    after = msgspec.structs.replace(state, request=number, in_flight=True)
    return after, Plan(first=first, last=last, request=request)


def _pull(state: SyncState, outlook: Outlook) -> Pull | None:
    if not state.feed_behind or state.revoked or not state.nonce:
        return None
    transfer = state.transfer
    return Pull(
        server_epoch=transfer.server_epoch if transfer else outlook.server_epoch,
        cursors=outlook.cursors,
        staged=outlook.staged if transfer else {},
        snapshot=transfer.snapshot if transfer else state.anew or not outlook.cursors,
    )


def conclude(
    state: SyncState, outlook: Outlook, answer: ExchangeAnswer, own_hash: bytes
) -> tuple[SyncState, tuple[Effect, ...]]:
    """What ``answer`` changes. An answer to anything but the latest request changes nothing.

    ``own_hash`` is that of this journal's entry at ``answer.ack.seq`` (empty where there is none).
    """
    if not state.in_flight or answer.request != state.request:
        return state, ()
    effects: list[Effect] = []
    acked = _conclude_ack(state, outlook, answer, own_hash, effects)
    state = msgspec.structs.replace(state, in_flight=False, nonce=answer.nonce, acked=acked)
    if answer.server_time is not None:
        effects.append(SetClock(answer.server_time))
    if answer.stale:
        return state, tuple(effects)
    effects.append(KeepNotApplied(answer.not_applied))
    state = _conclude_instructions(state, answer, effects)
    state = msgspec.structs.replace(state, feed_behind=answer.feed_behind, retry=False)
    if answer.page is not None and not state.revoked:
        state = _conclude_page(state, outlook, answer.page, effects)
    return state, tuple(effects)


def _conclude_ack(
    state: SyncState,
    outlook: Outlook,
    answer: ExchangeAnswer,
    own_hash: bytes,
    effects: list[Effect],
) -> Ack:
    """The ack moves forward within what the journal holds; backward only by a ``rewind``.

    An ack with another hash is about another journal (a copy of this disk): nothing of ours has arrived.
    """
    ack = answer.ack
    if ack.epoch != outlook.epoch or ack.seq > outlook.head_seq:
        return state.acked
    if ack.seq > state.acked.seq:
        if ack.hash != own_hash:
            return state.acked
        effects.append(Advance(ack))
        return ack
    for instruction in answer.instructions:
        if instruction.do == "rewind" and instruction.seq < state.acked.seq:
            effects.append(Rewind(ack))
            return ack
    return state.acked


def _conclude_instructions(
    state: SyncState, answer: ExchangeAnswer, effects: list[Effect]
) -> SyncState:
    told = {i.do: i for i in answer.instructions}
    if "revoked" in told:
        effects.append(StopSelling(told["revoked"].reason))
    if "new_epoch" in told:
        effects.append(NeedsNewEpoch(told["new_epoch"].reason))
    if "upgrade" in told:
        effects.append(NeedsUpgrade(told["upgrade"].reason))
    return msgspec.structs.replace(
        state,
        revoked="revoked" in told,
        waiting_for_upgrade="upgrade" in told,
        parted="new_epoch" in told,
    )


def _conclude_page(
    state: SyncState, outlook: Outlook, page: FeedPage, effects: list[Effect]
) -> SyncState:
    """Stage the page if it follows on what is here, and switch when it was the last."""
    transfer: Transfer | None = Transfer(page.server_epoch, page.snapshot)
    if transfer != state.transfer or page.since != _reached(outlook, page, outlook.staged):
        if page.since != _reached(outlook, page, {}):
            # Rows before this page are missing: ask again from where the register truly is.
            return msgspec.structs.replace(state, transfer=None, feed_behind=True)
        effects.append(Begin(page.snapshot))
    effects.append(Stage(page.rows, page.total))
    if not page.more:
        effects.append(Switch(page.heads, page.server_epoch))
        transfer = None
    return msgspec.structs.replace(
        state, transfer=transfer, feed_behind=page.more, anew=state.anew and not page.snapshot
    )


def _reached(outlook: Outlook, page: FeedPage, staged: dict[str, int]) -> dict[str, int]:
    """How far each scope of ``page`` is here: its cursor (nothing for a snapshot), and what is staged."""
    at = {} if page.snapshot else {c.scope: c.seq for c in outlook.cursors}
    return {scope: max(at.get(scope, 0), staged.get(scope, 0)) for scope in page.since}


def failed(state: SyncState) -> SyncState:
    """No answer came: the next batch is smaller; its nonce may be spent, which the next answer heals."""
    return msgspec.structs.replace(state, in_flight=False, batch=max(MIN_BATCH, state.batch // 2))


def timed(state: SyncState, sent: int, seconds: float) -> SyncState:
    """Size the next batch after one exchange of ``sent`` entries took ``seconds``."""
    if sent == 0 or seconds <= 0:
        return state
    if seconds > TARGET_SECONDS:
        batch = max(MIN_BATCH, int(sent * TARGET_SECONDS / seconds))
    elif sent >= state.batch:
        batch = min(MAX_BATCH, max(state.batch * 2, 2))
    else:
        batch = state.batch
    return msgspec.structs.replace(state, batch=batch)


def has_work(state: SyncState, outlook: Outlook) -> bool:
    """Whether another exchange is worth making at once."""
    if state.parted:  # what is unsent gets no further by saying it again
        return not state.nonce or state.feed_behind
    if state.revoked or state.waiting_for_upgrade:
        return state.acked.seq < outlook.head_seq
    return not state.nonce or state.acked.seq < outlook.head_seq or state.feed_behind or state.retry


def is_synced(state: SyncState, outlook: Outlook, not_applied: int) -> bool:
    """``All data is synced``: acked to the head, nothing held back, catalogue at the heads last told."""
    return (
        state.acked.seq == outlook.head_seq
        and not_applied == 0
        and not state.feed_behind
        and bool(outlook.cursors)
    )
