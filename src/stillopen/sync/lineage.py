"""Journals that went back in time: branches, and where a request belongs among them.

An epoch is one run of numbering on one disk. As long as disks only go forward, the server holds one
line of it. A disk that was restored or copied goes on under numbers that were used before; what then
arrives differs from what is held, and is kept beside it as a *branch* that begins behind the last
entry that both have in common. Nothing is overwritten and nothing is renumbered.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import count

import msgspec

from stillopen.sync.chain import GENESIS, StoredEntry, follows
from stillopen.sync.messages import ExchangeRequest, Gap

#: How local labels begin; the server's are letters only, so the two never meet.
LOCAL_MARK = "x"
MAX_LABEL = 8


class Branch(msgspec.Struct, frozen=True):
    """One line of history as the server holds it: stored up to ``seq``, whose hash is ``hash``. It has
    the entries up to ``base`` in common with ``parent``; the epoch's first branch has neither."""

    name: str
    seq: int
    hash: bytes
    parent: str = ""
    base: int = 0


class History(msgspec.Struct, frozen=True):
    """The branches of one epoch, the first one first; ``held`` has the hashes of entries at the numbers
    that a request names, by branch and number."""

    branches: tuple[Branch, ...] = ()
    held: Mapping[tuple[str, int], bytes] = {}

    def branch(self, name: str) -> Branch:
        return next(b for b in self.branches if b.name == name)

    def hash_at(self, branch: Branch, seq: int) -> bytes | None:
        """Of the entry ``seq`` on the line of ``branch``; None where it is not known."""
        if seq == 0:
            return GENESIS
        if seq == branch.seq:
            return branch.hash
        if seq > branch.seq:
            return None
        if seq > branch.base or not branch.parent:
            return self.held.get((branch.name, seq))
        return self.hash_at(self.branch(branch.parent), seq)


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """Where a request belongs. ``accept`` and ``gaps`` extend ``branch`` up to ``seq``; ``opens``: the branch
    is new. ``rewind``: the register must go back to ``seq`` first; ``went_back``: because the server holds
    less than it had acknowledged. ``restored``: the journal ends before what arrived of it."""

    branch: Branch
    opens: bool = False
    accept: tuple[StoredEntry, ...] = ()
    gaps: tuple[Gap, ...] = ()
    seq: int
    hash: bytes
    rewind: bool = False
    went_back: bool = False
    restored: bool = False


class _Walk(msgspec.Struct, kw_only=True):
    """How far a request's entries agree with a branch, and what they add to it."""

    branch: Branch
    seq: int
    hash: bytes
    accept: list[StoredEntry]
    gaps: list[Gap]
    last: StoredEntry | None = None  # of the request's entries, where the walk stands
    parted: bool = False

    @property
    def common(self) -> int:
        """The last number at which both are the same."""
        return min(self.seq, self.branch.seq)


def place(request: ExchangeRequest, history: History) -> Placement:
    """Find the branch that the request continues; a new one where it parts from all of them."""
    if not history.branches:
        history = History((Branch(request.epoch, 0, GENESIS),))
    for point in (believed(request), acked(request)):
        agreeing = [b for b in history.branches if history.hash_at(b, point[0]) == point[1]]
        walks = [_walk(b, point, request, history) for b in agreeing]
        whole = [walk for walk in walks if not walk.parted]
        if whole:
            return _continued(max(whole, key=lambda w: w.seq), point[0], request, history)
        if walks:
            return _parted(max(walks, key=lambda w: w.common), request, history)
    return _send_back(history, acked(request)[0])


def believed(request: ExchangeRequest) -> tuple[int, bytes]:
    """What the register believes to have arrived, number and hash: what its entries follow on, or, when it
    has nothing to send, its head."""
    if request.gaps:
        return acked(request)
    if request.entries:
        first = request.entries[0]
        return first.seq - 1, first.prev_hash
    return request.head_seq, request.head_hash


def acked(request: ExchangeRequest) -> tuple[int, bytes]:
    """The ack that the register says it has."""
    if request.acked_seq == 0:
        return 0, GENESIS
    same = request.acked_seq == request.head_seq
    return request.acked_seq, request.head_hash if same else request.acked_hash


def named(request: ExchangeRequest) -> set[int]:
    """The numbers at which the server must know what it holds, to compare ``request`` with it."""
    ends = {believed(request)[0], request.acked_seq, request.head_seq}
    return ends | {e.seq for e in request.entries} | {gap.last for gap in request.gaps}


def _send_back(history: History, seq: int) -> Placement:
    """Nothing agrees at ``seq``: try the furthest end of what is held before it, else the beginning."""
    behind = [b for b in history.branches if b.seq < seq]
    if not behind:
        first = history.branches[0]
        return Placement(branch=first, seq=0, hash=GENESIS, rewind=True)
    last = max(behind, key=lambda b: b.seq)
    return Placement(branch=last, seq=last.seq, hash=last.hash, rewind=True, went_back=True)


def _walk(
    branch: Branch, point: tuple[int, bytes], request: ExchangeRequest, history: History
) -> _Walk:
    walk = _Walk(branch=branch, seq=point[0], hash=point[1], accept=[], gaps=[])
    for step in _steps(request):
        if not _over(walk, step, history):
            break
    return walk


