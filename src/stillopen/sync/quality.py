"""How good the line is, measured on what goes over it anyway. Times are seconds, sizes bytes on the wire.

An exchange takes ``round_trip + sent ÷ up`` until its answer begins, and ``received ÷ down`` until it ends.
Small exchanges tell the first, large ones the others; what is too small or too quick to tell is left out.
"""

import msgspec

#: Exchanges of which it is remembered whether they were answered.
REMEMBERED = 20
#: A request of at most this size takes a round trip and nothing else that matters.
SMALL = 1500
#: From this size and time on, a transfer tells how much goes through.
LARGE, NOTICEABLE = 4000, 0.02
#: Share of a new sample in a smoothed figure; as in TCP's own estimate, but learning faster: a register speaks seldom.
_WEIGHT = 0.25

#: From here on the line is called slow (seconds, bytes per second), or unsteady (share that failed).
SLOW_ROUND_TRIP, SLOW_THROUGHPUT, UNSTEADY = 0.3, 32_000, 0.1


class Timing(msgspec.Struct, frozen=True):
    """One answered exchange: bytes each way, seconds until the answer began and until it was complete."""

    sent: int
    received: int
    began: float
    ended: float


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the line; None where nothing told it yet."""

    round_trip: float | None = None
    up: float | None = None  # bytes per second
    down: float | None = None
    answered: tuple[bool, ...] = ()  # the last exchanges, the newest at the end

    @property
    def failed(self) -> int:
        return self.answered.count(False)

    @property
    def throughput(self) -> float | None:
        """The slower direction."""
        known = [x for x in (self.up, self.down) if x is not None]
        return min(known, default=None)

    @property
    def is_unsteady(self) -> bool:
        return self.failed > 1 and self.failed >= UNSTEADY * len(self.answered)

    @property
    def is_slow(self) -> bool:
        late = self.round_trip is not None and self.round_trip > SLOW_ROUND_TRIP
        return late or (self.throughput is not None and self.throughput < SLOW_THROUGHPUT)


def measured(quality: Quality, timing: Timing) -> Quality:
    """After an exchange that was answered."""
    trip, up = quality.round_trip, quality.up
    if timing.sent <= SMALL:
        trip = _smooth(trip, timing.began)
    elif trip is not None and timing.sent >= LARGE:
        up = _rate(up, timing.sent, timing.began - trip)
    down = quality.down
    if timing.received >= LARGE:
        down = _rate(down, timing.received, timing.ended - timing.began)
    return Quality(round_trip=trip, up=up, down=down, answered=_remember(quality, True))


def tripped(quality: Quality, seconds: float) -> Quality:
    """After a probe, whose request took ``seconds``."""
    return msgspec.structs.replace(quality, round_trip=_smooth(quality.round_trip, seconds))


def anew(quality: Quality) -> Quality:
    """The line was gone and is back: it may be another one (mobile instead of cable)."""
    return Quality(answered=quality.answered)


def missed(quality: Quality) -> Quality:
    """After an exchange that was not answered, or with an error."""
    return msgspec.structs.replace(quality, answered=_remember(quality, False))


def expected(quality: Quality, sent: int) -> float:
    """Seconds after which the answer to ``sent`` bytes should have begun, where nothing goes wrong."""
    return (quality.round_trip or 0.0) + (sent / quality.up if quality.up else 0.0)


def _rate(known: float | None, size: int, seconds: float) -> float | None:
    return _smooth(known, size / seconds) if seconds >= NOTICEABLE else known


def _smooth(known: float | None, sample: float) -> float:
    return sample if known is None else known + _WEIGHT * (sample - known)


def _remember(quality: Quality, answered: bool) -> tuple[bool, ...]:
    return (*quality.answered, answered)[-REMEMBERED:]
