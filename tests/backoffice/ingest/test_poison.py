"""No entry, however odd, may trouble the database: that would hold up everything behind it for good."""

import copy
import json
import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stillopen.backoffice.ingest.models import Entry
from stillopen.backoffice.ledger.models import Receipt
from stillopen.domain.tender import TenderType
from stillopen.sync import facts
from tests.backoffice.ingest.till import Till, make_sale

ODD: list[Any] = [
    0, -1, 1, 10**17 + 1, -(10**18), 2**63, -(2**63) - 1, 10**40,
    "", "\0", "a\0b", "x" * 500, "ü" * 300, "\U0001f600" * 100, "\\u0000", "'; DROP TABLE x; --", "{}",
    "NaN", "Infinity", "-0", "1E+999999999", "1E-999999999", "0.00001", "1e30", "999999999.999",
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


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(data=st.data())
def test_whatever_stands_in_an_entry_the_next_one_arrives(till: Till, data: st.DataObject) -> None:
    till.entries.clear()
    till.epoch = uuid.uuid4().hex
    body = data.draw(st.sampled_from(samples(till)))
    for _ in range(data.draw(st.integers(1, 2))):
        body = changed(
            body, data.draw(st.sampled_from(paths(body))), data.draw(st.sampled_from(ODD))
        )
    till.add_bytes(json.dumps(body).encode())
    good = till.sell(receipt=make_sale("GOOD-1"))
    answer = till.send()
    assert answer.ack.seq == 2
    good_id = facts.decode_body(good.body).id
    assert Receipt.objects.filter(branch=till.epoch, id=good_id).exists()
    held = Entry.objects.get(branch=till.epoch, seq=1)
    told = [n.code for n in answer.not_applied if n.id == held.entry_id]
    assert told == ([] if held.status == "applied" else [held.code])
    Receipt.objects.get(branch=till.epoch, id=good_id)
    list(Receipt.objects.filter(branch=till.epoch))  # what was written can be read


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
