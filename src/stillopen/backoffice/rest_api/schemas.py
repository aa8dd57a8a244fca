"""The shapes of the REST API. Money is an integer in minor units beside a ``currency``; quantities and
rates are decimal strings; times are UTC."""

from datetime import date, datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from ninja import Schema
from pydantic import ConfigDict, Field, StrictBool, StrictInt

from stillopen.domain.money import MAX_AMOUNT

T = TypeVar("T")

# On a class, "register" is a method that pydantic would take for a default: so it is an alias.
RegisterName = Annotated[str, Field(serialization_alias="register")]

Amount = Annotated[StrictInt, Field(ge=-MAX_AMOUNT, le=MAX_AMOUNT)]


class ErrorOut(Schema):
    """Any answer other than 2xx."""

    code: str
    message: str
    details: dict[str, Any] = {}


class ListOut(Schema, Generic[T]):
    """``next`` is the ``cursor`` of the following page; null on the last one."""

    results: list[T]
    next: str | None


class ReceiptRow(Schema):
    id: UUID
    receipt: str
    till: RegisterName
    store: str
    occurred_at: datetime
    business_day: date
    cashier: str
    customer: str
    currency: str
    subtotal: int
    discount: int
    net: int
    tax: int
    total: int
    rounding: int
    change: int
    shift: UUID | None
    epoch: str
    seq: int
    received_at: datetime


class LineOut(Schema):
    line: int
    product: str
    sku: str
    name: str
    quantity: str
    unit: str
    unit_price: int
    discount: int
    tax_name: str
    tax_rate: str
    net: int
    tax: int
    gross: int
    note: str


class TaxOut(Schema):
    name: str
    rate: str
    net: int
    tax: int
    gross: int


class PaymentOut(Schema):
    """``amount`` as handed over; ``change`` was paid out of it."""

    type: str
    amount: int
    change: int
    reference: str


class ReceiptFull(ReceiptRow):
    lines: list[LineOut]
    taxes: list[TaxOut]
    payments: list[PaymentOut]
    note: str


class ShiftOut(Schema):
    """``expected`` of an open shift is what should lie in the drawer by what has arrived. ``epoch`` is the
    branch of the journal, ``label`` what stands in its receipt numbers, ``also_in`` other branches that
    worked on the same shift."""

    id: UUID
    epoch: str
    label: str
    also_in: list[str]
    till: RegisterName
    store: str
    state: str
    opened_at: datetime | None
    opened_by: str
    closed_at: datetime | None
    closed_by: str
    business_day: date | None
    z_number: int | None
    currency: str
    float: int
    receipts: int
    total: int
    expected: int | None
    counted: int | None
    difference: int | None


class PositionOut(Schema):
    epoch: str
    seq: int


class UnsentOut(Schema):
    count: int
    value: int
    oldest_at: datetime | None


class RegisterOut(Schema):
    """``head`` and ``unsent`` are as the register said at ``last_seen_at``; ``acked`` is what the server
    holds of the same epoch; ``applied``: it has the latest publication, else it is ``behind`` records."""

    id: UUID
    till: RegisterName
    store: str
    state: str
    blocked: bool
    last_seen_at: datetime | None
    head: PositionOut
    acked: PositionOut
    not_received: int
    unsent: UnsentOut
    currency: str
    receipts_made: int
    shift_open: bool | None
    applied: bool
    behind: int
    software: str
    clock_offset: float | None


class ProductOut(Schema):
    """``published`` is false while a change of this product is still a draft; ``barcode``: the first one."""

    id: UUID
    sku: str
    name: str
    price: int
    cost: int | None
    currency: str
    tax: str
    tax_rate: str
    category: str | None
    barcode: str
    barcodes: list[str]
    unit: str
    stopped: bool
    published: bool


class ProductIn(Schema):
    """``tax`` is the name of a rate or a percentage that exists; without it the account's default.

    ``barcode`` is short for ``barcodes`` with one in it.
    """

    model_config = ConfigDict(extra="forbid")

    sku: str
    name: str
    price: Amount
    cost: Amount | None = None
    tax: str | None = None
    category: str | None = None
    barcode: str | None = None
    barcodes: list[str] = []
    unit: str = ""


class ProductChange(Schema):
    """Only what is given is changed; null takes a cost or a category away.

    ``barcode`` is short for ``barcodes`` with one in it.
    """

    model_config = ConfigDict(extra="forbid")

    sku: str | None = None
    name: str | None = None
    price: Amount | None = None
    cost: Amount | None = None
    tax: str | None = None
    category: str | None = None
    barcode: str | None = None
    barcodes: list[str] | None = None
    unit: str | None = None
    stopped: StrictBool | None = None


class PublicationOut(Schema):
    publication: int
    records: int


class StockOut(Schema):
    product: str
    sku: str
    name: str
    store: str
    quantity: str


class ExceptionOut(Schema):
    """``severity``: ``critical``, ``held`` (not in the figures yet) or ``notice``. ``reason`` and ``todo`` are
    plain words. ``state`` is that of the entry it is about: ``quarantined``, ``waiting``, ``applied``,
    ``set_aside``, or empty. ``fixes`` are what ``resolve`` takes now, the best first."""

    id: UUID
    till: RegisterName
    store: str
    code: str
    message: str
    reason: str
    todo: str
    severity: str
    details: dict[str, Any]
    entry: str
    state: str
    receipt: str
    amount: int | None
    currency: str
    fixes: list[str]
    created_at: datetime
    resolved_at: datetime | None


class DecisionOut(Schema):
    """``result``: ``applied``, ``held`` or ``settled``."""

    at: datetime
    by: str
    fix: str
    code: str
    result: str
    details: dict[str, Any]


class ExceptionFull(ExceptionOut):
    """``fact`` is the entry's body as text, exactly as it came; ``hash`` what its register recorded."""

    epoch: str
    seq: int | None
    hash: str
    fact: str
    history: list[DecisionOut]


class RetriedOut(ExceptionOut):
    """``applied`` entries are booked now, ``left`` are still held; ``outcome`` says it in a sentence, with
    the reason where nothing was booked."""

    applied: int
    left: int
    outcome: str


class ResolveIn(Schema):
    """``product``: id of the product that was meant, or its SKU (*map_product*). ``new``: the product to make
    (*create_product*); what is left out is taken from the line that was sold."""

    model_config = ConfigDict(extra="forbid")

    fix: str
    note: str = ""
    product: str = ""
    new: ProductChange | None = None


class HealthOut(Schema):
    status: str
    version: str
