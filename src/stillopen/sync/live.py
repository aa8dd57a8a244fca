"""The live lane: stock and receipts on their way down, and what a screen makes of a balance.

A figure of the server counts the facts of each branch up to a known entry, without some that are held
but not applied. A till shows it together with those of its own facts that it does not count. The ack
plays no part in that: it moves before the figure does.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from stillopen.domain.quantity import format_quantity, to_milli
from stillopen.sync.chain import GENESIS
from stillopen.sync.lineage import Branch, History, epoch_of, owner
from stillopen.sync.messages import Ack, Through

STOCK, RECEIPTS = "stock", "receipts"
#: Receipts come down for so many days.
RECEIPT_DAYS = 90
#: As the server clips them.
_PRODUCT_ID = 40


def live_scopes(store: str) -> tuple[str, str]:
    """The scopes of the live lane for a store's registers."""
    return f"{STOCK}:{store}", f"{RECEIPTS}:{store}"


class StockLevel(msgspec.Struct, frozen=True):
    """Payload of kind ``stock``; the row's id is the product's. ``quantity``: a decimal string."""

    quantity: str


class SharedReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """Payload of kind ``receipt``; the row's id is the sale's. ``entry``: the journal entry exactly as the
    register made it. What became of the sale since (refunds) will stand beside it, never in it."""

    entry: msgspec.Raw


_encoder = msgspec.json.Encoder()
_level = msgspec.json.Decoder(StockLevel)
_shared = msgspec.json.Decoder(SharedReceipt)


def encode_level(milli: int) -> bytes:
    """The payload for a level in thousandths."""
    return _encoder.encode(StockLevel(format_quantity(Decimal(milli).scaleb(-3))))


def decode_level(payload: bytes) -> int:
    """A level in thousandths; ``ValueError`` (msgspec's included) or ``ArithmeticError`` for no level."""
    return to_milli(Decimal(_level.decode(payload).quantity))


def encode_shared(body: bytes) -> bytes:
    """The payload for an entry's exact bytes."""
    return _encoder.encode(SharedReceipt(entry=msgspec.Raw(body)))


def decode_shared(payload: bytes) -> bytes:
    """The bytes of the entry; ``msgspec.DecodeError`` for anything else."""
    return bytes(_shared.decode(payload).entry)


class _Item(msgspec.Struct, frozen=True, gc=False):
    product: str
    quantity: Decimal


class _Line(msgspec.Struct, frozen=True, gc=False):
    item: _Item


class _Sale(msgspec.Struct, frozen=True, gc=False):
    lines: tuple[_Line, ...]


class _Body(msgspec.Struct, frozen=True, gc=False):
    payload: _Sale


_body = msgspec.json.Decoder(_Body)


def moved_by(body: bytes) -> dict[str, int]:
    """What a sale does to the stock, from its entry's bytes: product id → thousandths, less than zero for what
    left the shelf. Bytes that are no sale move nothing."""
    try:
        lines = _body.decode(body).payload.lines
    except (msgspec.DecodeError, ValueError):
        return {}
    moved: dict[str, int] = {}
    for line in lines:
        product = line.item.product[:_PRODUCT_ID]
        if product and line.item.quantity.is_finite():
            moved[product] = moved.get(product, 0) - to_milli(line.item.quantity)
    return moved


# -- the server's side -----------------------------------------------------------------------


def counted_on(branch: Branch, history: History, included: Mapping[str, int]) -> int:
    """How far figures that count each branch up to ``included`` count the line of ``branch``: one that was
    opened since is counted as far as what it has in common with its parent."""
    if branch.name in included or not branch.parent:
        return included.get(branch.name, 0)
    return min(branch.base, counted_on(history.branch(branch.parent), history, included))


def points(
    ends: Iterable[Ack],
    histories: Mapping[str, History],
    included: Mapping[str, int],
    unfinished: Ack | None = None,
) -> list[tuple[str, int]]:
    """(branch, seq) up to which the journals that end at ``ends`` are counted, where that is known here.

    A journal that is shorter than what arrived of it (an older disk) cannot find that out by itself. Of one
    that is still being sent behind its ``unfinished`` end, it is only known as far as that end reaches.
    """
    found: list[tuple[str, int]] = []
    for end in ends:
        history = histories.get(end.epoch, History())
        for branch in history.branches:
            if history.hash_at(branch, end.seq) == end.hash:
                counted = counted_on(branch, history, included)
                if counted > end.seq and end == unfinished:
                    continue
                seq = min(end.seq, counted)
                found.append((owner(branch, seq, history), seq))
    return list(dict.fromkeys(found))


# -- the register's side ---------------------------------------------------------------------


def counted_up_to(
    epoch: str, register: str, included: Sequence[Through], own: Mapping[int, bytes]
) -> int | None:
    """Up to which entry of its own ``epoch`` a figure counts: the furthest point that is on this journal's
    line. ``own`` has the hashes of its entries at the numbers that ``included`` names.

    0 where the server had nothing of the epoch; None where it had another line of it, and where the two
    part is not known here: then there is no figure to show.
    """
    ours = [t for t in included if t.register == register and epoch_of(t.branch) == epoch]
    known = {0: GENESIS, **own}
    on_line = [t.seq for t in ours if known.get(t.seq) == t.hash]
    if on_line:
        return max(on_line)
    return None if ours else 0


def place_id(epoch: str, seq: int) -> str:
    """How the server names an entry that it cannot read (ingest/reading.py)."""
    return f"{epoch[:19]}:{seq}"
