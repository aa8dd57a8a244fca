"""The receipts of this till, as they were made."""

from datetime import date, datetime

import msgspec

from stillopen.domain.receipt import Receipt
from stillopen.register.session import Session
from stillopen.register.till import Till


class ReceiptRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the list; ``status`` is sent | unsent | waiting | quarantined."""

    seq: int
    id: str
    number: str
    occurred_at: datetime
    total: int  # minor units
    cashier: str
    status: str


class StoredReceipt(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    seq: int
    occurred_at: datetime
    local_time: datetime  # the store's wall clock, naive
    business_day: date
    shift: str | None
    status: str
    receipt: Receipt


def list_receipts(till: Till, query: str = "", limit: int = 50, before_seq: int | None = None) -> list[ReceiptRow]:
    """Newest first; ``query`` is part of a number."""
    raise NotImplementedError


def find_receipt(till: Till, number: str) -> StoredReceipt:
    """``no_such_receipt``."""
    raise NotImplementedError


def last_receipt(till: Till) -> StoredReceipt | None:
    """The last sale made here, also after a power cut."""
    raise NotImplementedError


def last_sale_sentence(till: Till) -> str | None:
    """``Last sale S1-R1-000123: 9.20 paid, change 10.80``."""
    raise NotImplementedError


def reprint(till: Till, session: Session, number: str) -> StoredReceipt:
    """Journal that the receipt is printed again, and give it. ``no_such_receipt``, ``not_permitted``."""
    raise NotImplementedError
