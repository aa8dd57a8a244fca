"""Open and parked carts, and card payments that were asked for and have no outcome yet."""

from collections.abc import Callable
from datetime import datetime

import msgspec

from stillopen.domain.cart import Cart
from stillopen.register.store.database import Database
from stillopen.register.store.shifts import ShiftStore

_encoder = msgspec.json.Encoder(decimal_format="string")


class StoredCart(msgspec.Struct, frozen=True, kw_only=True):
    cart: Cart
    parked: bool
    name: str
    employee_name: str
    changed_at: datetime


class CardAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """``id`` is the journal entry's; ``confirmed``: a person said that it was paid."""

    id: str
    cart: str
    amount: int
    asked_at: datetime
    confirmed: bool


class CartStore:
    """A cart that was paid is none any more, though its row stays until the next one is kept: paying
    writes one row of all that is not the entry (store/shifts), and none here."""

    def __init__(self, db: Database, shifts: ShiftStore) -> None:
        self._db = db
        self._shifts = shifts

    def open_cart(self) -> Cart | None:
        """The one that is on the screen."""
        return self._db.recall("open_cart", self._read_open)

    def _read_open(self) -> Cart | None:
        row = self._db.one(
            "SELECT body FROM cart WHERE parked = 0 AND id <> ?", self._shifts.paid_cart()
        )
        return msgspec.json.decode(row[0], type=Cart) if row else None

    def get(self, cart_id: str) -> StoredCart | None:
        rows = self._stored("AND id = ?", cart_id)
        return rows[0] if rows else None

    def parked(self) -> list[StoredCart]:
        return self._stored("AND parked = 1 ORDER BY changed_at")

    def save(self, stored: StoredCart) -> None:
        self._clear_paid()
        if stored.parked:
            self._db.forget("open_cart")
        else:
            self._db.remember("open_cart", stored.cart)
        self._db.execute(
            "INSERT INTO cart VALUES (?,?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET parked = excluded.parked,"
            " version = excluded.version, body = excluded.body, name = excluded.name,"
            " employee_name = excluded.employee_name, changed_at = excluded.changed_at",
            stored.cart.id,
            int(stored.parked),
            stored.cart.version,
            _encoder.encode(stored.cart),
            stored.name,
            stored.employee_name,
            stored.changed_at.isoformat(),
        )

    def remove(self, cart_id: str) -> None:
        known = self.open_cart()
        self._db.remember("open_cart", None if known and known.id == cart_id else known)
        self._db.execute("DELETE FROM cart WHERE id = ?", cart_id)

    def paid(self, cart_id: str) -> bool:
        """``cart_id`` becomes a sale in this transaction; whether its row is still there, which must then be
        kept as the shift's :meth:`~ShiftStore.paid_cart`."""
        known = self.open_cart()
        if known is None or known.id != cart_id:
            return False
        self._db.remember("open_cart", None)
        self._db.remember("paid_row", cart_id)
        return True

    def _clear_paid(self) -> None:
        """Only one row can be that of an open cart."""
        row = self._db.recall("paid_row", self._shifts.paid_cart)
        if row:
            self._db.execute("DELETE FROM cart WHERE id = ?", row)
            self._db.remember("paid_row", "")

    def rename(self, new_id: Callable[[], str]) -> None:
        """Give each cart another id, but for those that a card was asked for."""
        for stored in self._stored(""):
            if self.attempt_of(stored.cart.id) is None:
                self.remove(stored.cart.id)
                cart = msgspec.structs.replace(stored.cart, id=new_id())
                self.save(msgspec.structs.replace(stored, cart=cart))

    def _stored(self, where: str, *parameters: object) -> list[StoredCart]:
        rows = self._db.query(
            f"SELECT body, parked, name, employee_name, changed_at FROM cart WHERE id <> ? {where}",
            self._shifts.paid_cart(),
            *parameters,
        )
        return [
            StoredCart(
                cart=msgspec.json.decode(body, type=Cart),
                parked=bool(parked),
                name=name,
                employee_name=employee_name,
                changed_at=datetime.fromisoformat(changed_at),
            )
            for body, parked, name, employee_name, changed_at in rows
        ]

    # -- card payments ---------------------------------------------------------------------

    def attempts(self) -> list[CardAttempt]:
        """Oldest first."""
        return self._db.recall("attempts", self._read_attempts)

    def _read_attempts(self) -> list[CardAttempt]:
        rows = self._db.query(
            "SELECT id, cart, amount, asked_at, confirmed FROM card_attempt ORDER BY asked_at"
        )
        return [
            CardAttempt(
                id=row[0],
                cart=row[1],
                amount=row[2],
                asked_at=datetime.fromisoformat(row[3]),
                confirmed=bool(row[4]),
            )
            for row in rows
        ]

    def attempt_of(self, cart_id: str) -> CardAttempt | None:
        return next((a for a in self.attempts() if a.cart == cart_id), None)

    def save_attempt(self, attempt: CardAttempt) -> None:
        self._db.forget("attempts")
        self._db.execute(
            "INSERT OR REPLACE INTO card_attempt VALUES (?,?,?,?,?)",
            attempt.id,
            attempt.cart,
            attempt.amount,
            attempt.asked_at.isoformat(),
            int(attempt.confirmed),
        )

    def end_attempt(self, cart_id: str) -> None:
        if self.attempt_of(cart_id) is None:
            return
        self._db.forget("attempts")
        self._db.execute("DELETE FROM card_attempt WHERE cart = ?", cart_id)
