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
    """Two small values that every use case asks for, so the file remembers them; what is rolled back it forgets."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def get(self) -> Identity | None:
        return self._db.recall("identity", self._read_identity)

    def save(self, identity: Identity) -> None:
        with self._db.transaction():
            self._db.forget("identity")
            body = msgspec.json.encode(identity)
            self._db.execute("INSERT OR REPLACE INTO identity VALUES (1, ?)", body)

    def epoch(self) -> Epoch | None:
        """The epoch in force; None in a file where none was begun."""
        epochs = self.epochs()
        return epochs[-1] if epochs else None

    def epochs(self) -> tuple[Epoch, ...]:
        """All of the present register, the first one first."""
        return self._db.recall("epochs", self._read_epochs)

    def all_epochs(self) -> tuple[Epoch, ...]:
        """Those of registers that this device was before as well."""
        rows = self._db.query("SELECT id, label, machine FROM epoch ORDER BY ordinal")
        return tuple(Epoch(id=row[0], label=row[1], machine=row[2]) for row in rows)

    def leave(self) -> None:
        """This device is no register any more; its epochs are over, their entries stay."""
        with self._db.transaction():
            for name in ("identity", "epochs"):
                self._db.forget(name)
            self._db.execute("DELETE FROM identity")
            self._db.execute("UPDATE epoch SET over = 1")

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
            for name in ("epochs", "head", "counters", "unsent"):
                self._db.forget(name)

    def label_epoch(self, label: str, epoch: str) -> None:
        """Take the label that the server gave to ``epoch``, or that its receipts bear."""
        if any(present.id == epoch and present.label == label for present in self.epochs()):
            return
        with self._db.transaction():
            self._db.forget("epochs")
            self._db.execute("UPDATE epoch SET label = ? WHERE id = ?", label, epoch)

    def _read_identity(self) -> Identity | None:
        row = self._db.one("SELECT body FROM identity")
        return msgspec.json.decode(row[0], type=Identity) if row else None

    def _read_epochs(self) -> tuple[Epoch, ...]:
        rows = self._db.query(
            "SELECT id, label, machine FROM epoch WHERE over = 0 ORDER BY ordinal"
        )
        return tuple(Epoch(id=row[0], label=row[1], machine=row[2]) for row in rows)
