"""What a register asks next, and what it makes of an answer: pure functions over one small state.

The driver (register/syncer) owns stores, sockets and timers: it turns a :class:`Plan` into a
request, keeps what the returned effects say, *then* goes on. An effect is written before the next
request is planned, so a crash between any two steps repeats work and never skips any.

    plan ──request──►  server  ──answer──► conclude ──effects──► stores
"""

from datetime import datetime

import msgspec

from stillopen.sync.chain import GENESIS
from stillopen.sync.effects import (
    Advance,
    BackedUp,
    Begin,
    Effect,
    FetchSnapshot,
    KeepNotApplied,
    NeedsUpgrade,
    NewEpoch,
    Rewind,
    SetClock,
    Stage,
    StageLive,
    StopSelling,
    Switch,
    SwitchLive,
    TakeLabel,
)
from stillopen.sync.feed import cursors_hash
from stillopen.sync.messages import (
    PROTOCOL_MAX,
    PROTOCOL_MIN,
    Ack,
    Cursor,
    ExchangeAnswer,
    ExchangeRequest,
    FeedPage,
    Pull,
    Unsent,
)

MIN_BATCH, MAX_BATCH, FIRST_BATCH = 1, 1000, 100
STALLED_BATCH = 8
#: A batch is sized so that one exchange takes about this long (seconds).
TARGET_SECONDS = 2.0
#: On a long line it is to be busy for so many round trips, of which one is spent waiting for the answer.
TRIPS = 4.0
#: What a receipt takes on the wire, and how many are asked for while nothing is known of the line.
RECEIPT_BYTES, FIRST_RECEIPTS = 700, 50
#: Bytes per second from which on stock and receipts are asked for together with facts.
QUICK_DOWN = 50_000


class Transfer(msgspec.Struct, frozen=True):
    """Pages on their way: of which server history, and whether they replace everything."""

    server_epoch: str
    snapshot: bool


class SyncState(msgspec.Struct, frozen=True, kw_only=True):
    """The register's memory of the conversation. Only ``acked`` is kept on disk, for each epoch: after a
    start the first exchange carries no nonce, is stale by definition, and brings one."""

    nonce: bytes = b""
    acked: Ack  # of the epoch that is being sent
    confirmed: tuple[str, ...] = ()  # epochs that the server spoke of since the last stale answer
    request: int = 0  # number of the latest request; only its answer counts
    in_flight: bool = False
    batch: int = FIRST_BATCH
    feed_behind: bool = True  # until the server says otherwise
    transfer: Transfer | None = None  # feed rows are being staged, page by page
    live_behind: bool = True
    live_transfer: Transfer | None = None  # the same in the lane of stock and receipts
    live_anew: bool = False
    repair: tuple[tuple[str, str], ...] = ()  # (scope, kind) whose digest differs from the server's
    anew: bool = False  # a person asked for the whole catalogue again (Clear cache)
    retry: bool = False  # a person asked for Retry errored sales
    waiting_for_upgrade: bool = False
    revoked: bool = False
    strange: bool = False  # this machine is not the one that was activated


class JournalEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How far the journal reaches, in the epoch that is being sent."""

    epoch: str  # the oldest of which something is unsent or not ``confirmed``, else the present one
    former: bool = False  # a later epoch has begun
    head_seq: int


class Outlook(JournalEnd, frozen=True, kw_only=True):
    """What the stores hold at this moment."""

    register: str
    software: str
    machine: str = ""
    label: str = ""
    head_hash: bytes
    purged: int = 0  # entries up to here are no longer in the journal
    backed_up: int = 0
    server_epoch: str
    cursors: tuple[Cursor, ...]
    staged: dict[str, int]  # scope → highest seq staged in the running transfer
    formats: tuple[str, ...] = ()  # of snapshot files that can be taken
    live_epoch: str = ""  # server epoch of the live cursors
    live_cursors: tuple[Cursor, ...] = ()
    live_staged: dict[str, int] = {}
    lines: tuple[Ack, ...] = ()  # ends of the former epochs on this disk
    whole: str = ""  # the present epoch, where nothing of it was purged
    down: float | None = None  # bytes per second that the line brings, where that is known
    unsent: Unsent
    shift_open: bool
    receipts_made: int
    clock: datetime | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Send the entries ``first … last`` (none when last < first) with ``request``."""

    first: int
    last: int
    request: ExchangeRequest


