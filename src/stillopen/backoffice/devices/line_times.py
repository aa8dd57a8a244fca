"""How long a register waits for a sign of life before its indicator changes: what may be set, and what is usual."""

from collections.abc import Mapping

import msgspec

from stillopen.backoffice.devices.models import Register
from stillopen.domain.errors import DomainError
from stillopen.sync.records import RegisterSettings

USUAL = RegisterSettings(name="")
#: Seconds, least and most. The heartbeat comes every 2 s: sooner than this a sound line would flicker.
YELLOW = (2.2, 60.0)
RED_MOST = 120.0
PROBE = (0.5, 10.0)


class LineTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds, with the meaning of ``sync/link.Thresholds``."""

    yellow_after: float = USUAL.yellow_after
    red_after: float = USUAL.red_after
    probe_every: float = USUAL.probe_every


def line_times(register: Register) -> LineTimes:
    """Those of ``register``."""
    return times_of({name: getattr(register, name) for name in LineTimes.__struct_fields__})


def times_of(chosen: Mapping[str, float | None]) -> LineTimes:
    """The usual ones where nobody chose others."""
    return LineTimes(**{name: value for name, value in chosen.items() if value is not None})


def set_line_times(register: Register, times: LineTimes) -> None:
    """Only what differs from the usual is kept, so that a register follows the usual where that changes."""
    for name in LineTimes.__struct_fields__:
        value = getattr(times, name)
        setattr(register, name, None if value == getattr(USUAL, name) else value)


def check_line_times(times: LineTimes) -> None:
    """``DomainError bad_seconds`` for what no till could keep, and for what is not a number."""
    if not YELLOW[0] <= times.yellow_after <= YELLOW[1]:
        raise _refused("Reconnecting is shown after {:g} to {:g} seconds.", *YELLOW)
    if not times.yellow_after < times.red_after <= RED_MOST:
        raise _refused(
            "Offline is shown later than Reconnecting: after more than {:g} and at most {:g} seconds.",
            times.yellow_after,
            RED_MOST,
        )
    if not PROBE[0] <= times.probe_every <= PROBE[1]:
        raise _refused("A lost line is tried every {:g} to {:g} seconds.", *PROBE)


def _refused(sentence: str, *numbers: float) -> DomainError:
    return DomainError("bad_seconds", sentence.format(*numbers))
