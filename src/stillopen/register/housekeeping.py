"""What a till does beside selling, a few times a day: forgetting what is old and safe elsewhere."""

import logging
import threading

from stillopen.domain.errors import DomainError
from stillopen.register.linkview import LineState
from stillopen.register.till import Till
from stillopen.register.usecases.purge import KEEP_DAYS, purge

log = logging.getLogger(__name__)

FIRST = 60.0  # seconds after the start
EVERY = 6 * 3600.0
AGAIN = 600.0  # where it was not connected
PAUSE = 0.05  # between two chunks: sales come first


class Housekeeper(threading.Thread):
    """``keep_days``: how long entries stay at least."""

    def __init__(
        self, till: Till, keep_days: int = KEEP_DAYS, first: float = FIRST, every: float = EVERY
    ) -> None:
        super().__init__(name="housekeeper", daemon=True)
        self._till, self._keep_days = till, keep_days
        self._first, self._every = first, every
        self._ended = threading.Event()

    def run(self) -> None:
        wait = self._first
        while not self._ended.wait(wait):
            wait = self._every
            if self._till.line_state() is not LineState.CONNECTED:
                wait = min(wait, AGAIN)  # what is known of the backups may be old
                continue
            try:
                self._purge()
            except DomainError as error:  # a full disk: it is tried again later
                log.warning("nothing was purged: %s", error.message)

    def _purge(self) -> None:
        gone = 0
        for count in purge(self._till, self._keep_days):
            gone += count
            if self._ended.wait(PAUSE):
                break
        if gone:
            log.info("%d old entries were purged", gone)

    def end(self) -> None:
        """Before the till is closed."""
        self._ended.set()
        if self.is_alive():
            self.join()