def plan(state: SyncState, outlook: Outlook) -> tuple[SyncState, Plan]:
    """The next request. Facts and feed go together; neither waits for the other."""
    number = state.request + 1
    acked = state.acked
    if acked.seq > outlook.head_seq:  # the end of the journal is gone from this disk
        acked = Ack(outlook.epoch, outlook.head_seq, outlook.head_hash)
    first = acked.seq + 1
    last = min(outlook.head_seq, acked.seq + state.batch)
    if not state.nonce:
        last = first - 1  # without a nonce the server stores nothing: ask for one, at no weight
    request = ExchangeRequest(
        protocol=(PROTOCOL_MIN, PROTOCOL_MAX),
        software=outlook.software,
        register=outlook.register,
        nonce=state.nonce,
        request=number,
        epoch=outlook.epoch,
        former=outlook.former,
        label=outlook.label,
        head_seq=outlook.head_seq,
        head_hash=outlook.head_hash,
        acked_seq=acked.seq,
        acked_hash=acked.hash if 0 < acked.seq < outlook.head_seq else b"",
        machine=outlook.machine,
        cursors_hash=cursors_hash(outlook.server_epoch, outlook.cursors),
        pull=_pull(state, outlook),
        live_hash=cursors_hash(outlook.live_epoch, outlook.live_cursors),
        live=_pull_live(state, outlook, facts=last >= first),
        unsent=outlook.unsent,
        shift_open=outlook.shift_open,
        clock=outlook.clock,
        journal_count=outlook.receipts_made,
        retry=state.retry,
        backed_up=outlook.backed_up,
    )
    after = msgspec.structs.replace(state, request=number, in_flight=True)
    return after, Plan(first=first, last=last, request=request)


def _may_pull(state: SyncState) -> bool:
    return bool(state.nonce) and not state.revoked and not state.strange


def _pull(state: SyncState, outlook: Outlook) -> Pull | None:
    if not _may_pull(state) or not (state.feed_behind or state.repair):
        return None
    transfer = state.transfer
    return Pull(
        server_epoch=transfer.server_epoch if transfer else outlook.server_epoch,
        cursors=outlook.cursors,
        staged=outlook.staged if transfer else {},
        snapshot=transfer.snapshot if transfer else state.anew or not outlook.cursors,
        repair=state.repair,
        formats=outlook.formats,
    )


def _pull_live(state: SyncState, outlook: Outlook, facts: bool) -> Pull | None:
    """Stock and receipts come after the catalogue: prices before bulk. Whoever hands in facts asks for them
    too: other tills have sold meanwhile, and it saves a round trip; not on a slow line, where the ack of
    the facts would wait for them."""
    if not _may_pull(state) or state.feed_behind:
        return None
    quick = outlook.down is None or outlook.down >= QUICK_DOWN
    if not (quick if facts else state.live_behind):
        return None
    transfer = state.live_transfer
    return Pull(
        server_epoch=transfer.server_epoch if transfer else outlook.live_epoch,
        cursors=outlook.live_cursors,
        staged=outlook.live_staged if transfer else {},
        snapshot=transfer.snapshot if transfer else state.live_anew or not outlook.live_cursors,
        lines=outlook.lines,
        without=outlook.whole,
        most=_fitting(outlook.down),
    )


def _fitting(down: float | None) -> int:
    """Receipts that come down in about the time of one exchange, so that no sale waits long behind them."""
    if down is None:
        return FIRST_RECEIPTS
    return max(MIN_BATCH, int(down * TARGET_SECONDS / RECEIPT_BYTES))


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
        # A lost answer, or a server that went back in time: what it holds of former epochs is asked again.
        return msgspec.structs.replace(state, confirmed=()), tuple(effects)
    if outlook.epoch not in state.confirmed:
        state = msgspec.structs.replace(state, confirmed=(*state.confirmed, outlook.epoch))
    effects.append(KeepNotApplied(answer.not_applied))
    if answer.backed_up is not None:
        effects.append(BackedUp(answer.backed_up))
    state = _conclude_instructions(state, answer, effects)
    state = msgspec.structs.replace(
        state, feed_behind=answer.feed_behind, live_behind=answer.live_behind, retry=False
    )
    if state.revoked or state.strange:
        return state, tuple(effects)
    if answer.page is not None:
        state = _conclude_page(state, outlook, answer.page, effects)
    elif answer.snapshot is not None:
        effects.append(FetchSnapshot(answer.snapshot))
    if answer.live is not None:
        state = _conclude_live(state, outlook, answer.live, effects)
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
    same = ack.hash == own_hash or 0 < ack.seq <= outlook.purged
    if ack.seq > state.acked.seq and same:
        effects.append(Advance(ack))
        return ack
    told = [i for i in answer.instructions if i.do == "rewind"]
    if told and ack.seq < state.acked.seq:
        # Where not even the end of what the server holds is ours, it finds the place by itself.
        back = ack if same else Ack(ack.epoch, 0, GENESIS)
        effects.append(Rewind(back))
        return back
    return state.acked


