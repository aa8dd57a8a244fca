"""Room on the disk: how much is left, and a ballast file that is given up when there is none."""

import os
import time
from contextlib import suppress
from pathlib import Path

from stillopen.domain.errors import DomainError

#: Below this many free bytes no new payment is taken. It is larger than the ballast, so that giving
#: the ballast up lets a shift be closed but does not open the till for new sales.
RESERVE = 8 * 1024 * 1024
BALLAST = 4 * 1024 * 1024
#: With so many bytes above the reserve, the disk is not looked at again for a few seconds. If they were gone
#: by then all the same, the transaction would fail and change nothing.
PLENTY = 1024 * 1024 * 1024
LOOK_AGAIN = 5.0
#: What a start writes itself: the shared memory of two databases, and what is old is thrown away.
START = 1024 * 1024


def free_bytes(folder: Path) -> int:
    """What an ordinary user can still write on the file system of ``folder``."""
    numbers = os.statvfs(folder)
    return numbers.f_bavail * numbers.f_frsize


def disk_full() -> DomainError:
    return DomainError(
        "disk_full",
        "The disk of this till is almost full. Nothing was changed; free some space, then go on.",
    )


class Room:
    """The free space of one data folder."""

    def __init__(self, folder: Path, reserve: int = RESERVE, ballast: int = BALLAST) -> None:
        self._folder = folder
        self._reserve = reserve
        self._ballast = ballast
        self._file = folder / "ballast"
        self._plenty_until = 0.0  # monotonic

    def is_low(self) -> bool:
        now = time.monotonic()
        if now < self._plenty_until:
            return False
        free = free_bytes(self._folder)
        self._plenty_until = now + LOOK_AGAIN if free >= self._reserve + PLENTY else 0.0
        return free < self._reserve

    def require(self) -> None:
        """``DomainError disk_full`` below the reserve."""
        if self.is_low():
            raise disk_full()

    def keep_ballast(self) -> None:
        """Make the ballast where it is missing and there is room for it."""
        if self._file.exists() or free_bytes(self._folder) < self._reserve + 2 * self._ballast:
            return
        with suppress(OSError), self._file.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, self._ballast)

    def make_room(self) -> None:
        """Give the ballast up where not even a start, or the closing of a shift, fits: what is unsent must
        get away, and the day must end, also now."""
        if free_bytes(self._folder) < min(START, self._ballast):
            self.drop_ballast()

    def drop_ballast(self) -> None:
        """Give the ballast up, so that what was begun can be finished."""
        self._plenty_until = 0.0
        self._file.unlink(missing_ok=True)
