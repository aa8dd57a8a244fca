"""The wire format of version 1 stays readable: kept bytes of every message, fact and record, and what is
newer or older than this version."""

import re
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stillopen.sync import facts, messages, proof, records, register_side
from stillopen.sync.chain import GENESIS
from stillopen.sync.codec import pack, unpack
from tests.sync import samples
from tests.sync.samples import FOLDER, MESSAGES, RECORDS, filled

AGAIN = "kept for all later versions: add a field, do not change one (tests/sync/samples.py)"


def kept(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


def names(prefix: str) -> list[str]:
    return sorted(path.name for path in FOLDER.glob(f"{prefix}-*.json"))


def includes(now: Any, then: Any, at: str = "") -> None:
    """Everything that was said ``then`` is said ``now``, in the same words; fields may have been added."""
    if isinstance(then, dict):
        assert isinstance(now, dict) and then.keys() <= now.keys(), f"{at}: {AGAIN}"
        for key, value in then.items():
            includes(now[key], value, f"{at}.{key}")
    elif isinstance(then, list):
        assert isinstance(now, list) and len(now) == len(then), f"{at}: {AGAIN}"
        for number, value in enumerate(then):
            includes(now[number], value, f"{at}[{number}]")
    else:
        assert now == then, f"{at}: {AGAIN}"


def told(value: msgspec.Struct) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


# -- what was kept -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MESSAGES)
def test_a_kept_message_says_what_it_said(name: str) -> None:
    message = unpack(kept(f"{name}.bin"), MESSAGES[name])
    includes(told(message), msgspec.json.decode(kept(f"{name}.json")), name)


def test_a_kept_refusal_says_what_it_said() -> None:
    refusal = msgspec.json.decode(kept("refusal.json"), type=messages.Refusal)
    includes(told(refusal), msgspec.json.decode(kept("refusal.json")), "refusal")


@pytest.mark.parametrize("name", names("fact"))
def test_a_kept_fact_says_what_it_said(name: str) -> None:
    body = facts.decode_body(kept(name))
    said = msgspec.json.decode(kept(name))
    assert facts.is_known(body), f"{name}: a kind or a major schema is never taken away"
    includes(told(body), said, name)
    payload = facts.encode_payload(facts.decode_payload(body))
    includes(msgspec.json.decode(payload), said["payload"], name)


@pytest.mark.parametrize("name", names("record"))
def test_a_kept_record_says_what_it_said(name: str) -> None:
    record = records.decode(kept(name))
    includes(msgspec.json.decode(records.encode(record)), msgspec.json.decode(kept(name)), name)


@pytest.mark.parametrize("name", names("live"))
def test_a_kept_figure_says_what_it_said(name: str) -> None:
    kind = samples.LIVE[name.removeprefix("live-").removesuffix(".json")]
    payload = msgspec.json.decode(kept(name), type=kind)
    includes(told(payload), msgspec.json.decode(kept(name)), name)


def test_every_kind_is_kept() -> None:
    """Else: python -m tests.sync.samples"""
    spoken = {x for name, x in vars(messages).items() if name.endswith(("Request", "Answer"))}
    assert spoken == set(MESSAGES.values())
    assert {f"{name}.bin" for name in MESSAGES} <= {path.name for path in FOLDER.iterdir()}
    assert {f"fact-{kind}.json" for kind in facts.KINDS} <= set(names("fact"))
    assert {f"record-{kind}.json" for kind in RECORDS} <= set(names("record"))


def test_no_field_went_and_every_new_one_has_a_default() -> None:
    then: dict[str, dict[str, bool]] = msgspec.json.decode(kept("fields.json"))
    now = samples.fields()
    for structure, fields in then.items():
        assert structure in now, f"{structure} is gone: {AGAIN}"
        for field, required in fields.items():
            assert field in now[structure], f"{structure}.{field} is gone: {AGAIN}"
            assert required or not now[structure][field], f"{structure}.{field} lost its default"
        for field in now[structure].keys() - fields.keys():
            assert not now[structure][field], f"{structure}.{field} is new and has no default"


def test_both_sides_compute_as_they_did() -> None:
    then = msgspec.json.decode(kept("hashes.json"))
    includes(samples.hashes(), then, "hashes")
    key = Ed25519PrivateKey.from_private_bytes(samples.KEY).public_key().public_bytes_raw()
    assert proof.verify(key, bytes.fromhex(then["exchange"]), proof.EXCHANGE, b"nonce", b"body")
    assert not proof.verify(key, bytes.fromhex(then["exchange"]), proof.POKE, b"nonce", b"body")


def test_a_renamed_field_would_be_noticed() -> None:
    """The comparison itself: what a decoder passes over in silence fails here."""
    renamed = msgspec.defstruct("Renamed", [("sequence", int, 0), ("hash", bytes, b"")])
    ack = messages.Ack("e", 7, b"h")
    with pytest.raises(AssertionError, match="do not change one"):
        includes(told(unpack(pack(ack), renamed)), told(ack))


# -- newer than this version -----------------------------------------------------------------------


def with_more(value: Any) -> Any:
    """The same with a field in each map that nobody knows."""
    if isinstance(value, dict):
        grown = {key: with_more(each) for key, each in value.items()}
        # A map with keys of its own (scope → number) is data, no structure that could grow.
        open_ended = value and all(isinstance(each, int) for each in value.values())
        plain = all(re.fullmatch(r"[a-z_]+", key) for key in value)
        return grown if open_ended and not plain else grown | {"in_version_9": [1, {"a": None}]}
    return [with_more(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_with_unknown_fields_is_read(name: str) -> None:
    message = filled(MESSAGES[name])
    newer = with_more(msgspec.msgpack.decode(msgspec.msgpack.encode(message)))
    assert "in_version_9" in newer
    assert unpack(msgspec.msgpack.encode(newer), MESSAGES[name]) == message


def test_the_least_that_an_answer_may_say() -> None:
    least = {"request": 1, "nonce": b"n", "ack": {"epoch": "e", "seq": 1, "hash": b"h"}}
    answer = unpack(msgspec.msgpack.encode(least), messages.ExchangeAnswer)
    assert answer.ack.seq == 1 and not answer.stale and answer.page is None
    assert answer.instructions == () and not answer.feed_behind


def test_an_unknown_instruction_is_passed_over() -> None:
    state = register_side.SyncState(acked=messages.Ack("e", 0, GENESIS), in_flight=True, request=1)
    answer = messages.ExchangeAnswer(
        request=1,
        nonce=b"n",
        ack=messages.Ack("e", 0, GENESIS),
        instructions=(messages.Instruction(do="sing"),),
        not_applied=(messages.NotApplied(seq=1, id="i", status="translated", code="c"),),
    )
    after, effects = register_side.conclude(
        state, outlook(), unpack(pack(answer), messages.ExchangeAnswer), GENESIS
    )
    assert after.nonce == b"n" and not (after.revoked or after.strange or after.waiting_for_upgrade)
    assert [type(e).__name__ for e in effects] == ["KeepNotApplied"]


def outlook() -> register_side.Outlook:
    return register_side.Outlook(
        register="r", software="s", epoch="e", head_seq=0, head_hash=GENESIS, server_epoch="",
        cursors=(), staged={}, unsent=messages.Unsent(), shift_open=False, receipts_made=0,
    )  # fmt: skip


# -- older than this version -----------------------------------------------------------------------

#: The fields of a request and of an answer before branches and live figures.
OLDER_REQUEST = {
    "protocol", "software", "register", "nonce", "request", "epoch", "head_seq", "head_hash", "entries",
    "cursors_hash", "pull", "unsent", "shift_open", "clock", "journal_count", "retry",
}  # fmt: skip


def test_a_request_of_an_older_register_is_read() -> None:
    whole = msgspec.msgpack.decode(msgspec.msgpack.encode(filled(messages.ExchangeRequest)))
    old = {key: value for key, value in whole.items() if key in OLDER_REQUEST}
    old["pull"] = {k: old["pull"][k] for k in ("server_epoch", "cursors", "staged", "snapshot")}
    request = unpack(msgspec.msgpack.encode(old), messages.ExchangeRequest)
    assert (request.acked_seq, request.acked_hash, request.former, request.gaps) == (
        0,
        b"",
        False,
        (),
    )
    assert (request.machine, request.label, request.live) == ("", "", None)
    assert request.pull is not None and request.pull.repair == ()
