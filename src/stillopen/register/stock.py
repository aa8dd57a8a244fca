"""The stock as a screen shows it: last known, plus the facts of this till that it does not count yet.

The facts are read from the journal when somebody looks, so selling does not get slower by a statement;
per product they are kept in memory, and begun anew with each figure that comes down. The ack plays no
part: it moves before the figure does.
"""

import threading
from collections.abc import Iterator, Sequence
from datetime import datetime

from stillopen.register.store.journal import Journal
from stillopen.register.store.live import Live, Published
from stillopen.sync.live import counted_up_to, moved_by, place_id

_CHUNK = 500


class _Own:
    """Facts of this till that ``published`` does not count, by product in thousandths."""

    def __init__(self, published: Published) -> None:
        self.published = published
        self.known = True  # False: it counts a history of this till that is not the one here
        self.moved: dict[str, int] = {}
        self.seen: dict[str, int] = {}  # epoch → last entry that was looked at
        self.facts = 0

    def add(self, body: bytes) -> None:
        self.facts += 1
        for product, milli in moved_by(body).items():
            self.moved[product] = self.moved.get(product, 0) + milli


class Stock:
    """For any thread; not to be asked inside a transaction of the journal."""

    def __init__(self, journal: Journal, live: Live) -> None:
        self._journal, self._live = journal, live
        self._lock = threading.Lock()
        self._own: _Own | None = None

    def available(self, products: Sequence[str]) -> dict[str, int]:
        """Thousandths by product id, of those whose stock is known."""
        while True:
            with self._lock:
                own = self._present()
                moved = {p: own.moved[p] for p in products if p in own.moved}
            levels = self._live.levels(products, own.published) if own.known else {}
            # What was read belongs together as long as nothing newer has come into force meanwhile.
            if own.published is self._live.published:
                return {product: milli + moved.get(product, 0) for product, milli in levels.items()}

    def as_of(self) -> datetime | None:
        """How old the figures are: when they were last known to be the newest there are."""
        times = [t for t in (self._live.published.counts.as_of, self._live.confirmed_at) if t]
        return max(times, default=None)

    def mark(self) -> tuple[int, int]:
        """Another one whenever a figure may be."""
        with self._lock:
            own = self._present()
            return own.published.generation, own.facts

    def is_known(self) -> bool:
        """False where the figures count another history of this till than the one that is here: its disk
        went back in time. They must be fetched again."""
        with self._lock:
            return self._present().known or not self._live.published.cursors

    def _present(self) -> _Own:
        published = self._live.published
        if self._own is None or self._own.published is not published:
            self._own = self._begin(published)
        self._catch_up(self._own)
        return self._own

    def _begin(self, published: Published) -> _Own:
        own = _Own(published)
        if not published.cursors:
            own.known = False  # nothing came down yet: there is nothing to add to
        for epoch in self._journal.identity.epochs():
            counted = self._counted(epoch.id, published) if own.known else None
            if counted is None:
                own.known = False
                counted = self._journal.entries.head_of(epoch.id).seq
            own.seen[epoch.id] = counted
        if own.known:
            self._catch_up(own, every=True)
            self._add_left_out(own)
        return own

    def _counted(self, epoch: str, published: Published) -> int | None:
        entries, identity = self._journal.entries, self._journal.identity.get()
        if identity is None or not entries.head_of(epoch).seq:
            return 0
        included = published.counts.included
        named = {t.seq for t in included if t.seq and t.register == identity.register}
        hashes = {seq: entries.hash_of(epoch, seq) for seq in named}
        own = {seq: digest for seq, digest in hashes.items() if digest is not None}
        counted = counted_up_to(epoch, identity.register, included, own)
        if counted is not None and published.cursors and counted < entries.anchor(epoch)[0]:
            return None  # facts that it does not count are no longer here
        return counted

    def _add_left_out(self, own: _Own) -> None:
        """Entries that arrived and were not applied: the figure does not have them."""
        left_out = set(own.published.counts.left_out)
        if not left_out:
            return
        places = {
            place_id(epoch.id, seq): (epoch.id, seq)
            for epoch in self._journal.identity.epochs()
            for seq in _places(left_out, place_id(epoch.id, 0)[:-1])
        }
        for row in self._journal.entries.with_ids(sorted(left_out)):
            if row.kind == "sale":
                places[row.id] = (row.epoch, row.seq)
        for epoch, seq in set(places.values()):
            begun = self._counted(epoch, own.published)
            if begun is not None and seq <= begun:
                for found, _, body in self._journal.entries.sales_after(seq - 1, 1, epoch):
                    if found == seq:
                        own.add(body)

    def _catch_up(self, own: _Own, every: bool = False) -> None:
        """Add what was sold since; ``every``: former epochs, too, which do not grow any more."""
        head = self._journal.head()
        if not every and own.seen.get(head.epoch) == head.seq:
            return
        for epoch in self._journal.identity.epochs():
            if every or epoch.id == head.epoch or epoch.id not in own.seen:
                last = self._journal.entries.head_of(epoch.id).seq
                for seq, _, body in self._sales(epoch.id, own.seen.get(epoch.id, 0)):
                    own.add(body)
                    last = max(last, seq)
                own.seen[epoch.id] = last

    def _sales(self, epoch: str, after: int) -> Iterator[tuple[int, str, bytes]]:
        while rows := self._journal.entries.sales_after(after, _CHUNK, epoch):
            yield from rows
            after = rows[-1][0]


def _places(ids: set[str], prefix: str) -> list[int]:
    """The numbers of entries that the server names by their place."""
    found = (name.removeprefix(prefix) for name in ids if name.startswith(prefix))
    return [int(number) for number in found if number.isascii() and number.isdigit()]
