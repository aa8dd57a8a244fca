"""No entry, however odd, may trouble the database: that would hold up everything behind it for good."""

import copy
import json
import uuid
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from stillopen.backoffice.ingest.fact import QUARANTINE_CODES
from stillopen.backoffice.ingest.models import Entry
from stillopen.backoffice.ledger.models import (
    CashMovement,
    Event,
    Payment,
    Receipt,
    ReceiptLine,
    Shift,
)
from stillopen.backoffice.stock.models import Level, Movement
from stillopen.domain.tender import TenderType
from tests.backoffice.ingest.till import Till

ODD: list[Any] = [
    0, -1, 1, 10**17 + 1, -(10**18), 2**63, -(2**63) - 1, 10**40,
    "", "\0", "a\0b", "x" * 500, "ü" * 300, "\U0001f600" * 100, "\\u0000", "'; DROP TABLE x; --", "{}",
    "NaN", "sNaN", "0E-999999", "-NaN123", "Infinity",
    "-0", "1E+999999999", "1E-999999999", "0.00001", "1e30", "999999999.999",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00",
    "0001-01-01", "9999-12-31", str(uuid.UUID(int=0)), str(uuid.uuid4()).upper(), uuid.uuid4().hex,
    "cash", "card", "percent", "EUR", "sale", "1.9", "2.0", ".", None, True, [], {}, [{}], 1.5, 1e300,
]  # fmt: skip


def samples(till: Till) -> list[dict[str, Any]]:
    """One body of each kind, as plain data."""
    till.shift = str(uuid.uuid4())
    till.sell(100, employee=str(uuid.uuid4()))
    till.open_shift()
    till.close_shift()
    other = {
        "cash_movement": {"kind": "pay_in", "amount": 5, "reason": "coins"},
        "pin_blocked": {"strikes": 5},
        "payment_attempt": {"cart": "c", "type": TenderType.CARD, "amount": 5},
        "payment_outcome": {"attempt": str(uuid.uuid4()), "paid": True, "note": "n"},
        "drawer_opened": {"reason": "change"},
        "hologram": {"a": 1},
    }
    for kind, payload in other.items():
        till.add(kind, msgspec.Raw(msgspec.json.encode(payload)))
    bodies = [msgspec.json.decode(entry.body) for entry in till.entries]
    bodies[0]["payload"]["discount"] = {"kind": "percent", "value": "10", "name": "x"}
    till.entries.clear()
    till.receipts = 0
    return bodies


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every leaf of ``value``."""
    if isinstance(value, dict):
        return [p for key, child in value.items() for p in paths(child, (*path, key))]
    if isinstance(value, list):
        return [p for n, child in enumerate(value) for p in paths(child, (*path, n))]
    return [path]


def changed(body: dict[str, Any], path: tuple[Any, ...], odd: Any) -> dict[str, Any]:
    body = copy.deepcopy(body)
    at = body
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = odd
    return body


def odd_entries(till: Till) -> Iterator[bytes]:
    """Every leaf of every kind of entry, replaced by every odd value."""
    for body in samples(till):
        for path in paths(body):
            for odd in ODD:
                one = {**body, "id": str(uuid.uuid4()), "epoch": till.epoch, "seq": till.next_seq}
                if body["kind"] == "sale":
                    one["payload"] = {**body["payload"], "number": f"N-{till.next_seq}"}
                yield json.dumps(changed(one, path, odd)).encode()


def test_whatever_stands_in_an_entry_the_next_one_arrives(
    till: Till, caplog: pytest.LogCaptureFixture
) -> None:
    for data in odd_entries(till):
        till.add_bytes(data)
        if len(till.entries) % 50 == 49:
            till.sell(100)
    for start in range(0, len(till.entries), 500):
        batch = till.entries[start : start + 500]
        answer = till.post(till.request(batch))
        assert answer.ack.seq == batch[-1].seq
    assert len(till.entries) > 4000
    assert caplog.records == []  # every refusal was foreseen
    assert Entry.objects.count() == len(till.entries)
    assert Receipt.objects.filter(number__startswith="S1-").count() == till.receipts
    codes = set(Entry.objects.values_list("status", "code"))
    assert {s for s, _ in codes} == {"applied", "quarantined", "waiting"}
    assert {c for s, c in codes if s == "quarantined"} <= QUARANTINE_CODES
    for table in (Receipt, ReceiptLine, Payment, Shift, CashMovement, Event, Movement, Level):
        assert list(table.objects.all())  # what was written can be read


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[" * 100_000,
        b'{"register":' + b"9" * 100_000 + b"}",
        b'{"register":"' + b"\xff" * 10 + b'"}',
        b'{"register":"\\ud800"}',
        bytes(1000),
    ],
    ids=lambda b: f"{len(b)} bytes {b[:12]!r}",
)
def test_bytes_that_are_no_entry_are_quarantined(till: Till, body: bytes) -> None:
    till.add_bytes(body)
    till.sell(100)
    assert [n.code for n in till.send().not_applied] == ["bad_entry"]
    assert Receipt.objects.count() == 1


def test_a_number_of_many_digits_in_a_payload(till: Till) -> None:
    payload = b'{"kind":"pay_in","amount":1' + b"0" * 5000 + b"}"
    till.add("cash_movement", msgspec.Raw(payload))
    assert [n.status for n in till.send().not_applied] == ["quarantined"]
