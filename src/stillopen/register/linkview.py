"""What the till knows of the line: written by the syncer, read by every screen."""

from datetime import datetime
from enum import StrEnum

import msgspec

from stillopen.domain.policy import Line


class LineState(StrEnum):
    """The state of the line alone; whether all is *synced* also depends on the journal (usecases/status)."""

    CONNECTED = "connected"
    RECONNECTING = "reconnecting"  # no proof of a connection right now
    UNSTABLE = "unstable"  # answers arrive but fail or crawl
    OFFLINE = "offline"
    NOT_ACTIVATED = "not_activated"
    NEVER_SYNCED = "never_synced"
    UPGRADE_REQUIRED = "upgrade_required"
    REVOKED = "revoked"


#: line state → colour of the indicator.
INDICATOR: dict[LineState, str] = {
    LineState.CONNECTED: "green",
    LineState.RECONNECTING: "yellow",
    LineState.UNSTABLE: "yellow",
    LineState.OFFLINE: "red",
    LineState.NOT_ACTIVATED: "gray",
    LineState.NEVER_SYNCED: "gray",
    LineState.UPGRADE_REQUIRED: "gray",
    LineState.REVOKED: "gray",
}

_LINE: dict[LineState, Line] = {
    LineState.CONNECTED: Line.ONLINE,
    LineState.RECONNECTING: Line.UNCERTAIN,
    LineState.UNSTABLE: Line.UNCERTAIN,
}

#: cause code → words for people.
CAUSES: dict[str, str] = {
    "no_network": "this device has no network",
    "dns": "the Back Office's name is not found",
    "unreachable": "the Back Office does not answer",
    "tls": "the secure connection to the Back Office failed",
    "server_error": "the Back Office reports an error",
    "revoked": "this register was revoked",
    "upgrade": "this register needs a newer version",
}


class LinkView(msgspec.Struct, frozen=True, kw_only=True):
    """Replaced as a whole by the syncer through ``Till.set_link``."""

    state: LineState = LineState.RECONNECTING
    cause: str = ""  # a key of CAUSES, or ""
    since: datetime | None = None  # when this state began
    feed_behind: bool = True  # catalogue cursors were not at the heads as of the last answer
    incoming: int = 0  # feed rows known to be waiting
    staged: int = 0  # rows of the running transfer that are here already
    round_trip: float | None = None  # seconds, of the last exchange
    throughput: float | None = None  # bytes per second, measured on the last larger transfer

    @property
    def indicator(self) -> str:
        return INDICATOR[self.state]

    @property
    def line(self) -> Line:
        """The line as the offline policy sees it."""
        return _LINE.get(self.state, Line.OFFLINE)
