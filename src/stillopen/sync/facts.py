"""Facts: what a register has done. One payload Struct per kind of journal entry.

The payload of a kind may grow (minor schema); a change of meaning takes a new major. A fact, once
made, is never rewritten and never refused.
"""

from datetime import date, datetime

import msgspec

from stillopen.domain.receipt import Receipt
from stillopen.domain.shift import CashKind, ShiftReport
from stillopen.domain.tender import TenderType


class ShiftOpened(msgspec.Struct, frozen=True, kw_only=True):
    """The entry's ``shift`` is the new shift's id."""

    float: int  # minor units
    currency: str
    employee_name: str = ""


class ShiftClosed(msgspec.Struct, frozen=True, kw_only=True):
    report: ShiftReport  # the Z as printed
    denominations: dict[str, int] = {}  # face value in minor units → count


class CashMovement(msgspec.Struct, frozen=True, kw_only=True):
    kind: CashKind
    amount: int  # minor units, > 0
    reason: str = ""


class SignedIn(msgspec.Struct, frozen=True, kw_only=True):
    offline: bool = False


class SignedOut(msgspec.Struct, frozen=True, kw_only=True):
    pass


class PinBlocked(msgspec.Struct, frozen=True, kw_only=True):
    """Five wrong PINs in a row; ``employee`` of the entry is the last one tried, if it was known."""

    strikes: int


class PinUnblocked(msgspec.Struct, frozen=True, kw_only=True):
    unblock: str  # the value from RegisterSettings that lifted it


class DrawerOpened(msgspec.Struct, frozen=True, kw_only=True):
    reason: str = ""


class ReceiptReprinted(msgspec.Struct, frozen=True, kw_only=True):
    receipt: str  # number


class PaymentAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """An outside payment is about to be asked for; ``cart`` becomes the sale's id if it succeeds."""

    cart: str
    type: TenderType
    amount: int


class PaymentOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an attempt that ended without a sale (or that a person answered for)."""

    attempt: str  # entry id of the attempt
    paid: bool
    note: str = ""


#: kind → (schema "major.minor" that this software writes, payload type)
KINDS: dict[str, tuple[str, type[msgspec.Struct]]] = {
    "sale": ("1.0", Receipt),
    "shift_opened": ("1.0", ShiftOpened),
    "shift_closed": ("1.0", ShiftClosed),
    "cash_movement": ("1.0", CashMovement),
    "signed_in": ("1.0", SignedIn),
    "signed_out": ("1.0", SignedOut),
    "pin_blocked": ("1.0", PinBlocked),
    "pin_unblocked": ("1.0", PinUnblocked),
    "drawer_opened": ("1.0", DrawerOpened),
    "receipt_reprinted": ("1.0", ReceiptReprinted),
    "payment_attempt": ("1.0", PaymentAttempt),
    "payment_outcome": ("1.0", PaymentOutcome),
}


class EntryBody(msgspec.Struct, frozen=True, kw_only=True):
    """The exact content of one journal entry; its JSON bytes are what is hashed, stored and sent."""

    register: str  # register id
    epoch: str  # 32 hex digits
    seq: int
    id: str  # UUIDv7; a sale's is its cart's
    kind: str
    schema: str
    occurred_at: datetime  # UTC
    business_day: date
    payload: msgspec.Raw
    employee: str | None = None  # record id
    shift: str | None = None


_encoder = msgspec.json.Encoder(decimal_format="string")
_body_decoder = msgspec.json.Decoder(EntryBody)
_payload_decoders = {kind: msgspec.json.Decoder(t) for kind, (_, t) in KINDS.items()}


def encode_payload(payload: msgspec.Struct) -> msgspec.Raw:
    return msgspec.Raw(_encoder.encode(payload))


def encode_body(body: EntryBody) -> bytes:
    return _encoder.encode(body)


def decode_body(data: bytes) -> EntryBody:
    """Raises ``msgspec.DecodeError`` (of which ValidationError is one) when the bytes are no entry."""
    return _body_decoder.decode(data)


def is_known(body: EntryBody) -> bool:
    """Whether this software understands the entry's kind at its major schema."""
    known = KINDS.get(body.kind)
    return known is not None and body.schema.split(".")[0] == known[0].split(".")[0]


def is_newer(body: EntryBody) -> bool:
    """Whether a known kind was written at a later minor schema than this software writes: new fields are
    passed over, but a new word in an old field cannot be read."""
    major, minor = KINDS[body.kind][0].split(".")
    theirs = body.schema.split(".")
    return theirs[0] == major and theirs[-1].isdecimal() and int(theirs[-1][:9]) > int(minor)


def decode_payload(body: EntryBody) -> msgspec.Struct:
    """The typed payload of a known kind; unknown minor fields are passed over, the bytes keep them."""
    return _payload_decoders[body.kind].decode(body.payload)
