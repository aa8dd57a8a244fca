"""Sales as a shop makes them, of about 1.9 KB in the journal, made offline without a screen in between."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import msgspec

from stillopen.domain.cart import Cart, CartLine
from stillopen.domain.receipt import Receipt, make_receipt
from stillopen.domain.shift import with_receipt
from stillopen.domain.tender import Tender, TenderType
from stillopen.domain.totals import Rules
from stillopen.register.store.entries import Draft
from stillopen.register.store.shifts import Counters, OpenShift
from stillopen.register.till import Till
from stillopen.sync.facts import ShiftOpened

RULES = Rules(currency="EUR")
LINES = 3
#: Different ones that are sold; bench/office.py imports them.
PRODUCTS = 500


class Goods(msgspec.Struct, frozen=True):
    """A product as a line needs it; ids are record ids."""

    product: str
    tax: str
    number: int

    def line(self, salt: int) -> CartLine:
        """One to three pieces of it, at a price that ``salt`` chooses."""
        return CartLine(
            id=f"0199a3b0-{salt % 65536:04x}-7000-8000-{salt:012x}",
            product=self.product,
            sku=f"{100_000 + self.number}",
            name=f"Thing number {self.number} of the long shelf",
            quantity=Decimal(1 + salt % 3),
            unit_price=100 + salt * 7 % 900,
            tax=self.tax,
            tax_name="VAT",
            tax_rate=Decimal(19),
            barcode=f"{4_000_000_000_000 + self.number}",
        )


def goods_of(till: Till) -> list[Goods]:
    """What ``till`` sells: the products that its Back Office was started with."""
    found = [till.catalogue.by_sku(f"{100_000 + n}") for n in range(PRODUCTS)]
    return [Goods(x.id, x.record.tax, n) for n, x in enumerate(found) if x is not None]


def receipt(number: str, salt: int, goods: Sequence[Goods]) -> Receipt:
    """A cash sale of :data:`LINES` products that ``salt`` chooses."""
    salts = [salt * 5 + n * 131 for n in range(LINES)]
    lines = tuple(goods[s % len(goods)].line(s) for s in salts)
    tender = Tender(type=TenderType.CASH, amount=15_000)
    return make_receipt(number, Cart(id="", version=1, lines=lines), (tender,), RULES, "Anna")


def sell_offline(till: Till, count: int, batch: int = 500) -> int:
    """Put ``count`` sales of one shift into the journal; the size of one in bytes.

    Entries, counters and shift as a till keeps them, several sales to a transaction.
    """
    shift = _open_shift(till)
    goods = goods_of(till)
    made = till.journal.receipts_made()
    size = 0
    for first in range(made, made + count, batch):
        with till.journal.transaction():
            for n in range(first, min(first + batch, made + count)):
                shift, size = _sell(till, shift, goods, n)
    return size


def _open_shift(till: Till) -> OpenShift:
    known = till.journal.shifts.open_shift()
    if known is not None:
        return known
    now = till.clock.now()
    shift = OpenShift(
        id=till.clock.new_id(),
        opened_at=now,
        opened_by=next(iter(till.catalogue.employees())),
        opened_by_name="Anna",
        float=10_000,
        currency="EUR",
    )
    with till.journal.transaction():
        till.journal.shifts.save(shift)
        opened = ShiftOpened(float=10_000, currency="EUR", employee_name="Anna")
        till.journal.entries.append(_draft(till, "shift_opened", opened, shift, 0))
    return shift


def _sell(till: Till, shift: OpenShift, goods: Sequence[Goods], n: int) -> tuple[OpenShift, int]:
    identity = till.require_identity()
    number = f"{identity.store_code}-{identity.register_name}-{n + 1:06d}"
    sale = receipt(number, n, goods)
    draft = msgspec.structs.replace(
        _draft(till, "sale", sale, shift, n), receipt=number, total=sale.total
    )
    entry = till.journal.entries.append(draft)
    before = till.journal.shifts.counters()
    grand_total = before.grand_total + sale.total
    till.journal.shifts.save_counters(Counters(n + 1, before.z, grand_total))
    after = msgspec.structs.replace(shift, totals=with_receipt(shift.totals, sale))
    till.journal.shifts.save(after)
    return after, len(entry.body)


def _draft(till: Till, kind: str, payload: msgspec.Struct, shift: OpenShift, n: int) -> Draft:
    at = till.clock.now() - timedelta(hours=8) + timedelta(seconds=n)
    return Draft(
        id=till.clock.new_id(),
        kind=kind,
        payload=payload,
        occurred_at=at,
        business_day=at.date(),
        employee=shift.opened_by,
        employee_name=shift.opened_by_name,
        shift=shift.id,
    )
