"""What the server makes of an exchange: pure judgement, before anything is written.

The caller holds the register's row locked, passes what the server knows, stores what the verdict
says, applies it, and only then moves the ack to ``verdict.ack``.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from stillopen.sync.chain import StoredEntry
from stillopen.sync.messages import (
    PROTOCOL_MAX,
    PROTOCOL_MIN,
    Ack,
    ExchangeRequest,
    Instruction,
)


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What the server holds of this register. ``ack`` is that of the request's epoch (seq 0 and
    the genesis hash when the epoch is new); ``held`` has the hashes of entries at or below the ack
    for those sequence numbers that the request repeats."""

    state: Literal["active", "revoked"]
    nonce: bytes
    ack: Ack
    held: Mapping[int, bytes] = {}


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """``accept`` is to be stored, in order; then ``ack`` holds. ``feed``: the register may have rows."""

    stale: bool = False
    accept: tuple[StoredEntry, ...] = ()
    ack: Ack
    instructions: tuple[Instruction, ...] = ()
    feed: bool = True
    fork: bool = False


def judge(request: ExchangeRequest, known: Known) -> Verdict:
    """The verdict on ``request``. Only a fresh nonce has any effect: a delayed duplicate, or the
    retry of a request whose answer was lost, gets ack and nonce and nothing else."""
    if request.nonce != known.nonce or not known.nonce:
        return Verdict(stale=True, ack=known.ack, feed=False)
    instructions: list[Instruction] = []
    feed = True
    if known.state == "revoked":
        instructions.append(Instruction(do="revoked", reason="This register was revoked."))
        feed = False
    elif not _speaks(request):
        instructions.append(Instruction(do="upgrade", reason="The two programs are too far apart."))
        feed = False
    return _judge_entries(request, known, instructions, feed)


def _speaks(request: ExchangeRequest) -> bool:
    low, high = request.protocol
    return low <= PROTOCOL_MAX and high >= PROTOCOL_MIN


def _judge_entries(
    request: ExchangeRequest, known: Known, instructions: list[Instruction], feed: bool
) -> Verdict:
    ack = known.ack
    if _is_fork(request, known):
        instructions.append(
            Instruction(do="new_epoch", seq=ack.seq, reason="The journal parted from what arrived.")
        )
        return Verdict(ack=ack, instructions=tuple(instructions), feed=feed, fork=True)
    accepted: list[StoredEntry] = []
    seq, head = ack.seq, ack.hash
    for entry in request.entries:
        if entry.seq <= ack.seq:
            continue
        if entry.seq != seq + 1 or entry.prev_hash != head:
            break
        accepted.append(entry)
        seq, head = entry.seq, entry.hash
    if request.head_seq > seq and (not request.entries or not accepted):
        # The register believes that more has arrived than has: say from where to send again.
        instructions.append(Instruction(do="rewind", seq=seq))
    return Verdict(
        accept=tuple(accepted),
        ack=Ack(ack.epoch, seq, head),
        instructions=tuple(instructions),
        feed=feed,
    )


def _is_fork(request: ExchangeRequest, known: Known) -> bool:
    """Whether the register's history and the server's differ: nothing of it may be overwritten."""
    ack = known.ack
    if request.head_seq < ack.seq:
        return True
    if request.head_seq == ack.seq and ack.seq and request.head_hash != ack.hash:
        return True
    for entry in request.entries:
        if entry.seq == ack.seq + 1 and entry.prev_hash != ack.hash:
            return True
        if entry.seq <= ack.seq and known.held.get(entry.seq, entry.hash) != entry.hash:
            return True
    return False
