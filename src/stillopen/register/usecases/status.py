"""Everything about the state of the till and its line, in one place; sentence first."""

from collections import Counter
from datetime import datetime

import msgspec

from stillopen import __version__
from stillopen.register.linkview import CAUSES, INDICATOR, LineState
from stillopen.register.mirror import MirrorView
from stillopen.register.store.identity import Identity
from stillopen.register.till import Till
from stillopen.register.usecases.sign_in import MAX_STRIKES
from stillopen.register.wording import clock_time, counted, money
from stillopen.sync.link import Cause
from stillopen.sync.messages import Unsent

_WORDS: dict[LineState, str] = {
    LineState.RECONNECTING: "Reconnecting",
    LineState.UNSTABLE: "Unstable",
    LineState.OFFLINE: "Offline",
    LineState.NOT_ACTIVATED: "Not activated",
    LineState.NEVER_SYNCED: "Never synced",
    LineState.UPGRADE_REQUIRED: "Upgrade required",
    LineState.REVOKED: "Revoked",
}
_SENTENCES: dict[LineState, str] = {
    LineState.NOT_ACTIVATED: "This register is not activated yet",
    LineState.NEVER_SYNCED: (
        "This register has not fetched its data from the Back Office yet; it needs the line once"
    ),
    LineState.REVOKED: "This register was revoked in the Back Office; what it sold is kept here",
    LineState.UPGRADE_REQUIRED: (
        "This register needs a newer version to sync; what it sold is kept here"
    ),
}
#: A copied disk: it was activated, but not on this machine.
_STRANGE = (
    "This till runs on another machine than the one that was activated; what it sells is handed in, "
    "prices and people stay as they are until it is activated here"
)
#: A Back Office that went back in time, say, may not hold any more what it was sent.
_REFUSED = (
    "The Back Office does not accept this device any more; everything made here is kept here, also what was "
    "sent"
)
_GIVEN_BACK = "This register was deactivated; its journal is kept here, all of it was sent"
_NEVER = (LineState.NOT_ACTIVATED, LineState.NEVER_SYNCED)


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """``GET /status`` and all that the screens say about the line. Money in minor units."""

    indicator: str  # green | yellow | red | gray
    state: str  # synced | sending | reconnecting | unstable | offline | not_activated | never_synced | …
    word: str  # for people: "Synced", "Sending 3", "Offline" …
    sentence: str
    cause: str  # a key of linkview.CAUSES, or ""
    cause_words: str
    since: datetime | None
    unsent: Unsent
    unsent_sales: int
    waiting: int
    quarantined: int
    epoch: str
    head_seq: int
    head_hash: str  # hex
    acked_seq: int
    products: int
    incoming: int  # feed rows known to be waiting
    last_exchange_at: datetime | None
    last_sync_at: datetime | None
    account: str
    account_name: str
    store: str  # code
    store_name: str
    register: str  # name
    currency: str
    version: str
    shift_open: bool
    blocked: bool
    clock_jump: bool
    disk_low: bool
    mirror: MirrorView | None


def status(till: Till) -> Status:
    """Reads only; a millisecond at most."""
    line = till.line_state()
    sending = till.journal.sending.state()
    unsent = till.journal.sending.unsent()
    held: Counter[str] = Counter(x.status for x in till.journal.sending.not_applied())
    state = _state(till, line, unsent, held)
    head = till.journal.head()
    stopped = INDICATOR[line] == "gray"
    cause = "" if stopped else till.link.cause
    return Status(
        indicator=INDICATOR[line],
        state=state,
        word=_word(state, line, unsent, held),
        sentence=_sentence(till, state, line, unsent, held),
        cause=cause,
        cause_words=CAUSES.get(cause, ""),
        since=till.link.since,
        unsent=unsent,
        unsent_sales=till.journal.sending.unsent_sales(),
        waiting=held["waiting"],
        quarantined=held["quarantined"],
        epoch=head.epoch,
        head_seq=head.seq,
        head_hash=head.hash.hex(),
        acked_seq=till.journal.sending.ack().seq,
        products=till.catalogue.count("product"),
        incoming=till.link.incoming,
        last_exchange_at=sending.last_exchange_at,
        last_sync_at=sending.last_sync_at,
        version=__version__,
        shift_open=till.journal.shift_is_open(),
        blocked=till.journal.pins.state().strikes >= MAX_STRIKES,
        clock_jump=till.clock_jump() is not None,
        disk_low=till.journal.disk_is_low(),
        mirror=till.mirror.view() if till.mirror is not None else None,
        **_names(till),
    )


def _names(till: Till) -> dict[str, str]:
    """Names as published since, else as said at the activation."""
    identity = till.identity
    if identity is None:
        return dict.fromkeys(
            ("account", "account_name", "store", "store_name", "register", "currency"), ""
        )
    account = till.catalogue.account_settings()
    store = till.catalogue.store_settings()
    return {
        "account": identity.account,
        "account_name": account.name if account else identity.account_name,
        "store": identity.store_code,
        "store_name": store.name if store else identity.store_name,
        "register": till.register_name,
        "currency": _currency(till, identity),
    }


