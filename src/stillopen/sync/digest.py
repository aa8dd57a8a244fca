"""The digest of a kind in a scope: the sum modulo 2^128 of a BLAKE2b over each of its rows.

A sum does not depend on the order of the rows, so each side keeps it on write: what a row was goes off,
what it is now comes on. Equal cursors must mean equal digests; a kind that differs is fetched again.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b

from stillopen.sync.messages import Digest

#: (scope, kind)
Key = tuple[str, str]
Sums = dict[Key, int]

_MODULUS = 1 << 128
_BYTES = 16


def row_digest(kind: str, record: str, payload: bytes) -> int:
    """Of one row that is there; ``record`` is its id as it travels. A deleted row counts nothing."""
    digest = blake2b(f"{kind}\0{record}\0".encode(), digest_size=_BYTES)
    digest.update(payload)
    return int.from_bytes(digest.digest(), "big")


def add(sums: Sums, key: Key, value: int) -> None:
    """Add ``value`` (negative: take off) to the sum of ``key``."""
    sums[key] = (sums.get(key, 0) + value) % _MODULUS


def merge(sums: Sums, changes: Mapping[Key, int]) -> None:
    for key, value in changes.items():
        add(sums, key, value)


def to_bytes(value: int) -> bytes:
    """A sum as it is kept and sent: 16 bytes."""
    return (value % _MODULUS).to_bytes(_BYTES, "big")


def from_bytes(data: bytes) -> int:
    return int.from_bytes(data, "big")


def differing(mine: Mapping[Key, int], told: Iterable[Digest]) -> tuple[Key, ...]:
    """The (scope, kind) whose sums are not the same, sorted. A kind that one side does not name has no rows
    there, which is the sum 0."""
    theirs = {(d.scope, d.kind): from_bytes(d.sum) for d in told}
    return tuple(sorted(k for k in mine.keys() | theirs if mine.get(k, 0) != theirs.get(k, 0)))
