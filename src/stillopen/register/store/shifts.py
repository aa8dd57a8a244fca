"""The counters of the epoch in force, and the open shift with its running sums.

While a shift is open its row says everything that a sale moves forward besides the entry, so that a sale
writes one row. The table of counters is brought up to date by everything else, and when the shift ends.
"""

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
    # For the store, which sets them:
    counters: Counters | None = None  # as they are now
    epoch: str = ""  # that they count in
    paid_cart: str = ""  # done with, though its row may still be there


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
        self._keep(shift, self.counters(), self.paid_cart())

    def save_sale(self, shift: OpenShift, counters: Counters, paid_cart: str = "") -> None:
        """All that a sale moves forward; ``paid_cart``: the open cart, where it was that which was paid."""
        self._keep(shift, counters, paid_cart or self.paid_cart())

    def _keep(self, shift: OpenShift, counters: Counters, paid_cart: str) -> None:
        kept = msgspec.structs.replace(
            shift, counters=counters, epoch=self._epoch(), paid_cart=paid_cart
        )
        self._db.remember("shift", kept)
        self._db.remember("counters", counters)
        self._db.execute("INSERT OR REPLACE INTO shift VALUES (1, ?)", _encoder.encode(kept))

    def end(self) -> None:
        """What only the shift's row said goes where it stays."""
        self._write_counters(self.counters())
        self._db.execute("DELETE FROM cart WHERE id = ?", self.paid_cart())
        self._db.forget("shift")
        self._db.execute("DELETE FROM shift")

    def paid_cart(self) -> str:
        """The cart that was paid last, or ""; its row is no cart any more (store/carts)."""
        shift = self.open_shift()
        return shift.paid_cart if shift else ""

    def counters(self) -> Counters:
        return self._db.recall("counters", self._read_counters)

    def _read_counters(self) -> Counters:
        shift = self.open_shift()
        if shift is not None and shift.counters is not None and shift.epoch == self._epoch():
            return shift.counters
        row = self._db.one(
            "SELECT receipts, z, grand_total FROM counter WHERE epoch = ?", self._epoch()
        )
        return Counters(*row) if row else Counters(0, 0, 0)

    def save_counters(self, counters: Counters) -> None:
        self._write_counters(counters)
        self._db.remember("counters", counters)
        shift = self.open_shift()
        if shift is not None:
            self._keep(shift, counters, shift.paid_cart)

    def _write_counters(self, counters: Counters) -> None:
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
