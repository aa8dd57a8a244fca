"""The worker's one step: what is due now, a piece at a time. No thread, no clock, no randomness in here."""

from datetime import datetime, timedelta

from stillopen.backoffice.live.news import Store, stores_with_news
from stillopen.backoffice.live.publish import publish_store
from stillopen.backoffice.worker.tasks import run_due, schedule_standing

#: A store's registers are told of its stock at most this often.
COALESCED = timedelta(seconds=1)


class Worker:
    """What is remembered between steps is only how recently each store was published: after a restart one
    publication may follow another sooner."""

    def __init__(self) -> None:
        self._published: dict[Store, datetime] = {}
        self._begun = False
        self.due_at: datetime | None = None  # when a store that must wait has its turn

    def step(self, now: datetime) -> bool:
        """Do one piece of what is due at ``now``; True when something was done, and more may be.

        Opens its own transactions. A database that does not answer raises ``django.db.Error``; the next
        step finds everything as it was.
        """
        if not self._begun:
            schedule_standing(now)
            self._begun = True
        return self._publish(now) or run_due(now)

    def _publish(self, now: datetime) -> bool:
        self.due_at = None
        for store in stores_with_news():
            last = self._published.get(store)
            if last is None or not last <= now < last + COALESCED:
                done = publish_store(store, now)
                if done.rows and not done.more:
                    self._published[store] = now
                return True
            turn = last + COALESCED
            self.due_at = turn if self.due_at is None else min(turn, self.due_at)
        return False


__all__ = ["COALESCED", "Worker"]
