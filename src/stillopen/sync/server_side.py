"""What the server makes of an exchange: pure judgement, before anything is written.

The caller holds the register's row locked, passes what the server knows, stores what the verdict
says, applies it, and only then moves the ack to ``verdict.ack``.
"""

from typing import Literal

import msgspec

from stillopen.sync.chain import GENESIS, StoredEntry
from stillopen.sync.lineage import Branch, History, Placement, acked, place
from stillopen.sync.messages import (
    PROTOCOL_MAX,
    PROTOCOL_MIN,
    Ack,
    ExchangeRequest,
    Gap,
    Instruction,
)


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What the server holds of the request's epoch, and of the device. ``machine``: the fingerprint that
    was activated, empty where none is known."""

    state: Literal["active", "revoked"]
    nonce: bytes
    history: History = History()
    machine: str = ""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """``accept`` and ``gaps`` are to be stored in ``branch`` (to be opened if ``opens``); then ``ack`` holds.

    ``feed``: the register may have rows. ``went_back``: the register knows of more acks than the
    server, which must have been restored. ``restored``: it was the register's disk. ``strange``:
    it runs on another machine than the one that was activated.
    """

    ack: Ack
    stale: bool = False
    branch: Branch | None = None
    opens: bool = False
    accept: tuple[StoredEntry, ...] = ()
    gaps: tuple[Gap, ...] = ()
    instructions: tuple[Instruction, ...] = ()
    feed: bool = True
    went_back: bool = False
    restored: bool = False
    strange: bool = False

    @property
    def moves(self) -> bool:
        """Whether anything is to be stored or filed."""
        lineage = self.opens or self.went_back or self.restored or self.strange
        return bool(lineage or self.accept or self.gaps)


def judge(request: ExchangeRequest, known: Known) -> Verdict:
    """The verdict on ``request``. Only a fresh nonce has any effect: a delayed duplicate, or the
    retry of a request whose answer was lost, gets ack and nonce and nothing else."""
    if request.nonce != known.nonce or not known.nonce:
        return Verdict(stale=True, ack=_last_ack(request, known.history), feed=False)
    placed = place(request, known.history)
    welcome = _welcome(request, known)
    instructions = [*welcome, *_lineage(request, placed, len(known.history.branches))]
    return Verdict(
        ack=Ack(request.epoch, placed.seq, placed.hash),
        branch=placed.branch,
        opens=placed.opens,
        accept=placed.accept,
        gaps=placed.gaps,
        instructions=tuple(instructions),
        feed=not welcome,
        went_back=placed.went_back,
        restored=placed.restored and not request.former,
        strange=_is_strange(request, known),
    )


def _last_ack(request: ExchangeRequest, history: History) -> Ack:
    """Of the line that the register seems to be on; it checks the hash. Never what it says itself."""
    seq, digest = acked(request)
    lines = [b for b in history.branches if history.hash_at(b, seq) == digest]
    if not lines:
        return Ack(request.epoch, 0, GENESIS)
    return Ack(request.epoch, lines[-1].seq, lines[-1].hash)


def _welcome(request: ExchangeRequest, known: Known) -> list[Instruction]:
    """What keeps the register from getting anything; its facts are taken all the same."""
    if known.state == "revoked":
        return [Instruction(do="revoked", reason="This register was revoked.")]
    low, high = request.protocol
    if low > PROTOCOL_MAX or high < PROTOCOL_MIN:
        return [Instruction(do="upgrade", reason="The two programs are too far apart.")]
    if _is_strange(request, known):
        return [Instruction(do="activate", reason="This is another machine than was activated.")]
    return []


def _is_strange(request: ExchangeRequest, known: Known) -> bool:
    return bool(request.machine and known.machine and request.machine != known.machine)


def _lineage(request: ExchangeRequest, placed: Placement, branches: int) -> list[Instruction]:
    """Where an epoch has forked, nobody numbers on in it: what one line would give out next may have been
    printed on the other already."""
    told: list[Instruction] = []
    if placed.rewind:
        told.append(Instruction(do="rewind", seq=placed.seq))
    if (placed.restored or placed.opens or branches > 1) and not request.former:
        reason = "The journal parted from what arrived before."
        told.append(Instruction(do="new_epoch", seq=placed.seq, reason=reason))
    return told
