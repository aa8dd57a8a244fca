"""What the tests of lineage share: a shop in memory, requests made by hand, and what must hold at the end."""

import random
from collections import Counter
from collections.abc import Collection

import msgspec

from stillopen.sync.chain import GENESIS, StoredEntry, seal
from stillopen.sync.lineage import Branch, History
from stillopen.sync.messages import ExchangeRequest, Gap
from tests.sync.lines import Books, Till

EPOCH = "e" * 32


def shop(sales: int = 0, seed: int = 0, batch: int = 100) -> tuple[Books, Till]:
    """A server and a register with ``sales`` that have arrived."""
    rng = random.Random(seed)
    books, till = Books(rng), Till.new(rng, batch)
    arrive(books, till, sales)
    return books, till


def sell(till: Till, count: int) -> None:
    for _ in range(count):
        till.sell()


def arrive(books: Books, till: Till, count: int = 1) -> None:
    """So many sales, and all of them are sent."""
    sell(till, count)
    till.settle(books)


def lose(till: Till, numbers: Collection[int]) -> None:
    """Rows of the first epoch that the disk gave up."""
    line = till.disk.lines[0]
    line.entries = [e for e in line.entries if e.seq not in numbers]


def damage(till: Till, place: int, **changes: bytes) -> None:
    line = till.disk.lines[0]
    line.entries[place] = msgspec.structs.replace(line.entries[place], **changes)


def missing_at(books: Books) -> set[int]:
    """The numbers that are declared to be gone."""
    gaps = [step for step in books.stored.values() if isinstance(step, Gap)]
    return {n for gap in gaps for n in range(gap.first, gap.last + 1)}


def told(books: Books) -> list[str]:
    """The instructions of the last fresh answer."""
    return [i.do for i in books.verdicts[-1].instructions]


def everything_once(books: Books, *tills: Till) -> None:
    held = Counter(books.bodies())
    assert {body: held[body] for till in tills for body in till.bodies() if held[body] != 1} == {}


# -- by hand


def entries(
    count: int, word: bytes = b"", after: tuple[int, bytes] = (0, GENESIS)
) -> list[StoredEntry]:
    made, (seq, prev) = [], after
    for n in range(seq + 1, seq + count + 1):
        body = b"%s%d" % (word, n)
        made.append(StoredEntry(n, prev, seal(prev, body), body))
        prev = made[-1].hash
    return made


def request(**fields: object) -> ExchangeRequest:
    base: dict[str, object] = {
        "protocol": (1, 1), "register": "r1", "nonce": b"n", "request": 1, "epoch": EPOCH,
        "head_seq": 0, "head_hash": GENESIS,
    }  # fmt: skip
    return ExchangeRequest(**(base | fields))  # type: ignore[arg-type]


def history(held: list[StoredEntry], *more: Branch) -> History:
    first = Branch(EPOCH, held[-1].seq, held[-1].hash) if held else Branch(EPOCH, 0, GENESIS)
    return History((first, *more), {(EPOCH, e.seq): e.hash for e in held})
