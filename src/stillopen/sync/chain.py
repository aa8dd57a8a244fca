"""The journal's hash chain: ``hash = SHA-256(prev_hash ‖ exact bytes)``, starting from 32 zero bytes."""

from collections.abc import Iterable
from hashlib import sha256

import msgspec

GENESIS = bytes(32)
#: From 2048 bytes on hashlib lets go of the interpreter's lock. A thread that reads a thousand entries, each
#: a little larger, would wait for the others at each of them.
_PIECE = 2000


def seal(prev_hash: bytes, body: bytes) -> bytes:
    """The hash (32 bytes) of an entry whose exact bytes are ``body``."""
    if len(body) < _PIECE:
        return sha256(prev_hash + body).digest()
    whole = sha256(prev_hash)
    for at in range(0, len(body), _PIECE):
        whole.update(body[at : at + _PIECE])
    return whole.digest()


class StoredEntry(msgspec.Struct, frozen=True):
    """An entry as it lies in a journal and as it is sent: nothing is serialized twice."""

    seq: int
    prev_hash: bytes
    hash: bytes
    body: bytes

    @property
    def intact(self) -> bool:
        """False for a row whose bytes no longer fit their recorded hash (a flipped bit)."""
        return seal(self.prev_hash, self.body) == self.hash


def follows(entry: StoredEntry, digest: bytes, before: StoredEntry | None = None) -> bool:
    """Whether ``entry`` is the next one behind the hash ``digest``, which is that of ``before`` where that is
    at hand. What a damaged row says of its neighbours parts no chain: it is where it stands."""
    if entry.prev_hash == digest or not entry.intact:
        return True
    return before is not None and not before.intact


class ChainFault(msgspec.Struct, frozen=True):
    seq: int
    code: str  # bad_hash | bad_link | missing


def verify(entries: Iterable[StoredEntry], seq: int = 0, head: bytes = GENESIS) -> list[ChainFault]:
    """Check a run of entries that starts after the anchor ``(seq, head)``; empty when all is well.

    After a fault the chain goes on from the recorded hash, so one broken row is one fault.
    """
    faults: list[ChainFault] = []
    before: StoredEntry | None = None
    for entry in entries:
        if entry.seq != seq + 1:
            faults.append(ChainFault(seq + 1, "missing"))
        elif not follows(entry, head, before):
            faults.append(ChainFault(entry.seq, "bad_link"))
        if not entry.intact:
            faults.append(ChainFault(entry.seq, "bad_hash"))
        seq, head, before = entry.seq, entry.hash, entry
    return faults
