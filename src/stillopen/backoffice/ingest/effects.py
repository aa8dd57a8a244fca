"""What each kind of fact writes: pure, from its payload to rows. One function per kind."""

from collections.abc import Callable
from typing import cast

import msgspec

from stillopen.backoffice.ingest.fact import Fact, Source
from stillopen.backoffice.ingest.limits import (
    as_json,
    canonical_id,
    check_money,
    clip,
    in_utc,
    out_of_range,
)
from stillopen.backoffice.ingest.sale_effects import add_sale, check_currency
from stillopen.backoffice.ingest.sql import engine
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


def add_effects(fact: Fact, body: EntryBody, payload: msgspec.Struct, source: Source) -> None:
    """Fill ``fact`` in; ``DomainError`` with a code of QUARANTINE_CODES when it cannot be booked."""
    if body.shift is not None and body.kind not in ("shift_opened", "shift_closed"):
        fact.rows[SHIFT_STUB] = [_stub(canonical_id(body.shift, "shift"), fact, source)]
    _KINDS.get(body.kind, _event)(fact, body, payload, source)


def _stub(shift: str, fact: Fact, source: Source) -> Row:
    uid = engine().uid
    ids = (uid(source.account), uid(shift), uid(source.store), uid(source.register))
    return (*ids, fact.branch, "", 0, "")


def _sale(fact: Fact, body: EntryBody, payload: msgspec.Struct, source: Source) -> None:
    add_sale(fact, body, cast(Receipt, payload), source)


def _shift_opened(fact: Fact, body: EntryBody, payload: msgspec.Struct, source: Source) -> None:
    opened = cast(ShiftOpened, payload)
    shift = canonical_id(body.shift or "", "shift")
    check_currency(opened.currency, source)
    check_money((opened.float,))
    db = engine()
    fact.aggregate = f"shift:{shift}"
    fact.rows[SHIFT_OPENED] = [
        (
            db.uid(source.account), db.uid(shift), db.uid(source.store), db.uid(source.register),
            fact.branch, db.moment(in_utc(body.occurred_at)), clip(opened.employee_name, 130),
            opened.float, "", body.business_day.isoformat(),
        )
    ]  # fmt: skip


def _shift_closed(fact: Fact, body: EntryBody, payload: msgspec.Struct, source: Source) -> None:
    closed = cast(ShiftClosed, payload)
    report = closed.report
    shift = canonical_id(body.shift or report.shift, "shift")
    check_currency(report.currency, source)
    money = (report.float, report.z_number, report.expected, report.counted, report.difference)
    check_money(money)
    db = engine()
    fact.aggregate, fact.closes = f"shift:{shift}", shift
    fact.rows[SHIFT_CLOSED] = [
        (
            db.uid(source.account), db.uid(shift), db.uid(source.store), db.uid(source.register),
            fact.branch, db.moment(in_utc(report.opened_at)), clip(report.opened_by, 130),
            report.float, db.moment(in_utc(body.occurred_at)), clip(report.closed_by, 130),
            body.business_day.isoformat(), report.z_number, report.expected, report.counted,
            report.difference, as_json(report),
        )
    ]  # fmt: skip


def _cash_movement(fact: Fact, body: EntryBody, payload: msgspec.Struct, source: Source) -> None:
    cash = cast(CashMovement, payload)
    if cash.amount <= 0:
        raise out_of_range("amount")
    check_money((cash.amount,))
    db = engine()
    fact.rows[CASH] = [
        (
            db.uid(source.account), db.uid(fact.id), db.uid(source.store),
            db.uid(source.register), _optional(body.shift, "shift"),
            _optional(body.employee, "employee"), cash.kind.value, cash.amount,
            clip(cash.reason, 200), db.moment(in_utc(body.occurred_at)),
        )
    ]  # fmt: skip


def _event(fact: Fact, body: EntryBody, payload: msgspec.Struct, source: Source) -> None:
    db = engine()
    fact.rows[EVENT] = [
        (
            db.uid(source.account), db.uid(fact.id), db.uid(source.register),
            _optional(body.employee, "employee"), fact.kind, as_json(payload),
            db.moment(in_utc(body.occurred_at)),
        )
    ]  # fmt: skip


def _pin(fact: Fact, body: EntryBody, payload: msgspec.Struct, source: Source) -> None:
    """What blocks a register and what lifts the block change the same thing: in order, please."""
    _event(fact, body, payload, source)
    fact.aggregate = f"pin:{source.register}"
    fact.blocked = body.kind == "pin_blocked"


def _payment_attempt(fact: Fact, body: EntryBody, payload: msgspec.Struct, source: Source) -> None:
    _event(fact, body, payload, source)
    fact.aggregate = f"payment:{fact.id}"


def _payment_outcome(fact: Fact, body: EntryBody, payload: msgspec.Struct, source: Source) -> None:
    _event(fact, body, payload, source)
    fact.aggregate = clip(f"payment:{cast(PaymentOutcome, payload).attempt}", 80)


def _optional(text: str | None, what: str) -> str | None:
    return None if text is None else engine().uid(canonical_id(text, what))


_KINDS: dict[str, Callable[[Fact, EntryBody, msgspec.Struct, Source], None]] = {
    "sale": _sale,
    "shift_opened": _shift_opened,
    "shift_closed": _shift_closed,
    "cash_movement": _cash_movement,
    "pin_blocked": _pin,
    "pin_unblocked": _pin,
    "payment_attempt": _payment_attempt,
    "payment_outcome": _payment_outcome,
}
