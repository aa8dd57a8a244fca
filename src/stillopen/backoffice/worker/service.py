"""The worker beside the server: a thread with a database connection of its own.

It sleeps until something is committed in this process that it should see to. A process that does not lead
passes that on: by a notification on PostgreSQL, outside of the transaction that brought it (notifying in a
transaction makes all that do so commit one behind the other). On SQLite, and where a notification gets
lost, the leader finds out by its own slow look.
"""

import logging
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import django.db
from django.db import connection

from stillopen.backoffice.ear import Ear
from stillopen.backoffice.live.wake import subscribe
from stillopen.backoffice.worker import lease
from stillopen.backoffice.worker.worker import Worker

log = logging.getLogger(__name__)

#: The name under which PostgreSQL tells the leader.
CHANNEL = "stillopen_work"
#: Seconds between looks that nobody asked for, and the fewest between two that found nothing.
LOOK_EVERY = 1.0
_APART = 0.25
_AFTER_ERROR = 1.0
#: A leader that vanished is replaced after this.
LEASE = timedelta(seconds=15)
_RENEW = 5.0  # seconds
_FAREWELL = 5.0


class WorkerThread:
    """``start``, then ``stop``: what is under way is finished, the lead is given up."""

    def __init__(self) -> None:
        self._stopped, self._wake = threading.Event(), threading.Event()
        self._holder = lease.holder_here()
        self._leads_until = 0.0  # on the monotonic clock; asked for again then
        self._leads = self._listens = False
        self._worker = Worker()
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(_FAREWELL)

    def _run(self) -> None:
        unsubscribe = subscribe(self._wake.set)
        while not self._stopped.is_set():
            try:
                self._rest(self._work())
            except django.db.Error as error:
                log.warning("worker: the database does not answer: %s", error)
                self._begin_again()
            except Exception:
                log.exception("the worker stumbled and begins again")
                self._begin_again()
        unsubscribe()
        with suppress(django.db.Error):
            if self._leads:
                lease.give_up("worker", self._holder)
        django.db.connections.close_all()

    def _work(self) -> float:
        """Do all that is due; seconds until there may be more."""
        now = datetime.now(UTC)
        while self._lead(now) and self._worker.step(now) and not self._stopped.is_set():
            now = datetime.now(UTC)
        due = self._worker.due_at
        return LOOK_EVERY if due is None else min(LOOK_EVERY, (due - now).total_seconds())

    def _lead(self, now: datetime) -> bool:
        if time.monotonic() >= self._leads_until:
            self._leads = lease.take("worker", self._holder, now, LEASE)
            self._leads_until = time.monotonic() + _RENEW
            if self._leads and not self._listens and connection.vendor == "postgresql":
                self._listens = True
                Ear(CHANNEL, self._wake.set, self._stopped).start()
        return self._leads

    def _rest(self, pause: float) -> None:
        """Until somebody wakes us or ``pause`` is over; woken again and again, not at each time."""
        self._stopped.wait(_APART)
        if self._wake.wait(max(0.0, pause - _APART)):
            self._wake.clear()
            if not self._leads and connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute(f"NOTIFY {CHANNEL}")

    def _begin_again(self) -> None:
        """After a while, with a new connection; and ask for the lead anew."""
        with suppress(django.db.Error):
            django.db.connection.close()
        self._leads, self._leads_until = False, 0.0
        self._stopped.wait(_AFTER_ERROR)