def _conclude_instructions(
    state: SyncState, answer: ExchangeAnswer, effects: list[Effect]
) -> SyncState:
    told = {i.do: i for i in answer.instructions}
    if "revoked" in told:
        effects.append(StopSelling(told["revoked"].reason))
    if "new_epoch" in told:
        effects.append(NewEpoch(told["new_epoch"].reason))
    elif answer.label is not None:
        effects.append(TakeLabel(answer.label))
    if "upgrade" in told:
        effects.append(NeedsUpgrade(told["upgrade"].reason))
    return msgspec.structs.replace(
        state,
        revoked="revoked" in told,
        waiting_for_upgrade="upgrade" in told,
        strange="activate" in told,
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
        effects.append(Switch(page.heads, page.server_epoch, page.digests, page.repair))
        transfer = None
    return msgspec.structs.replace(
        state,
        transfer=transfer,
        feed_behind=page.more,
        anew=state.anew and not page.snapshot,
        repair=state.repair if page.more else (),
    )


def _reached(outlook: Outlook, page: FeedPage, staged: dict[str, int]) -> dict[str, int]:
    """How far each scope of ``page`` is here: its cursor (nothing for a snapshot, nor in a scope that is
    repaired), and what is staged."""
    mended = {scope for scope, _ in page.repair}
    at = {c.scope: c.seq for c in outlook.cursors if not page.snapshot and c.scope not in mended}
    return {scope: max(at.get(scope, 0), staged.get(scope, 0)) for scope in page.since}


def _conclude_live(
    state: SyncState, outlook: Outlook, page: FeedPage, effects: list[Effect]
) -> SyncState:
    """The same in the live lane, on its own cursors."""
    lane = msgspec.structs.replace(
        outlook, cursors=outlook.live_cursors, staged=outlook.live_staged
    )
    transfer: Transfer | None = Transfer(page.server_epoch, page.snapshot)
    begin = transfer != state.live_transfer or page.since != _reached(lane, page, lane.staged)
    if begin and page.since != _reached(lane, page, {}):
        return msgspec.structs.replace(state, live_transfer=None, live_behind=True)
    effects.append(StageLive(page, begin))
    if not page.more:
        effects.append(SwitchLive(page))
        transfer = None
    return msgspec.structs.replace(
        state,
        live_transfer=transfer,
        live_behind=page.more,
        live_anew=state.live_anew and not page.snapshot,
    )


def failed(state: SyncState, silent: bool = False) -> SyncState:
    """No answer came: the next batch is smaller; its nonce may be spent, which the next answer heals.

    ``silent``: a large request was lost on a line that stalls. What became of it is asked for at no
    weight first (without a nonce), and a stall does not shrink the batches to nothing.
    """
    least = min(STALLED_BATCH, state.batch) if silent else MIN_BATCH
    return msgspec.structs.replace(
        state,
        in_flight=False,
        batch=max(least, state.batch // 2),
        nonce=b"" if silent else state.nonce,
    )


def timed(state: SyncState, sent: int, seconds: float, round_trip: float = 0.0) -> SyncState:
    """Size the next batch after ``sent`` entries took ``seconds``, of which the line takes ``round_trip``
    however little is sent: quickly larger, but at most halved by one exchange that stalled."""
    if sent == 0 or seconds <= 0:
        return state
    target = max(TARGET_SECONDS, TRIPS * round_trip)
    fits = int(sent * target / max(seconds - round_trip, 0.001))
    if fits < sent:
        batch = max(MIN_BATCH, fits, sent // 2)
    elif sent >= state.batch:
        batch = min(MAX_BATCH, fits, max(state.batch * 4, 4))
    else:
        batch = state.batch
    return msgspec.structs.replace(state, batch=batch)


def has_work(state: SyncState, end: JournalEnd) -> bool:
    """Whether another exchange is worth making at once."""
    unsent = not _handed_in(state, end)
    if state.revoked or state.waiting_for_upgrade:
        return unsent
    if not state.nonce or unsent or state.retry:
        return True
    return _may_pull(state) and (state.feed_behind or state.live_behind or bool(state.repair))


def _handed_in(state: SyncState, end: JournalEnd) -> bool:
    """The server holds the whole journal, and has said so since it last did not know this register."""
    return (
        is_confirmed(state, end)
        and state.acked.epoch == end.epoch
        and state.acked.seq >= end.head_seq
    )


def is_confirmed(state: SyncState, end: JournalEnd) -> bool:
    """Whether the server has spoken of every epoch of this journal since the last stale answer."""
    return not end.former and end.epoch in state.confirmed


def is_synced(state: SyncState, outlook: Outlook, not_applied: int) -> bool:
    """``All data is synced``: acked to the head, nothing held back, catalogue at the heads last told.

    Stock and receipts are outside of it: they say themselves as of when they are."""
    return (
        _handed_in(state, outlook)
        and not_applied == 0
        and not state.feed_behind
        and not state.repair
        # Who is told nothing of the catalogue cannot know that it is the newest.
        and not (state.strange or state.revoked or state.waiting_for_upgrade)
        and bool(outlook.cursors)
    )
