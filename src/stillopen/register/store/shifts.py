"""The counters of the epoch in force, and the open shift with its running sums."""

from datetime import datetime

import msgspec

from stillopen.domain.shift import ShiftTotals
from stillopen.register.store.database import Database
from stillopen.register.store.identity import IdentityStore

_encoder = msgspec.json.Encoder(decimal_format="string")


class Counters(msgspec.Struct, frozen=True):
    """How many receipts and Z reports there are; ``grand_total`` is sales less refunds, minor units."""

    receipts: int
    z: int
    grand_total: int


class OpenShift(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    opened_at: datetime
    opened_by: str  # employee record id
    opened_by_name: str
    float: int  # minor units
    currency: str
    totals: ShiftTotals = ShiftTotals()


class ShiftStore:
    def __init__(self, db: Database, identity: IdentityStore) -> None:
        self._db = db
        self._identity = identity

    def open_shift(self) -> OpenShift | None:
        return self._db.recall("shift", self._read_shift)

    def _read_shift(self) -> OpenShift | None:
        row = self._db.one("SELECT body FROM shift")
        return msgspec.json.decode(row[0], type=OpenShift) if row else None

    def save(self, shift: OpenShift) -> None:
        self._db.remember("shift", shift)
        self._db.execute("INSERT OR REPLACE INTO shift VALUES (1, ?)", _encoder.encode(shift))

    def end(self) -> None:
        self._db.forget("shift")
        self._db.execute("DELETE FROM shift")

    def counters(self) -> Counters:
        return self._db.recall("counters", self._read_counters)

    def _read_counters(self) -> Counters:
        row = self._db.one(
            "SELECT receipts, z, grand_total FROM counter WHERE epoch = ?", self._epoch()
        )
        return Counters(*row) if row else Counters(0, 0, 0)

    def save_counters(self, counters: Counters) -> None:
        self._db.remember("counters", counters)
        self._db.execute(
            "UPDATE counter SET receipts = ?, z = ?, grand_total = ? WHERE epoch = ?",
            counters.receipts,
            counters.z,
            counters.grand_total,
            self._epoch(),
        )

    def _epoch(self) -> str:
        epoch = self._identity.epoch()
        return epoch.id if epoch else ""
