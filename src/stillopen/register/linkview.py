"""What the till knows of the line: written by the syncer, read by every screen."""

from datetime import datetime

import msgspec

from stillopen.domain.policy import Line
from stillopen.sync.link import INDICATOR, LineState, policy_line
from stillopen.sync.quality import Quality

#: cause code (sync.link.Cause, or why sync does not run) → words for people.
CAUSES: dict[str, str] = {
    "no_network": "this device has no network",
    "dns": "the Back Office's name is not found",
    "unreachable": "the Back Office does not answer",
    "timeout": "nothing comes back from the Back Office",
    "tls": "the secure connection to the Back Office failed",
    "server_error": "the Back Office reports an error",
    "nonsense": "something answers that is not a Back Office",
    "refused_device": "the Back Office does not accept this device",
    "revoked": "this register was revoked",
    "upgrade": "this register needs a newer version",
    "not_running": "the register's program is not running",
}


class LinkView(msgspec.Struct, frozen=True, kw_only=True):
    """Replaced as a whole by the syncer through ``Till.set_link``."""

    state: LineState = LineState.RECONNECTING
    cause: str = ""  # a key of CAUSES, or ""
    since: datetime | None = None  # when this state began
    feed_behind: bool = True  # catalogue cursors were not at the heads as of the last answer
    incoming: int = 0  # feed rows known to be waiting
    staged: int = 0  # rows of the running transfer that are here already
    quality: Quality = Quality()  # as measured on the last exchanges

    @property
    def indicator(self) -> str:
        return INDICATOR[self.state]

    @property
    def line(self) -> Line:
        """The line as the offline policy sees it."""
        return policy_line(self.state)


__all__ = ["CAUSES", "INDICATOR", "LineState", "LinkView"]
