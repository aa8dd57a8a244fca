"""A shop as it looks after a week of work: two stores, tills in every state, sales by real exchanges."""

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec

from stillopen.backoffice.accounts.models import Account, Employee, Store, User
from stillopen.backoffice.accounts.opening import open_account, open_store
from stillopen.backoffice.accounts.people import create_employee, role_by_name
from stillopen.backoffice.accounts.users import create_token, ensure_administrator
from stillopen.backoffice.catalogue.models import Category, Product, TaxRate
from stillopen.backoffice.catalogue.publishing import publish_drafts
from stillopen.backoffice.catalogue.verbs import (
    change_product,
    create_category,
    create_product,
    stop_products,
)
from stillopen.backoffice.devices import verbs
from stillopen.backoffice.devices.models import Register
from stillopen.domain.businessday import business_day
from stillopen.domain.cart import Cart, CartLine
from stillopen.domain.discount import Discount, DiscountKind
from stillopen.domain.receipt import Receipt, make_receipt
from stillopen.domain.shift import (
    CashKind,
    ShiftReport,
    ShiftTotals,
    expected_cash,
    with_cash,
    with_receipt,
)
from stillopen.domain.tender import Tender, TenderType
from stillopen.domain.totals import Rules
from stillopen.sync.facts import CashMovement, PinBlocked, ShiftClosed, ShiftOpened
from stillopen.sync.messages import Unsent
from tests.backoffice.ingest.till import Till, make_till

EMAIL, PASSWORD = "owner@corner.example", "a good password"
GOODS = (
    ("Coffee", (("Flat white", 350), ("Espresso", 220), ("Cappuccino", 340), ("Filter coffee", 260))),
    ("Bakery", (("Croissant", 190), ("Butter pretzel", 230), ("Walnut bread", 480), ("Apple cake", 360))),
    ("Fruit", (("Apples", 299), ("Bananas", 189), ("Blueberries 250 g", 349), ("Lemons", 79))),
    ("Dairy", (("Whole milk 1 l", 139), ("Mountain cheese", 1990), ("Yoghurt plain", 99))),
)  # fmt: skip
RULES = Rules(currency="EUR")


@dataclass
class Seller:
    """A till with its shift's running sums, as the register keeps them."""

    till: Till
    store: Store
    totals: ShiftTotals = ShiftTotals()
    opening: int = 0
    opened_at: datetime | None = None
    made: int = 0
    z_number: int = 0
    receipts: list[Receipt] = field(default_factory=list)

    @property
    def register(self) -> Register:
        return self.till.register

    def _at(self, at: datetime) -> dict[str, object]:
        return {
            "occurred_at": at,
            "business_day": business_day(at, self.store.timezone, self.store.cutoff),
        }

    def open(self, at: datetime, opening: int = 10_000) -> None:
        self.till.shift = str(uuid.uuid4())
        self.totals, self.opening, self.opened_at = ShiftTotals(), opening, at
        opened = ShiftOpened(float=opening, currency="EUR", employee_name="Anna Berg")
        self.till.add("shift_opened", opened, **self._at(at))

    def sell(
        self,
        at: datetime,
        goods: Sequence[tuple[Product, str]],
        tenders: Sequence[Tender] = (),
        cashier: Employee | None = None,
        discount: Discount | None = None,
        customer: str = "",
        note: str = "",
    ) -> Receipt:
        """Paid in cash with the next full ten unless ``tenders`` are given."""
        self.made += 1
        number = f"{self.store.code}-{self.register.name}-{self.made:06d}"
        lines = tuple(_line(i, product, amount) for i, (product, amount) in enumerate(goods))
        cart = Cart(id="", lines=lines, discount=discount, customer=customer, note=note)
        paid = tuple(tenders) or (_note_for(lines),)
        receipt = make_receipt(number, cart, paid, RULES, str(cashier or "Anna Berg"))
        employee = str(cashier.id) if cashier else None
        self.till.add("sale", receipt, employee=employee, **self._at(at))
        self.totals = with_receipt(self.totals, receipt)
        self.receipts.append(receipt)
        return receipt

    def move_cash(self, at: datetime, kind: CashKind, amount: int, reason: str) -> None:
        self.till.add(
            "cash_movement", CashMovement(kind=kind, amount=amount, reason=reason), **self._at(at)
        )
        self.totals = with_cash(self.totals, kind, amount)

    def close(self, at: datetime, off: int = 0) -> ShiftReport:
        """Close with a count that is ``off`` by so many minor units."""
        assert self.opened_at is not None and self.till.shift is not None
        self.z_number += 1
        expected = expected_cash(self.opening, self.totals)
        report = ShiftReport(
            shift=self.till.shift,
            currency="EUR",
            register=self.register.name,
            opened_at=self.opened_at,
            opened_by="Anna Berg",
            taken_at=at,
            float=self.opening,
            totals=self.totals,
            expected=expected,
            grand_total=sum(r.total for r in self.receipts),
            z_number=self.z_number,
            counted=expected + off,
            difference=off,
            closed_by="Anna Berg",
        )
        self.till.add("shift_closed", ShiftClosed(report=report), **self._at(at))
        self.till.shift = None
        return report

    def send(self, now: datetime, keep: int = 0, value: int = 0) -> None:
        """Send all but the last ``keep`` entries, and say that ``keep`` worth ``value`` are unsent."""
        entries = self.till.entries
        there = entries[: len(entries) - keep] if keep else entries
        self.till.post(
            self.till.request(
                there,
                software="0.1.0",
                clock=now + timedelta(seconds=0.4),
                shift_open=self.till.shift is not None,
                journal_count=self.made,
                unsent=Unsent(count=keep, value=value, oldest_at=now if keep else None),
            ),
            now,
        )


