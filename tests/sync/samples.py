"""One message, fact and record of every kind with every field set, and the bytes that this version makes
of them: ``tests/sync/fixtures/wire-v1``, which all later versions must read.

    python -m tests.sync.samples            add what is missing; what is there is never changed
    python -m tests.sync.samples --again    make all anew (only before a release has gone out with them)
"""

import enum
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import inspect

from stillopen.sync import digest, facts, feed, live, messages, proof, records
from stillopen.sync.chain import GENESIS, seal
from stillopen.sync.codec import pack

FOLDER = Path(__file__).parent / "fixtures" / "wire-v1"
MOMENT = datetime(2026, 11, 22, 12, 30, 15, 250000, tzinfo=UTC)
KEY = bytes(range(32))

#: file name → type
MESSAGES: dict[str, type[msgspec.Struct]] = {
    "request": messages.ExchangeRequest,
    "answer": messages.ExchangeAnswer,
    "activate-request": messages.ActivateRequest,
    "activate-answer": messages.ActivateAnswer,
    "deactivate-request": messages.DeactivateRequest,
    "deactivate-answer": messages.DeactivateAnswer,
}
RECORDS: dict[str, type[msgspec.Struct]] = {
    str(kind.__struct_config__.tag): kind for kind in get_args(records.Record)
}
#: Payloads of the live lane, which say their kind in the row alone.
LIVE: dict[str, type[msgspec.Struct]] = {"stock": live.StockLevel, "receipt": live.SharedReceipt}


# -- one of everything -------------------------------------------------------------------------


def filled(kind: type[msgspec.Struct]) -> Any:
    """An instance of ``kind`` with a value in every field that is not its default."""
    return _value(inspect.type_info(kind), "")


def _value(kind: inspect.Type, name: str) -> Any:
    for known, make in _MAKERS.items():
        if isinstance(kind, known):
            return make(kind, name)
    raise TypeError(f"no sample of {kind} ({name})")


def _struct(kind: Any, name: str) -> Any:
    return kind.cls(**{f.name: _value(f.type, f.name) for f in kind.fields})


def _union(kind: Any, name: str) -> Any:
    return _value(next(t for t in kind.types if not isinstance(t, inspect.NoneType)), name)


def _number(kind: Any, name: str) -> int:
    return 1 + sum(name.encode()) % 900


_MAKERS: dict[type, Callable[[Any, str], Any]] = {
    inspect.StructType: _struct,
    inspect.UnionType: _union,
    inspect.BoolType: lambda kind, name: True,
    inspect.IntType: _number,
    inspect.FloatType: lambda kind, name: 2.5,
    inspect.StrType: lambda kind, name: f"{name} é",
    inspect.BytesType: lambda kind, name: sha256(name.encode()).digest(),
    inspect.DecimalType: lambda kind, name: Decimal(17),
    inspect.DateTimeType: lambda kind, name: MOMENT,
    inspect.DateType: lambda kind, name: date(2026, 11, 22),
    inspect.TimeType: lambda kind, name: time(3, 45),
    inspect.RawType: lambda kind, name: msgspec.Raw(b'{"a":1}'),
    inspect.EnumType: lambda kind, name: list[enum.Enum](kind.cls)[-1],
    inspect.LiteralType: lambda kind, name: kind.values[-1],
    inspect.CustomType: lambda kind, name: f"any {name}",
    inspect.TupleType: lambda kind, name: tuple(_value(t, name) for t in kind.item_types),
    inspect.VarTupleType: lambda kind, name: (_value(kind.item_type, name),),
    inspect.DictType: lambda kind, name: {
        _value(kind.key_type, name): _value(kind.value_type, name)
    },
}


def structs(kind: type[msgspec.Struct]) -> Iterator[inspect.StructType]:
    """``kind`` and every structure within it."""
    seen: set[type] = set()
    waiting: list[inspect.Type] = [inspect.type_info(kind)]
    while waiting:
        found = waiting.pop()
        if isinstance(found, inspect.StructType) and found.cls not in seen:
            seen.add(found.cls)
            yield found
            waiting += [field.type for field in found.fields]
        waiting += getattr(found, "types", ()) or getattr(found, "item_types", ())
        waiting += [
            getattr(found, name)
            for name in ("item_type", "key_type", "value_type")
            if hasattr(found, name)
        ]


# -- the files ---------------------------------------------------------------------------------


def fact(kind: str) -> bytes:
    """The body of an entry of ``kind``."""
    schema, payload = facts.KINDS[kind]
    body: facts.EntryBody = filled(facts.EntryBody)
    return facts.encode_body(
        msgspec.structs.replace(
            body, kind=kind, schema=schema, payload=facts.encode_payload(filled(payload))
        )
    )


def spelled(message: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(message, order="deterministic"), indent=2)


def fields() -> dict[str, dict[str, bool]]:
    """Structure → field → whether it must be there."""
    kinds = [
        *MESSAGES.values(),
        messages.Refusal,
        facts.EntryBody,
        *RECORDS.values(),
        *LIVE.values(),
    ]
    kinds += [payload for _, payload in facts.KINDS.values()]
    return {
        f"{found.cls.__module__}.{found.cls.__name__}": {
            field.encode_name: field.required for field in found.fields
        }
        for kind in kinds
        for found in structs(kind)
    }


def hashes() -> dict[str, str]:
    """What both sides must go on computing alike, in hex."""
    cursors = (messages.Cursor("account", 7, b"a" * 32), messages.Cursor("store:1", 9, b"b" * 32))
    row = messages.FeedRow("account", 8, "product", "p", b'{"kind":"product"}')
    gone = messages.FeedRow("account", 9, "product", "q", b"", deleted=True)
    key = Ed25519PrivateKey.from_private_bytes(KEY)
    return {
        "entry": seal(GENESIS, b"body").hex(),
        "cursors": feed.cursors_hash("server", cursors).hex(),
        "chain": feed.next_chain(bytes(32), [row, gone]).hex(),
        "exchange": proof.sign(key, proof.EXCHANGE, b"nonce", b"body").hex(),
        "snapshot": proof.sign(key, proof.SNAPSHOT, b"nonce", b"name").hex(),
        "deactivate": proof.sign(key, proof.DEACTIVATE, b"nonce", b"body").hex(),
        "digest": digest.to_bytes(digest.row_digest("product", "p", b"payload")).hex(),
        "poke": proof.sign(key, proof.POKE, b"nonce", b"").hex(),
    }


def files() -> Iterator[tuple[str, bytes]]:
    for name, kind in MESSAGES.items():
        message = filled(kind)
        yield f"{name}.bin", pack(message)
        yield f"{name}.json", spelled(message)
    yield "refusal.json", msgspec.json.encode(filled(messages.Refusal))
    for name in facts.KINDS:
        yield f"fact-{name}.json", fact(name)
    for name, kind in RECORDS.items():
        yield f"record-{name}.json", records.encode(filled(kind))
    for name, kind in LIVE.items():
        yield f"live-{name}.json", msgspec.json.encode(filled(kind))
    yield (
        "fields.json",
        msgspec.json.format(msgspec.json.encode(fields(), order="sorted"), indent=1),
    )
    yield "hashes.json", msgspec.json.format(msgspec.json.encode(hashes()), indent=1)


def main(again: bool) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, data in files():
        if again or not (FOLDER / name).exists():
            (FOLDER / name).write_bytes(data)


if __name__ == "__main__":
    main("--again" in sys.argv)
