"""What each kind of fact writes: pure, from its payload to rows. One function per kind."""

from collections.abc import Callable
from typing import cast

import msgspec

from stillopen.backoffice.ingest.fact import Fact, Place
from stillopen.backoffice.ingest.limits import (
    as_json,
    canonical_id,
    check_money,
    clip,
    in_utc,
    out_of_range,
)
from stillopen.backoffice.ingest.sale_effects import add_sale, check_currency, optional_uid
from stillopen.backoffice.ingest.tables import (
    CASH,
    EVENT,
    SHIFT_CLOSED,
    SHIFT_OPENED,
    SHIFT_STUB,
    Row,
)
from stillopen.domain.receipt import Receipt
from stillopen.sync.facts import (
    CashMovement,
    EntryBody,
    PaymentOutcome,
    ShiftClosed,
    ShiftOpened,
)


def aggregate_of(kind: str, identity: str, body: EntryBody, register: str) -> str:
    """The entity whose state an entry changes, as far as its body tells: what holds one up holds up the
    next. A sale is its own and waits for nothing; ``identity`` and ``kind`` are the entry's, canonical."""
    if kind in ("shift_opened", "shift_closed") and body.shift:
        return clip(f"shift:{body.shift}", 80)
    if kind in ("pin_blocked", "pin_unblocked"):
        return f"pin:{register}"
    if kind == "payment_attempt":
        return f"payment:{identity}"
    return f"{kind}:{identity}"


def add_effects(fact: Fact, body: EntryBody, payload: msgspec.Struct, place: Place) -> None:
    """Fill ``fact`` in; ``DomainError`` with a code of QUARANTINE_CODES when it cannot be booked."""
    fact.shift = None if body.shift is None else canonical_id(body.shift, "shift")
    fact.employee = None if body.employee is None else canonical_id(body.employee, "employee")
    if fact.shift is not None and body.kind not in ("shift_opened", "shift_closed"):
        fact.rows[SHIFT_STUB] = [_stub(fact.shift, fact, place)]
    _KINDS.get(body.kind, _event)(fact, body, payload, place)


def _stub(shift: str, fact: Fact, place: Place) -> Row:
    ids = (place.account, place.db.uid(shift), place.store, place.register)
    return (*ids, fact.branch, "", 0, "")


def _sale(fact: Fact, body: EntryBody, payload: msgspec.Struct, place: Place) -> None:
    add_sale(fact, body, cast(Receipt, payload), place)


def _shift_opened(fact: Fact, body: EntryBody, payload: msgspec.Struct, place: Place) -> None:
    opened = cast(ShiftOpened, payload)
    shift = fact.shift or canonical_id("", "shift")
    check_currency(opened.currency, place)
    check_money((opened.float,))
    fact.rows[SHIFT_OPENED] = [
        (
            place.account, place.db.uid(shift), place.store, place.register,
            fact.branch, place.db.moment(in_utc(body.occurred_at)), clip(opened.employee_name, 130),
            opened.float, "", body.business_day.isoformat(),
        )
    ]  # fmt: skip


def _shift_closed(fact: Fact, body: EntryBody, payload: msgspec.Struct, place: Place) -> None:
    closed = cast(ShiftClosed, payload)
    report = closed.report
    shift = fact.shift or canonical_id(report.shift, "shift")
    check_currency(report.currency, place)
    money = (report.float, report.z_number, report.expected, report.counted, report.difference)
    check_money([amount or 0 for amount in money])
    fact.closes = shift
    fact.rows[SHIFT_CLOSED] = [
        (
            place.account, place.db.uid(shift), place.store, place.register,
            fact.branch, place.db.moment(in_utc(report.opened_at)), clip(report.opened_by, 130),
            report.float, place.db.moment(in_utc(body.occurred_at)), clip(report.closed_by, 130),
            body.business_day.isoformat(), report.z_number, report.expected, report.counted,
            report.difference, as_json(report),
        )
    ]  # fmt: skip


def _cash_movement(fact: Fact, body: EntryBody, payload: msgspec.Struct, place: Place) -> None:
    cash = cast(CashMovement, payload)
    if cash.amount <= 0:
        raise out_of_range("amount")
    check_money((cash.amount,))
    fact.rows[CASH] = [
        (
            place.account, place.db.uid(fact.id), place.store,
            place.register, fact.branch, optional_uid(fact.shift, place),
            optional_uid(fact.employee, place), cash.kind.value, cash.amount,
            clip(cash.reason, 200), place.db.moment(in_utc(body.occurred_at)),
        )
    ]  # fmt: skip


def _event(fact: Fact, body: EntryBody, payload: msgspec.Struct, place: Place) -> None:
    fact.rows[EVENT] = [
        (
            place.account, place.db.uid(fact.id), place.register,
            optional_uid(fact.employee, place), fact.kind, as_json(payload),
            place.db.moment(in_utc(body.occurred_at)),
        )
    ]  # fmt: skip


def _pin(fact: Fact, body: EntryBody, payload: msgspec.Struct, place: Place) -> None:
    _event(fact, body, payload, place)
    fact.blocked = body.kind == "pin_blocked"


def _payment_outcome(fact: Fact, body: EntryBody, payload: msgspec.Struct, place: Place) -> None:
    fact.aggregate = clip(f"payment:{cast(PaymentOutcome, payload).attempt}", 80)
    _event(fact, body, payload, place)


_KINDS: dict[str, Callable[[Fact, EntryBody, msgspec.Struct, Place], None]] = {
    "sale": _sale,
    "shift_opened": _shift_opened,
    "shift_closed": _shift_closed,
    "cash_movement": _cash_movement,
    "pin_blocked": _pin,
    "pin_unblocked": _pin,
    "payment_outcome": _payment_outcome,
}
