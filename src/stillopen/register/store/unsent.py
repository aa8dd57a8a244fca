"""How much of an epoch is unsent, moved forward instead of counted anew: offline there may be thousands."""

import msgspec

from stillopen.register.store.database import Database


class UnsentSum(msgspec.Struct, frozen=True, kw_only=True):
    """Of the entries of one epoch above ``acked``, up to ``last``; ``value`` in minor units."""

    acked: int
    last: int
    count: int = 0
    value: int = 0  # of the sales among them
    sales: int = 0
    oldest: str | None = None  # when the first was made, ISO 8601


def forward(db: Database, epoch: str, known: UnsentSum | None, acked: int, last: int) -> UnsentSum:
    """What is unsent of ``epoch`` between the ack ``acked`` and its last entry ``last``; ``known`` is what was
    so before, or None. Reads only what has come or gone since."""
    if acked >= last:
        return UnsentSum(acked=acked, last=acked)
    if known is None or not known.acked <= acked <= known.last <= last:
        known = UnsentSum(acked=acked, last=acked)
    if known.acked == acked and known.last == last:
        return known
    come = _between(db, epoch, known.last, last)
    gone = _between(db, epoch, known.acked, acked)
    count, value, sales = (
        before + plus - minus
        for before, plus, minus in zip(
            (known.count, known.value, known.sales), come, gone, strict=True
        )
    )
    return UnsentSum(
        acked=acked,
        last=last,
        count=count,
        value=value,
        sales=sales,
        oldest=known.oldest if known.acked == acked and known.oldest else _first(db, epoch, acked),
    )


def _between(db: Database, epoch: str, after: int, last: int) -> tuple[int, int, int]:
    """(entries, Σ totals of the sales, sales) from ``after``, itself not among them, to ``last``."""
    if after >= last:
        return (0, 0, 0)
    row = db.one(
        "SELECT count(*), coalesce(sum(CASE kind WHEN 'sale' THEN total END), 0),"
        " count(CASE kind WHEN 'sale' THEN 1 END)"
        " FROM entry WHERE epoch = ? AND seq > ? AND seq <= ?",
        epoch,
        after,
        last,
    )
    return (row[0], row[1], row[2]) if row else (0, 0, 0)


def _first(db: Database, epoch: str, acked: int) -> str | None:
    row = db.one(
        "SELECT occurred_at FROM entry WHERE epoch = ? AND seq > ? ORDER BY seq LIMIT 1",
        epoch,
        acked,
    )
    return str(row[0]) if row else None
