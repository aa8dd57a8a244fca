"""Who this register is, and the epoch (run of numbering) it writes in."""

from datetime import datetime

import msgspec

from stillopen.register.store.database import Database


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """As the Back Office said at the activation; names follow the catalogue later."""

    register: str  # record id
    register_name: str  # R1
    store: str  # record id
    store_code: str  # S1
    store_name: str
    account: str  # Account ID as shown to people
    account_name: str
    currency: str
    backoffice: str  # base URL, no slash at the end
    activated_at: datetime
    insecure_http: bool = False


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    """One run of numbering on one disk. ``label`` is "" for the first, then b, c, …"""

    id: str  # 32 hex digits
    label: str
    machine: str  # fingerprint of the machine it was begun on


class IdentityStore:
    """Two small values that every use case asks for, so they are kept in memory beside the file."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._identity = self._read_identity()
        self._epoch = self._read_epoch()

    def get(self) -> Identity | None:
        return self._identity

    def save(self, identity: Identity) -> None:
        with self._db.transaction():
            body = msgspec.json.encode(identity)
            self._db.execute("INSERT OR REPLACE INTO identity VALUES (1, ?)", body)
        self._identity = identity

    def epoch(self) -> Epoch | None:
        """The epoch in force; None in a file where none was begun."""
        return self._epoch

    def begin_epoch(self, epoch: Epoch) -> None:
        """Numbering starts anew under ``epoch``."""
        with self._db.transaction():
            self._db.execute(
                "INSERT INTO epoch (id, label, machine) VALUES (?, ?, ?)",
                epoch.id,
                epoch.label,
                epoch.machine,
            )
            self._db.execute("INSERT INTO counter VALUES (?, 0, 0, 0)", epoch.id)
            self._db.forget("head")
            self._db.forget("counters")
        self._epoch = epoch

    def label_epoch(self, label: str) -> None:
        """Take the label that the server gave to the epoch in force."""
        if self._epoch is None or self._epoch.label == label:
            return
        with self._db.transaction():
            self._db.execute("UPDATE epoch SET label = ? WHERE id = ?", label, self._epoch.id)
        self._epoch = msgspec.structs.replace(self._epoch, label=label)

    def _read_identity(self) -> Identity | None:
        row = self._db.one("SELECT body FROM identity")
        return msgspec.json.decode(row[0], type=Identity) if row else None

    def _read_epoch(self) -> Epoch | None:
        row = self._db.one("SELECT id, label, machine FROM epoch ORDER BY ordinal DESC LIMIT 1")
        return Epoch(id=row[0], label=row[1], machine=row[2]) if row else None
