"""Receipts that wait for a printer; no sale ever waits for one."""

import msgspec

from stillopen.register.store.entries import EntryStore, Head
from stillopen.sync.chain import GENESIS
from stillopen.sync.facts import ReceiptReprinted, decode_body, decode_payload

#: Jobs that are looked at in one go.
_AT_ONCE = 1000


class PrintStore:
    """A job is its entry, a sale or a reprint: it is on the disk with the sale, and nothing else is written."""

    def __init__(self, entries: EntryStore) -> None:
        self._entries = entries
        self._printed = Head("", 0, GENESIS)

    def forget(self) -> None:
        """At the start of the program: what was not printed then is printed when somebody asks for it."""
        self._printed = self._entries.head()

    def waiting(self) -> list[tuple[int, str]]:
        """(seq of the job, entry id of the sale), oldest first."""
        present = self._entries.head().epoch
        after = self._printed.seq if self._printed.epoch == present else 0
        rows = self._entries.after(after, _AT_ONCE)
        jobs = [(row.seq, self._sale(row.kind, row.id)) for row in rows]
        return [(seq, sale) for seq, sale in jobs if sale is not None]

    def _sale(self, kind: str, entry_id: str) -> str | None:
        if kind == "sale":
            return entry_id
        stored = self._entries.stored(entry_id) if kind == "receipt_reprinted" else None
        try:
            fact = decode_payload(decode_body(stored[1])) if stored else None
        except (msgspec.MsgspecError, ValueError, LookupError):  # damaged: nothing to print
            return None
        if not isinstance(fact, ReceiptReprinted):
            return None
        sale = self._entries.receipt(fact.receipt)
        return sale[0].id if sale else None

    def done(self, seq: int) -> None:
        """The job ``seq`` of the epoch in force is printed, and those before it."""
        self._printed = msgspec.structs.replace(self._entries.head(), seq=seq)
