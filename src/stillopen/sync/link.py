"""The state of the line, as the indicator shows it. Time (seconds, monotonic) is an argument.

Any answer at all proves the line: an exchange, a heartbeat on the poke stream, a probe. From the
age of the last proof follows the colour:

    proof ≤ yellow_after   green    connected (the screen says synced or sending)
    proof ≤ red_after      yellow   reconnecting
    older                  red      offline, since the last proof
    answers that fail      yellow   unstable; red when they have failed for ``failing_red``
    sync cannot run        gray     not_activated, never_synced, upgrade_required, revoked

While there is no fresh proof a cheap probe goes out every ``probe_every`` ± 30 %, whatever is still
under way, so a line that is back is seen at once. Only the server's own request (429, 503,
Retry-After) makes the register wait longer.
"""

from enum import StrEnum

import msgspec

from stillopen.domain.policy import Line


class Cause(StrEnum):
    """Why the last attempt failed, as far as it can be told apart; the words are the screens'."""

    NONE = ""
    NO_NETWORK = "no_network"
    DNS = "dns"
    UNREACHABLE = "unreachable"  # refused, no route
    TIMEOUT = "timeout"  # silence: a cut line looks like this
    TLS = "tls"
    SERVER_ERROR = "server_error"
    NONSENSE = "nonsense"  # something answers that is not a Back Office
    REFUSED_DEVICE = "refused_device"


class LineState(StrEnum):
    """The state of the line alone; *synced* or *sending* when connected is for the journal to say."""

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


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds. The defaults show a loss within 5 s of it, also on a busy machine: the last heartbeat may have
    been just before, and the till and its page have to notice."""

    yellow_after: float = 2.6
    red_after: float = 4.2
    failing_red: float = 30.0
    crawl: float = 4.0  # an exchange slower than this, with nothing large to carry, crawls
    probe_every: float = 1.0


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the line. Times are monotonic seconds; ``proof`` is the last sign of life."""

    started: float
    proof: float | None = None
    failing_since: float | None = None  # answers arrive, but fail
    cause: Cause = Cause.NONE
    lost: bool = False  # the stream broke off or an attempt failed after the last proof
    slow: bool = False
    probed: float | None = None
    hold_until: float = 0.0


def alive(link: Link, now: float) -> Link:
    """A sign of life came over the wire: a heartbeat, a probe. It says nothing of failing exchanges."""
    cause = link.cause if link.failing_since is not None else Cause.NONE
    return msgspec.structs.replace(link, proof=now, cause=cause, lost=False)


def answered(link: Link, now: float, seconds: float, limits: Thresholds) -> Link:
    """An exchange was answered well; it took ``seconds`` beyond what its size explains."""
    healed = msgspec.structs.replace(link, failing_since=None)
    return msgspec.structs.replace(alive(healed, now), slow=seconds > limits.crawl)


def errored(link: Link, now: float, cause: Cause, retry_after: float | None = None) -> Link:
    """The other end answers, but with an error (5xx, nonsense): the wire is there, the service is not."""
    return msgspec.structs.replace(
        link,
        proof=now,
        failing_since=now if link.failing_since is None else link.failing_since,
        cause=cause,
        hold_until=max(link.hold_until, now + min(retry_after or 0.0, 60.0)),
    )


def failed(link: Link, cause: Cause) -> Link:
    """An attempt ended without any answer, or the stream broke off."""
    return msgspec.structs.replace(link, lost=True, cause=cause)


def line_of(link: Link, now: float, limits: Thresholds) -> LineState:
    """Connected, reconnecting, unstable or offline."""
    last = link.started if link.proof is None else link.proof
    age = now - last
    if age > limits.red_after:
        return LineState.OFFLINE
    if link.failing_since is not None:
        failing = now - link.failing_since
        return LineState.OFFLINE if failing > limits.failing_red else LineState.UNSTABLE
    if link.proof is None or age > limits.yellow_after or link.lost:
        return LineState.RECONNECTING
    return LineState.UNSTABLE if link.slow else LineState.CONNECTED


def policy_line(state: LineState) -> Line:
    """How the offline policy sees the line: yellow is *uncertain*, red and gray are *offline*."""
    colour = INDICATOR[state]
    if colour == "green":
        return Line.ONLINE
    return Line.UNCERTAIN if colour == "yellow" else Line.OFFLINE


def probe_due(link: Link, now: float, jitter: float, limits: Thresholds) -> bool:
    """Whether to send a probe now; ``jitter`` is random in [−1, 1]."""
    if now < link.hold_until:
        return False
    fresh = link.proof is not None and not link.lost and now - link.proof <= limits.yellow_after
    if fresh and link.failing_since is None:
        return False
    wait = limits.probe_every * (1 + 0.3 * jitter)
    return link.probed is None or now - link.probed >= wait


def probing(link: Link, now: float) -> Link:
    return msgspec.structs.replace(link, probed=now)