def _currency(till: Till, identity: Identity) -> str:
    account = till.catalogue.account_settings()
    return account.rules.currency if account else identity.currency


def _state(till: Till, line: LineState, unsent: Unsent, held: Counter[str]) -> str:
    """*Synced* is never said of anything less: all acked, nothing held back, catalogue at the heads."""
    if line is not LineState.CONNECTED:
        return line.value
    in_step = not unsent.count and not held.total() and not till.link.feed_behind
    return "synced" if in_step else "sending"


def _word(state: str, line: LineState, unsent: Unsent, held: Counter[str]) -> str:
    if state == "synced":
        return "Synced"
    if state == "sending":
        if unsent.count:
            return f"Sending {unsent.count:,}"
        if held["quarantined"]:
            return f"{held['quarantined']} errored"
        return f"{held['waiting']} waiting" if held["waiting"] else "Syncing"
    return _WORDS[line]


def _sentence(till: Till, state: str, line: LineState, unsent: Unsent, held: Counter[str]) -> str:
    if state == "synced":
        return "All data is synced"
    parts = [_of_line(till, line), _unsent(till, unsent)]
    if line not in _NEVER:
        parts.append(_held(till, state, held))
    return ". ".join(part for part in parts if part)


def _of_line(till: Till, line: LineState) -> str:
    """Not activated can be: not yet, not any more, or not on this machine."""
    if line is not LineState.NOT_ACTIVATED:
        return _SENTENCES.get(line, "")
    if till.identity is not None:
        return _STRANGE
    given_back = len(till.journal.identity.all_epochs()) > len(till.journal.identity.epochs())
    return _GIVEN_BACK if given_back else _SENTENCES[line]


def _unsent(till: Till, unsent: Unsent) -> str:
    if not unsent.count:
        return ""
    sales = till.journal.sending.unsent_sales()
    if not sales:
        verb = "is" if unsent.count == 1 else "are"
        return f"{counted(unsent.count, 'entry', 'entries')} {verb} saved here and not sent yet"
    verb = "is" if sales == 1 else "are"
    worth = money(unsent.value, _currency(till, till.require_identity()))
    return f"{counted(sales, 'sale', 'sales')} worth {worth} {verb} saved here and not sent yet"


def _held(till: Till, state: str, held: Counter[str]) -> str:
    """What stands in the way of *synced* besides what is unsent."""
    if held.total():
        rest = "" if till.journal.sending.unsent().count else "; everything else is sent"
        return _held_back(held) + rest
    if till.journal.sending.unsent().count:
        return ""
    if state == "sending":
        return "Changes from the Back Office are still being fetched"
    if till.link.cause == Cause.REFUSED_DEVICE:
        return _REFUSED
    return "Everything made here is sent" + _last_heard(till)


def _held_back(held: Counter[str]) -> str:
    """Errored ones need somebody; those that wait follow by themselves."""
    errored, waiting = held["quarantined"], held["waiting"]
    if not errored:
        return f"{counted(waiting, 'entry waits', 'entries wait')} in the Back Office"
    stored = "where it is stored" if errored == 1 else "where they are stored"
    needs = counted(errored, "entry needs", "entries need")
    behind = f", and {counted(waiting, 'waits', 'wait')} behind" if waiting else ""
    return f"{needs} attention in the Back Office, {stored}{behind}"


def _last_heard(till: Till) -> str:
    heard = till.journal.sending.state().last_exchange_at
    if heard is None or till.catalogue.store_settings() is None:
        return ""
    return f"; the Back Office was last heard at {clock_time(till.local(heard))}"


def status_json(status: Status) -> dict[str, object]:
    """The shape of ``GET /status``, JSON-ready."""
    return {
        "indicator": status.indicator,
        "state": status.state,
        "word": status.word,
        "sentence": status.sentence,
        "cause": status.cause,
        "since": status.since,
        "unsent": {
            "count": status.unsent.count,
            "value": status.unsent.value,
            "oldest_at": status.unsent.oldest_at,
            "sales": status.unsent_sales,
        },
        "currency": status.currency,
        "quarantined": status.quarantined,
        "waiting": status.waiting,
        "journal": {
            "epoch": status.epoch,
            "seq": status.head_seq,
            "hash": status.head_hash,
        },
        "acked": {"epoch": status.epoch, "seq": status.acked_seq},
        "catalogue": {"products": status.products, "incoming": status.incoming},
        "last_exchange_at": status.last_exchange_at,
        "last_sync_at": status.last_sync_at,
        "account": status.account,
        "store": status.store,
        "register": status.register,
        "version": status.version,
        "shift_open": status.shift_open,
        "blocked": status.blocked,
        "mirror": status.mirror,
    }
