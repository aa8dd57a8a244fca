"""PostgreSQL's notifications, which other processes send."""

import logging
import threading
from collections.abc import Callable
from typing import Any

import django.db

log = logging.getLogger(__name__)

_AFTER_ERROR = 1.0  # seconds


class Ear(threading.Thread):
    """Calls ``heard`` for what comes on ``channel`` (a name of ours), and whenever it has begun to listen;
    from a thread and with a connection of its own, until ``stopped``."""

    def __init__(self, channel: str, heard: Callable[[], None], stopped: threading.Event) -> None:
        super().__init__(name=f"ear-{channel}", daemon=True)
        self._channel, self._heard, self._stopped = channel, heard, stopped

    def run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._listen()
            except Exception as error:  # psycopg's own errors: this is not one of Django's cursors
                log.warning("%s: PostgreSQL's notifications are not heard: %s", self.name, error)
                self._stopped.wait(_AFTER_ERROR)
            django.db.connection.close()

    def _listen(self) -> None:
        django.db.connection.ensure_connection()
        raw: Any = django.db.connection.connection
        raw.execute(f"LISTEN {self._channel}")
        self._heard()  # what came before is known by a look
        while not self._stopped.is_set():
            for _ in raw.notifies(timeout=1.0, stop_after=1):
                self._heard()