def _over(walk: _Walk, step: StoredEntry | Gap, history: History) -> bool:
    """Take ``step`` in; False where the walk ends."""
    if isinstance(step, Gap):
        return _over_gap(walk, step, history)
    return _over_entry(walk, step, history)


def _steps(request: ExchangeRequest) -> Iterator[StoredEntry | Gap]:
    """Entries and gaps in the order of their numbers."""
    gaps = sorted(request.gaps, key=lambda g: g.first)
    for entry in request.entries:
        while gaps and gaps[0].first <= entry.seq:
            yield gaps.pop(0)
        yield entry
    yield from gaps


def _over_entry(walk: _Walk, entry: StoredEntry, history: History) -> bool:
    if entry.seq <= walk.seq:
        walk.last = entry if entry.seq == walk.seq else walk.last
        return True
    if entry.seq != walk.seq + 1:
        return False
    if not follows(entry, walk.hash, walk.last):
        # What was taken so far is kept first; the next request parts where this one ends.
        walk.parted = not (walk.accept or walk.gaps)
        return False
    if entry.seq > walk.branch.seq:
        walk.accept.append(entry)
    elif history.hash_at(walk.branch, entry.seq) != entry.hash:
        walk.parted = True
        return False
    walk.seq, walk.hash, walk.last = entry.seq, entry.hash, entry
    return True


def _over_gap(walk: _Walk, gap: Gap, history: History) -> bool:
    """What is missing at the register may be here; the rest is missing for good."""
    if gap.last <= walk.seq:
        return True
    if gap.first > walk.seq + 1:
        return False
    if gap.last <= walk.branch.seq:
        if history.hash_at(walk.branch, gap.last) != gap.hash:
            walk.parted = True
            return False
    else:
        walk.gaps.append(Gap(max(walk.branch.seq, walk.seq) + 1, gap.last, gap.hash))
    walk.seq, walk.hash, walk.last = gap.last, gap.hash, None
    return True


def _continued(walk: _Walk, started: int, request: ExchangeRequest, history: History) -> Placement:
    head_held = history.hash_at(walk.branch, request.head_seq)
    if request.head_seq < walk.branch.seq and head_held == request.head_hash:
        return Placement(
            branch=walk.branch, seq=request.head_seq, hash=request.head_hash, restored=True
        )
    # Nothing follows on what is held, though there is more: an older register names no ack of its own.
    stuck = walk.seq == started < request.head_seq
    return Placement(
        branch=walk.branch,
        accept=tuple(walk.accept),
        gaps=tuple(walk.gaps),
        seq=walk.seq,
        hash=walk.hash,
        rewind=stuck,
    )


def _parted(walk: _Walk, request: ExchangeRequest, history: History) -> Placement:
    """A branch of its own for what follows the last common entry."""
    base = walk.seq
    rest = _linked([e for e in request.entries if e.seq > base], base)
    name = _free_name(request.epoch, history.branches)
    end = rest[-1] if rest else None
    return Placement(
        branch=Branch(name, base, walk.hash, owner(walk.branch, base, history), base),
        opens=True,
        accept=tuple(rest),
        seq=end.seq if end else base,
        hash=end.hash if end else walk.hash,
    )


def _linked(entries: Sequence[StoredEntry], base: int) -> list[StoredEntry]:
    """The unbroken run that begins right behind ``base``."""
    run: list[StoredEntry] = []
    for entry in entries:
        if entry.seq != base + 1 + len(run):
            break
        if run and not follows(entry, run[-1].hash, run[-1]):
            break
        run.append(entry)
    return run


def owner(branch: Branch, seq: int, history: History) -> str:
    """The branch that holds the entry ``seq`` of the line of ``branch`` itself."""
    while branch.parent and seq <= branch.base:
        branch = history.branch(branch.parent)
    return branch.name


def epoch_of(branch: str) -> str:
    """The epoch that a branch belongs to."""
    return branch.split(".", 1)[0]


def _free_name(epoch: str, branches: Sequence[Branch]) -> str:
    return f"{epoch}.{len(branches) + 1}"


def local_label(epoch: str) -> str:
    """What stands in the receipt numbers of an epoch that the server has not labelled yet."""
    return f"{LOCAL_MARK}{int(epoch[:8], 16) % 9000 + 1000}"


def server_label(place_in_line: int) -> str:
    """The first epoch of a register has none; then b, c, … z, ba, bb, …"""
    letters = ""
    while place_in_line:
        place_in_line, digit = divmod(place_in_line, 26)
        letters = chr(ord("a") + digit) + letters
    return letters


def free_label(given: Collection[str]) -> str:
    """The server's label for one more epoch beside those ``given`` to all of the register's epochs. It
    begins at their count: a label that gave way to what was printed is not given to another one."""
    return next(x for x in map(server_label, count(len(given))) if x not in given)


def label_in(number: str, register: str) -> str | None:
    """Of a receipt of ``register`` (S1-R1): ``S1-R1b-000007`` → ``b``; None where it bears another name."""
    start, _, _ = number.rpartition("-")
    return start.removeprefix(register) if start.startswith(register) else None


def is_label(text: str) -> bool:
    """Whether ``text`` can be a label: what a register says of itself goes into a column."""
    return len(text) <= MAX_LABEL and text.isascii() and (text.isalnum() or not text)
