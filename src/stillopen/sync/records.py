"""Catalogue records: what the Back Office publishes and a register holds. One Struct per kind.

A record travels as JSON bytes, ``encode(record)``; a register keeps kinds and fields it does not
know. Money is in minor units of the account's currency. Ids are UUID strings.
"""

from datetime import time
from decimal import Decimal

import msgspec

from stillopen.domain.barcode import Carries
from stillopen.domain.pricing import Price
from stillopen.domain.totals import Rules
from stillopen.sync.link import Thresholds

_USUAL = Thresholds()


class AccountSettings(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="account_settings"
):
    """Scope account; one record, its id is the account's."""

    name: str
    rules: Rules
    offline_preset: str = "standard"
    offline_overrides: dict[str, bool] = {}
    embedded_prefixes: dict[str, Carries] = msgspec.field(
        default_factory=lambda: {"21": Carries.PRICE}
    )
    default_tax: str | None = None


class StoreSettings(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="store_settings"
):
    """Scope store; one record, its id is the store's."""

    code: str  # S1
    name: str
    timezone: str  # IANA
    cutoff: time = time(4, 0)  # end of the business day, local
    address: str = ""
    vat_number: str = ""
    receipt_header: str = ""
    receipt_footer: str = ""
    blind_close: bool = False


class RegisterSettings(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="register_settings"
):
    """Scope register; one record, its id is the register's."""

    name: str  # R1
    several_employees: bool = False  # sign out after each sale
    unblock: str | None = None  # a new value lifts a PIN block
    yellow_after: float = _USUAL.yellow_after  # seconds without a sign of life
    red_after: float = _USUAL.red_after
    probe_every: float = _USUAL.probe_every


class TaxRateRecord(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="tax_rate"):
    name: str
    rate: Decimal  # percent


class CategoryRecord(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="category"):
    name: str
    position: int = 0
    colour: str = ""  # a name from the palette, see register/web/static


class ProductRecord(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="product"):
    sku: str
    name: str
    prices: tuple[Price, ...]
    tax: str  # id of a tax rate
    category: str | None = None  # id
    barcodes: tuple[str, ...] = ()
    unit: str = ""
    picture: str = ""  # a name of a built-in pictogram, or ""
    stopped: bool = False  # sold out / on the stop list


class QuickKeysRecord(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="quick_keys"
):
    """One page of tiles in order; ``products`` are product ids. Scope account or store."""

    name: str
    position: int = 0
    products: tuple[str, ...] = ()


class RoleRecord(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="role"):
    name: str
    permissions: tuple[str, ...]


class EmployeeRecord(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="employee"):
    """Scope store (every store where the person works). A person switched off is deleted there."""

    code: str  # employee code, e.g. "101"
    name: str
    last_name: str
    role: str  # id
    pin_hash: str  # argon2id of HMAC-SHA256(account pepper, PIN)
    colour: str = ""


class PaymentTypeRecord(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="payment_type"
):
    type: str  # a TenderType
    name: str
    position: int = 0


Record = (
    AccountSettings
    | StoreSettings
    | RegisterSettings
    | TaxRateRecord
    | CategoryRecord
    | ProductRecord
    | QuickKeysRecord
    | RoleRecord
    | EmployeeRecord
    | PaymentTypeRecord
)

_encoder = msgspec.json.Encoder(order="deterministic", decimal_format="string")
_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


def encode(record: Record) -> bytes:
    """Deterministic JSON, so that equal records are equal bytes."""
    return _encoder.encode(record)


def decode(data: bytes) -> Record:
    """Raises ``msgspec.ValidationError`` (or its parent ``DecodeError``) for anything else."""
    return _decoder.decode(data)


def kind_of(record: Record) -> str:
    return str(record.__struct_config__.tag)
