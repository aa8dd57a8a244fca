"""What every screen says about the line: indicator, bar, Sync with its counts; pushed as it changes."""

import msgspec

from stillopen.register.till import Till
from stillopen.register.usecases.status import Status, status
from stillopen.register.web.view import cash, count, render, when

#: state → icon of icons.svg. The indicator is always icon, word and colour together.
ICONS = {
    "synced": "check-circle",
    "sending": "sending",
    "reconnecting": "retry",
    "unstable": "unstable",
    "offline": "offline",
    "not_activated": "idle",
    "never_synced": "idle",
    "upgrade_required": "up",
    "revoked": "lock",
}

#: Colours of which it matters how long they have lasted.
_LASTS = ("yellow", "red")

_SELLING = "Selling, receipts and reports work as usual."
_KEPT = "What you sell is kept here and sent later."

#: state → what still works and what to do, after the cause.
ADVICE = {
    "synced": "",
    "sending": "",
    "reconnecting": _SELLING,
    "unstable": _SELLING,
    "offline": _SELLING,
    "not_activated": "Activate this register to begin.",
    "never_synced": "The first synchronization is needed before the first sale.",
    "upgrade_required": "Upgrade this register. " + _KEPT,
    "revoked": "Finish the open sale, close the register, and ask an administrator. What was sold is kept.",
}


class LineView(msgspec.Struct, frozen=True, kw_only=True):
    """Ready for the templates."""

    status: Status
    icon: str
    since: str  # " since 14:02", or ""
    message: str  # cause and advice, or how far all is in step
    held: str  # "3 sales, €41.20 not sent", or ""
    up: int  # entries to send
    down: int  # records known to be waiting
    show_sync: bool  # in the selling screens


def line_view(till: Till) -> LineView:
    """The present state of the line in words."""
    now = status(till)
    calm = now.indicator == "green"
    return LineView(
        status=now,
        icon=_icon(now),
        since=f" since {when(till, now.since)}" if now.since and now.indicator in _LASTS else "",
        message=_trouble(now) + (_calm_message(till, now) if calm else _message(now)),
        held=_held(now),
        up=now.unsent.count,
        down=now.incoming,
        show_sync=bool(now.unsent.count or now.incoming or not calm),
    )


def _icon(now: Status) -> str:
    """What is held back is no longer on its way."""
    if now.state == "sending" and not now.unsent.count:
        if now.quarantined:
            return "warn"
        return "clock" if now.waiting else "sync"
    return ICONS.get(now.state, "idle")


def _trouble(now: Status) -> str:
    """What somebody has to do something about, whatever the line is like."""
    if now.disk_low:
        return "The disk of this till is almost full: call support before it cannot sell. "
    if now.mirror is not None and now.mirror.missing:
        entries = count(now.mirror.missing, "entry is", "entries are")
        return f"{entries} on this disk alone: the mirror fails ({now.mirror.trouble}). "
    if now.clock_jump:
        return "The clock jumped: a manager confirms the time in Settings. "
    return ""


def _calm_message(till: Till, now: Status) -> str:
    if now.state == "synced" and now.last_sync_at is not None:
        return f"{now.sentence} · {when(till, now.last_sync_at)}"
    return now.sentence


def _advice(now: Status) -> str:
    if now.state == "not_activated" and now.register:
        return f"{_SELLING} Activate this machine to get new prices."
    return ADVICE.get(now.state, "")


def _message(now: Status) -> str:
    cause = now.cause_words[:1].upper() + now.cause_words[1:]
    parts = (f"{cause}." if cause else "", _advice(now))
    return " ".join(p for p in parts if p)


def _held(now: Status) -> str:
    """What lies here unsent; also while it is on its way."""
    if not now.unsent.count:
        return ""
    if not now.unsent_sales:
        return f"{count(now.unsent.count, 'entry', 'entries')} not sent yet"
    value = cash(now.unsent.value, now.currency) if now.currency else str(now.unsent.value)
    return f"{count(now.unsent_sales, 'sale')}, {value} not sent yet"


def line_parts(till: Till, selling: bool) -> dict[str, str]:
    """Element id → its inner HTML, for the page and for the live updates."""
    line = line_view(till)
    names = ("indicator", "line", "sync", "where", "errors")
    return {n: render(f"parts/{n}.html", line=line, selling=selling) for n in names}
