"""Requests that were answered, so that a repeated one changes nothing; and notes."""

from datetime import datetime
from hashlib import sha256

import msgspec

from stillopen.domain.errors import DomainError
from stillopen.register.store.database import Database

#: Answered requests of the screens are kept this many; sales are kept as long as the journal.
KEEP = 5000


def body_hash(content: object) -> bytes:
    """Hash of what was asked, independent of spacing and of the order of keys."""
    return sha256(msgspec.json.encode(content, order="deterministic")).digest()


class RequestStore:
    def __init__(self, db: Database) -> None:
        self._db = db

    def answer(self, request_id: str, content: object) -> str | None:
        """What ``request_id`` was answered before; ``DomainError id_reused`` if it asked something else."""
        row = self._db.one(
            "SELECT body_hash, answer FROM answered_request WHERE id = ?", request_id
        )
        if row is None:
            return None
        if row[0] != body_hash(content):
            raise DomainError(
                "id_reused", "This id was used before for something else. Nothing was changed."
            )
        return str(row[1])

    def remember(
        self, request_id: str, kind: str, content: object, answer: str, at: datetime
    ) -> None:
        """Inside the transaction that did what was asked."""
        self._db.execute(
            "INSERT INTO answered_request VALUES (?,?,?,?,?)",
            request_id,
            kind,
            body_hash(content),
            answer,
            at.isoformat(),
        )

    def forget_old(self) -> None:
        """Drop all but the newest of the screens' requests."""
        with self._db.transaction():
            self._db.execute(
                "DELETE FROM answered_request WHERE kind <> 'sale' AND rowid <= ("
                "SELECT max(rowid) FROM answered_request) - ?",
                KEEP,
            )


class NoteStore:
    """Small durable values by name."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def get(self, key: str) -> str | None:
        return self._db.recall(f"note {key}", lambda: self._read(key))

    def _read(self, key: str) -> str | None:
        row = self._db.one("SELECT value FROM note WHERE key = ?", key)
        return str(row[0]) if row else None

    def put(self, key: str, value: str | None) -> None:
        with self._db.transaction():
            self._db.forget(f"note {key}")
            self._db.execute("DELETE FROM note WHERE key = ?", key)
            if value is not None:
                self._db.execute("INSERT INTO note VALUES (?, ?)", key, value)
