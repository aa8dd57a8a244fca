"""Time and ids for the till: one object, which tests and the simulator replace.

The wall clock of a till is *last server time + monotonic* once a server has been heard; after a boot
it is the later of the device's clock and the last journal entry. Clocks never order entries.
"""

import os
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from stillopen.domain.ids import uuid7

# Goes on while the machine sleeps, where the system has such a clock (Linux).
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

#: A difference larger than this is put to a manager.
JUMP = timedelta(hours=12)


class Clock(Protocol):
    """``now`` is an aware UTC wall clock, ``monotonic`` seconds that never go back."""

    #: A jump of more than 12 h that a manager has not looked at yet: (from, to).
    jump: tuple[datetime, datetime] | None

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...

    def new_id(self) -> str:
        """A UUIDv7, canonical text."""
        ...

    def random_bytes(self, count: int) -> bytes:
        """For names that must not be met again."""
        ...

    def heard_server(self, server_time: datetime) -> None:
        """Take the server's time as right from now on."""
        ...

    def not_before(self, moment: datetime) -> None:
        """Never show an earlier time than ``moment`` (the last journal entry)."""
        ...


class BaseClock:
    """What every clock does with the two sources it is given by its subclass."""

    def __init__(self) -> None:
        self.jump: tuple[datetime, datetime] | None = None
        self._offset = timedelta(0)
        self._anchor: tuple[datetime, float] | None = None

    def device_time(self) -> datetime:
        raise NotImplementedError

    def monotonic(self) -> float:
        raise NotImplementedError

    def random_bytes(self, count: int) -> bytes:
        return os.urandom(count)

    def now(self) -> datetime:
        if self._anchor is None:
            return self.device_time() + self._offset
        moment, at = self._anchor
        return moment + timedelta(seconds=self.monotonic() - at)

    def new_id(self) -> str:
        return uuid7(int(self.now().timestamp() * 1000), self.random_bytes(10))

    def heard_server(self, server_time: datetime) -> None:
        before = self.now()
        if abs(server_time - before) > JUMP:
            self.jump = (before, server_time)
        self._anchor = (server_time, self.monotonic())

    def not_before(self, moment: datetime) -> None:
        behind = moment - self.now()
        if behind <= timedelta(0):
            return
        if behind > JUMP:
            self.jump = (moment, self.now())
        self._anchor = (moment, self.monotonic())


class SystemClock(BaseClock):
    """The device's own clock and randomness."""

    def device_time(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.clock_gettime(_STEADY)


class ManualClock(BaseClock):
    """A clock that only moves when told, for tests and simulations."""

    def __init__(self, start: datetime) -> None:
        super().__init__()
        self._device = start
        self._seconds = 0.0

    def device_time(self) -> datetime:
        return self._device

    def monotonic(self) -> float:
        return self._seconds

    def advance(self, seconds: float) -> None:
        self._seconds += seconds
        self._device += timedelta(seconds=seconds)
