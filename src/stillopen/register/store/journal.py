"""journal.db: everything that must not be lost, behind one writer."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec

from stillopen.register.store.database import Database
from stillopen.register.store.identity import IdentityStore
from stillopen.register.store.sending import SendingStore


class Head(msgspec.Struct, frozen=True):
    """The last entry of the epoch in force; ``seq`` 0 and GENESIS before the first."""

    epoch: str
    seq: int
    hash: bytes


class Journal:
    """The stores of journal.db; each part has its own module. Writes happen inside :meth:`transaction`."""

    identity: IdentityStore
    sending: SendingStore

    @classmethod
    def open(cls, path: Path, on_fatal: Callable[[str], None] | None = None) -> "Journal":
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def transaction(self) -> AbstractContextManager[Database]:
        """One ``BEGIN IMMEDIATE`` … ``COMMIT``; nests into the one that is open."""
        raise NotImplementedError

    def head(self) -> Head:
        raise NotImplementedError

    def receipts_made(self) -> int:
        """Receipts of the epoch in force (``ExchangeRequest.journal_count``)."""
        raise NotImplementedError

    def shift_is_open(self) -> bool:
        raise NotImplementedError
