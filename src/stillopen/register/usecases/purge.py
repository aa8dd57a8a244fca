"""Forgetting old entries, so that the disk of a till does not fill over the years.

Only what is acknowledged, lies in every backup that the Back Office keeps, and is older than a year and a
month goes; an anchor remembers where the chain goes on.
"""

from collections.abc import Iterator
from datetime import timedelta

from stillopen.register.till import Till

#: Days after which an entry may go.
KEEP_DAYS = 400
#: Entries that go in one transaction: a sale waits for no more than that.
CHUNK = 200


def purge(till: Till, keep_days: int = KEEP_DAYS) -> Iterator[int]:
    """Forget chunk after chunk; yields how many entries went with each."""
    before = till.clock.now() - timedelta(days=keep_days)
    journal = till.journal
    for epoch in journal.identity.epochs():
        safe = min(journal.sending.backed_up(epoch.id), journal.sending.ack(epoch.id).seq)
        while True:
            with journal.transaction():
                last = journal.entries.oldest(epoch.id, safe, before, CHUNK)
                gone = journal.entries.purge(epoch.id, last) if last else 0
            if not gone:
                break
            yield gone


def is_purged(till: Till) -> bool:
    """Whether anything was forgotten here."""
    epochs = till.journal.identity.epochs()
    return any(till.journal.entries.anchor(epoch.id)[0] for epoch in epochs)