def _line(place: int, product: Product, quantity: str) -> CartLine:
    return CartLine(
        id=str(place),
        product=str(product.id),
        sku=product.sku,
        name=product.name,
        quantity=Decimal(quantity),
        unit_price=product.price,
        tax=str(product.tax_id),
        tax_name=product.tax.name,
        tax_rate=product.tax.rate.normalize(),
        unit=product.unit,
    )


def _note_for(lines: Sequence[CartLine]) -> Tender:
    due = int(sum(x.unit_price * x.quantity for x in lines))
    return Tender(type=TenderType.CASH, amount=-(-due // 1000) * 1000)


def card(amount: int, reference: str = "") -> Tender:
    return Tender(type=TenderType.EXTERNAL_CARD, amount=amount, reference=reference)


def percent_off(value: int) -> Discount:
    return Discount(kind=DiscountKind.PERCENT, value=Decimal(value))


@dataclass
class Market:
    account: Account
    store: Store
    user: User
    token: str
    products: list[Product]
    employees: list[Employee]

    def seller(self, name: str = "R1", store: Store | None = None) -> Seller:
        store = store or self.store
        return Seller(make_till(store, name), store)


def make_market(email: str = EMAIL, name: str = "Corner Shop") -> Market:
    """An account with one store, fifteen published products, two employees, an owner and a token."""
    account = open_account(name, "EUR", "Europe/Berlin", Decimal(19))
    store = account.stores.get()
    low = TaxRate.objects.create(account=account, name="VAT 7 %", rate=Decimal(7))
    products = []
    for place, (category, goods) in enumerate(GOODS, start=1):
        shelf = create_category(account, category, None)
        rate = None if category == "Coffee" else low
        products += [
            _product(account, place * 100 + i, n, p, shelf, rate) for i, (n, p) in enumerate(goods)
        ]
    publish_drafts(account, None)
    seller, manager = role_by_name(account, "Salesperson"), role_by_name(account, "Manager")
    people = [
        create_employee(
            account, name=n, last_name=last, pin=pin, role=role, stores=[store], user=None
        )
        for n, last, pin, role in (
            ("Anna", "Berg", "1111", seller),
            ("Milan", "Novak", "2222", manager),
        )
    ]
    user = ensure_administrator(account, email, PASSWORD)
    _, token = create_token(account, "tests", None)
    return Market(account, store, user, token, products, people)


def _product(
    account: Account, number: int, name: str, price: int, shelf: Category, rate: TaxRate | None
) -> Product:
    unit = "kg" if name in ("Apples", "Bananas", "Mountain cheese") else ""
    values = {"sku": str(number), "name": name, "price": price, "category": shelf, "unit": unit}
    values["barcodes"] = [f"40000000{number:04d}"]
    if rate is not None:
        values["tax"] = rate
    return create_product(account, values, None)  # type: ignore[arg-type]


def work_a_day(
    market: Market, seller: Seller, day: date, until: datetime, sales: int, seed: int
) -> None:
    """Sales of one day from 8 to 18 o'clock UTC, as far as ``until``; the shift stays open."""
    chance = random.Random(seed)
    start = datetime(day.year, day.month, day.day, 7, 30, tzinfo=UTC)
    if start >= until:
        start = until - timedelta(hours=1)
    seller.open(start)
    times = sorted(chance.gauss(5, 2.6) for _ in range(sales))
    for offset in times:
        at = start + timedelta(hours=min(max(offset, 0.1), 10))
        if at < until:
            _random_sale(market, seller, at, chance)


def _random_sale(market: Market, seller: Seller, at: datetime, chance: random.Random) -> None:
    goods = []
    for product in chance.sample(market.products, chance.choice((1, 1, 2, 2, 3, 5))):
        weighed = f"0.{chance.randint(120, 950)}"
        goods.append((product, weighed if product.unit else str(chance.choice((1, 1, 1, 2)))))
    receipt_total = sum(_line(0, p, q).amount(RULES.rounding) for p, q in goods)
    tenders = (card(receipt_total, "7712"),) if chance.random() < 0.4 else ()
    customer = f"C{chance.randint(100, 120)}" if chance.random() < 0.1 else ""
    seller.sell(at, goods, tenders, chance.choice(market.employees), customer=customer)


def make_busy(market: Market, now: datetime) -> Market:
    """All that a page can show: a week of sales, a silent till with unsent sales, differences, drafts,
    a blocked till, exceptions."""
    second = open_store(market.account, "S2", "Harbour", "Europe/Berlin", None)
    first, silent, other = market.seller("R1"), market.seller("R2"), market.seller("R1", second)
    for back in range(8, 0, -1):
        day = _today(market, now) - timedelta(days=back)
        end = datetime(day.year, day.month, day.day, 18, tzinfo=UTC)
        for n, seller in enumerate((first, silent, other)):
            work_a_day(market, seller, day, end, 18 - 4 * n, seed=back * 10 + n)
            seller.move_cash(end - timedelta(hours=1), CashKind.DROP, 5000, "safe")
            seller.close(end, off={(2, 0): -150, (5, 1): 500}.get((back, n), 0))
    return _work_today(market, first, silent, other, now)


def _today(market: Market, now: datetime) -> date:
    return business_day(now, market.store.timezone, market.store.cutoff)


def _work_today(
    market: Market, first: Seller, silent: Seller, other: Seller, now: datetime
) -> Market:
    for n, seller in enumerate((first, silent, other)):
        work_a_day(market, seller, _today(market, now), now, 24 - 6 * n, seed=n)
    goods = [(market.products[0], "2"), (market.products[4], "1"), (market.products[13], "0.214")]
    first.sell(
        now - timedelta(minutes=4), goods, cashier=market.employees[0], discount=percent_off(10),
        customer="C117", note="Birthday order",
    )  # fmt: skip
    for minutes in (50, 47, 41):
        silent.sell(now - timedelta(minutes=minutes), [(market.products[3], "2")])
    bad = msgspec.structs.replace(other.receipts[-1], number="S2-R1-000999", total=1)
    other.till.add("sale", bad)
    other.till.add_bytes(b'{"kind":"sale","seq":12,"payload":{"number":"S2-R1-')
    other.till.add("pin_blocked", PinBlocked(strikes=5))
    for seller in (first, other):
        seller.send(now)
    silent.send(now - timedelta(minutes=45), keep=3, value=1560)
    verbs.add_register(market.store, "R3", None)
    change_product(market.products[0], {"price": 380}, market.user)
    change_product(market.products[13], {"price": 990}, market.user)
    stop_products(market.account, [market.products[7].id], True, market.user)
    create_product(market.account, {"sku": "500", "name": "Oat biscuit", "price": 120}, market.user)
    return market
