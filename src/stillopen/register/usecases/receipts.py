"""Receipts as they were made: this till's own, and those of the store that came down."""

from datetime import date, datetime

import msgspec

from stillopen.domain.errors import DomainError
from stillopen.domain.permission import Permission
from stillopen.domain.receipt import Receipt
from stillopen.register.session import Session
from stillopen.register.store.entries import EntryRow
from stillopen.register.store.live import SharedRow
from stillopen.register.till import Till
from stillopen.register.usecases.purge import is_purged
from stillopen.register.usecases.record import open_shift_id, record
from stillopen.register.wording import figures
from stillopen.sync.facts import ReceiptReprinted, decode_body, decode_payload


class ReceiptRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the list; ``status`` is sent | unsent | waiting | quarantined."""

    place: int
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
    own: bool = (
        True  # False: another till of the store made it, or this one before its journal began
    )


def list_receipts(
    till: Till, query: str = "", limit: int = 50, before: int | None = None
) -> list[ReceiptRow]:
    """Newest first; ``query`` is part of a number, ``before`` the ``place`` of the last row seen."""
    rows = till.journal.entries.sales(query.strip(), limit, before)
    held = _held(till)
    return [
        ReceiptRow(
            place=row.place,
            seq=row.seq,
            id=row.id,
            number=row.receipt or "",
            occurred_at=row.occurred_at,
            total=row.total or 0,
            cashier=row.employee_name,
            status=_status(till, row, held),
        )
        for row in rows
    ]


def _status(till: Till, row: EntryRow, held: dict[str, str]) -> str:
    """What the server holds but has not applied has its own word."""
    return held.get(row.id) or ("sent" if till.journal.sending.is_acked(row) else "unsent")


def _held(till: Till) -> dict[str, str]:
    return {id: x.status for id, x in till.journal.sending.held().items()}


def find_receipt(till: Till, number: str) -> StoredReceipt:
    """Of this till's own, else of the store's; ``no_such_receipt``, ``receipt_purged``, ``receipt_damaged``."""
    found = till.journal.entries.receipt(number.strip())
    if found is not None:
        return _stored(till, *found)
    shared = till.live.receipt(number.strip())
    if shared is not None:
        return _of_the_store(till, *shared)
    if is_purged(till) and till.journal.entries.knows_number(number.strip()):
        raise DomainError(
            "receipt_purged",
            f"Receipt “{number[:40]}” is no longer on this till: it is old, and in the Back Office.",
        )
    raise DomainError("no_such_receipt", f"This till has no receipt “{number[:40]}”.")


def list_store_receipts(
    till: Till, query: str = "", limit: int = 50, before: tuple[str, str] | None = None
) -> list[SharedRow]:
    """Those that came down, newest first: other tills', and this one's from before its journal begins.

    ``query`` is part of a number; ``before``: :func:`place_of` the last row seen.
    """
    return till.live.receipts(query.strip(), limit, before)


def place_of(row: SharedRow) -> tuple[str, str]:
    """Where ``row`` stands in the list of the store."""
    return row.occurred_at.isoformat(), row.id


def _of_the_store(till: Till, row: SharedRow, data: bytes) -> StoredReceipt:
    body = decode_body(data)  # it was read when it came down
    return StoredReceipt(
        id=row.id,
        seq=body.seq,
        occurred_at=row.occurred_at,
        local_time=till.local(row.occurred_at),
        business_day=row.business_day,
        shift=body.shift,
        status="sent",
        receipt=receipt_in(data),
        own=False,
    )


def receipt_in(body: bytes) -> Receipt:
    """Of the bytes of a sale's entry; ``receipt_damaged`` where a disk has changed them."""
    try:
        receipt = decode_payload(decode_body(body))
    except (msgspec.MsgspecError, ValueError, LookupError):
        receipt = None
    if not isinstance(receipt, Receipt):
        raise DomainError(
            "receipt_damaged", "This receipt cannot be read: its entry in the journal is damaged."
        )
    return receipt


def last_receipt(till: Till) -> StoredReceipt | None:
    """The last sale made here, also after a power cut; None where it is damaged: selling goes on."""
    found = till.journal.entries.last_sale()
    try:
        return _stored(till, *found) if found else None
    except DomainError:
        return None


def _stored(till: Till, row: EntryRow, body: bytes) -> StoredReceipt:
    return StoredReceipt(
        id=row.id,
        seq=row.seq,
        occurred_at=row.occurred_at,
        local_time=till.local(row.occurred_at),
        business_day=row.business_day,
        shift=row.shift,
        status=_status(till, row, _held(till)),
        receipt=receipt_in(body),
    )


def last_sale_sentence(till: Till) -> str | None:
    """``Last sale S1-R1-000123: 9.20 paid, change 10.80``."""
    last = last_receipt(till)
    if last is None:
        return None
    receipt = last.receipt
    currency = receipt.rules.currency
    paid = figures(receipt.total + receipt.rounding, currency)
    change = figures(receipt.change, currency)
    return f"Last sale {receipt.number}: {paid} paid, change {change}"


def reprint(till: Till, session: Session, number: str) -> StoredReceipt:
    """Journal that the receipt is printed again, and give it. ``no_such_receipt``, ``not_permitted``."""
    session.require(Permission.REPRINT)
    found = find_receipt(till, number)
    with till.change("journal"):
        fact = ReceiptReprinted(receipt=found.receipt.number)
        record(till, "receipt_reprinted", fact, session=session, shift=open_shift_id(till))
    return found
