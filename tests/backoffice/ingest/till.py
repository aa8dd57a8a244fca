"""A till without a program around it: it makes journal entries and signed requests, as bytes."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from stillopen.backoffice.accounts.models import Account, Store
from stillopen.backoffice.catalogue.models import Product, TaxRate
from stillopen.backoffice.devices.epochs import open_epoch
from stillopen.backoffice.devices.licensing import new_code
from stillopen.backoffice.devices.models import Register
from stillopen.backoffice.feed.epoch import server_epoch
from stillopen.backoffice.ingest.receive import exchange
from stillopen.domain.cart import Cart, CartLine
from stillopen.domain.receipt import Receipt, make_receipt
from stillopen.domain.shift import ShiftReport, ShiftTotals
from stillopen.domain.tender import Tender, TenderType
from stillopen.domain.totals import Rules
from stillopen.sync import facts, proof
from stillopen.sync.chain import GENESIS, StoredEntry, seal
from stillopen.sync.codec import pack, unpack
from stillopen.sync.messages import PROTOCOL_MAX, PROTOCOL_MIN, ExchangeAnswer, ExchangeRequest

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
EUR = Rules(currency="EUR")


#: What tills sell unless told otherwise: a product of the first account of a test.
GOODS = "6e0c2f0e-5d7b-4c7e-9f0e-2f6d3f1c9a01"


def make_account(name: str = "Shop", currency: str = "EUR") -> Account:
    server_epoch()
    account = Account.objects.create(
        public_id=new_code(groups=2, size=4), name=name, currency=currency, pepper=bytes(32)
    )
    if not Product.objects.filter(id=GOODS).exists():
        make_product(account, GOODS)
    return account


def make_product(account: Account, product: str, sku: str = "100") -> Product:
    tax, _ = TaxRate.objects.get_or_create(account=account, name="VAT 19 %", rate=Decimal(19))
    return Product.objects.create(
        id=product, account=account, sku=sku, name="Flat white", price=250, tax=tax
    )


def make_store(account: Account, code: str = "S1") -> Store:
    return Store.objects.create(account=account, code=code, name=code, timezone="Europe/Berlin")


@dataclass
class Till:
    """``entries`` is its journal; ``nonce`` what the last answer left."""

    register: Register
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    epoch: str = field(default_factory=lambda: uuid.uuid4().hex)
    entries: list[StoredEntry] = field(default_factory=list)
    nonce: bytes = b"first nonce"
    shift: str | None = None
    receipts: int = 0
    requests: int = 0

    @property
    def public_key(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def head(self) -> bytes:
        return self.entries[-1].hash if self.entries else GENESIS

    @property
    def next_seq(self) -> int:
        return len(self.entries) + 1

    # -- the journal

    def add(
        self, kind: str, payload: msgspec.Struct | msgspec.Raw, **changes: object
    ) -> StoredEntry:
        """Append an entry; ``changes`` replace fields of its body."""
        raw = payload if isinstance(payload, msgspec.Raw) else facts.encode_payload(payload)
        fields: dict[str, object] = {
            "register": str(self.register.id),
            "epoch": self.epoch,
            "seq": len(self.entries) + 1,
            "id": str(uuid.uuid4()),
            "kind": kind,
            "schema": "1.0",
            "occurred_at": NOON + timedelta(seconds=len(self.entries)),
            "business_day": NOON.date(),
            "payload": raw,
            "shift": self.shift,
        }
        body = facts.EntryBody(**{**fields, **changes})  # type: ignore[arg-type]
        return self.add_bytes(facts.encode_body(body))

    def add_bytes(self, data: bytes) -> StoredEntry:
        entry = StoredEntry(len(self.entries) + 1, self.head, seal(self.head, data), data)
        self.entries.append(entry)
        return entry

    def open_shift(self, opening: int = 10_000) -> StoredEntry:
        self.shift = str(uuid.uuid4())
        return self.add("shift_opened", facts.ShiftOpened(float=opening, currency="EUR"))

    def close_shift(self, **changes: object) -> StoredEntry:
        fields: dict[str, object] = {
            "shift": self.shift,
            "currency": "EUR",
            "register": "R1",
            "opened_at": NOON,
            "opened_by": "Anna",
            "taken_at": NOON + timedelta(hours=8),
            "float": 10_000,
            "totals": ShiftTotals(),
            "expected": 10_000,
            "grand_total": 0,
            "z_number": 1,
            "counted": 9_950,
            "difference": -50,
            "closed_by": "Anna",
        }
        report = ShiftReport(**{**fields, **changes})  # type: ignore[arg-type]
        return self.add("shift_closed", facts.ShiftClosed(report=report))

    def sell(self, *prices: int, receipt: Receipt | None = None, **changes: object) -> StoredEntry:
        """A cash sale of one piece for each of ``prices`` (minor units)."""
        self.receipts += 1
        made = receipt or make_sale(f"S1-R1-{self.receipts:06d}", prices or (250,))
        return self.add("sale", made, **changes)

    # -- the exchange

    def request(self, entries: Sequence[StoredEntry] = (), **changes: object) -> ExchangeRequest:
        self.requests += 1
        request = ExchangeRequest(
            protocol=(PROTOCOL_MIN, PROTOCOL_MAX),
            register=str(self.register.id),
            nonce=self.nonce,
            request=self.requests,
            epoch=self.epoch,
            head_seq=len(self.entries),
            head_hash=self.head,
            entries=tuple(entries),
        )
        return msgspec.structs.replace(request, **changes)

    def sign(self, body: bytes, nonce: bytes | None = None) -> bytes:
        return proof.sign(self.key, proof.EXCHANGE, self.nonce if nonce is None else nonce, body)

    def post(self, request: ExchangeRequest, now: datetime = NOON) -> ExchangeAnswer:
        """One exchange; the answer's nonce is kept."""
        body = pack(request)
        answered = exchange(str(self.register.id), body, self.sign(body, request.nonce), now)
        answer = unpack(answered, ExchangeAnswer)
        self.nonce = answer.nonce
        return answer

    def send(
        self, entries: Sequence[StoredEntry] | None = None, **changes: object
    ) -> ExchangeAnswer:
        """Send ``entries`` (all of the journal unless given)."""
        return self.post(self.request(self.entries if entries is None else entries, **changes))


def make_till(store: Store, name: str = "R1") -> Till:
    """An activated register, and its till."""
    register = Register(account=store.account, store=store, name=name)
    till = Till(register)
    register.state = Register.State.ACTIVE
    register.license_digest = uuid.uuid4().hex
    register.public_key, register.nonce = till.public_key, till.nonce
    register.save()
    open_epoch(register, till.epoch, NOON)
    return till


def make_line(price: int, quantity: str = "1", product: str | None = None) -> CartLine:
    return CartLine(
        id="1",
        product=product or GOODS,
        sku="100",
        name="Flat white",
        quantity=Decimal(quantity),
        unit_price=price,
        tax="9f6cbe29-3c0a-4c3e-8a39-8f8c9f0f6d10",
        tax_name="VAT 19 %",
        tax_rate=Decimal(19),
    )


def make_sale(
    number: str,
    prices: Sequence[int] = (250,),
    lines: Sequence[CartLine] | None = None,
    rules: Rules = EUR,
    tenders: Sequence[Tender] | None = None,
) -> Receipt:
    items = tuple(lines or [make_line(price) for price in prices])
    paid = tuple(tenders or (Tender(type=TenderType.CASH, amount=100_00),))
    return make_receipt(number, Cart(id="", lines=items), paid, rules, "Anna")
