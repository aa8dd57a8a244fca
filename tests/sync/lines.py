"""Journals on disks that are copied and restored, and a server that is restored, in memory with the real
sync code between them. A seeded random decides; nothing but whole messages, disks and server states."""

import copy
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from stillopen.sync import effects, register_side
from stillopen.sync.chain import GENESIS, StoredEntry, seal
from stillopen.sync.codec import pack, unpack
from stillopen.sync.lineage import Branch, History, free_label, local_label, named
from stillopen.sync.messages import Ack, Cursor, ExchangeAnswer, ExchangeRequest, Gap, Unsent
from stillopen.sync.server_side import Known, Verdict, judge

CURSOR = Cursor("account", 1, b"c" * 32)


@dataclass
class Books:
    """The server: raw entries by branch and number, and the branches of each epoch."""

    rng: random.Random
    machine: str = ""
    nonce: bytes = b"first"
    stored: dict[tuple[str, int], StoredEntry | Gap] = field(default_factory=dict)
    lines: dict[str, list[Branch]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)

    def saved(self) -> "Books":
        """A copy as a backup keeps it, with the nonce of that time."""
        return Books(
            self.rng, self.machine, self.nonce, dict(self.stored), copy.deepcopy(self.lines),
            dict(self.labels),
        )  # fmt: skip

    def restore(self, backup: "Books") -> None:
        self.nonce, self.stored = backup.nonce, dict(backup.stored)
        self.lines, self.labels = copy.deepcopy(backup.lines), dict(backup.labels)

    def answer(self, data: bytes) -> bytes:
        request = unpack(data, ExchangeRequest)
        verdict = judge(request, self.known(request))
        if verdict.stale:
            self.check(verdict.ack)
            said = ExchangeAnswer(
                request=request.request, nonce=self.nonce, ack=verdict.ack, stale=True
            )
            return pack(said)
        self.verdicts.append(verdict)
        label = self.label(request)
        self.keep(request, verdict)
        self.check(verdict.ack)
        self.nonce = self.rng.randbytes(16)
        return pack(
            ExchangeAnswer(
                request=request.request, nonce=self.nonce, ack=verdict.ack,
                label=None if label == request.label else label,
                instructions=verdict.instructions,
            )
        )  # fmt: skip

    def known(self, request: ExchangeRequest) -> Known:
        """As backoffice/ingest reads it: only the hashes at the numbers that the request names."""
        branches = tuple(self.lines.get(request.epoch, ()))
        held = {
            (b.name, n): _hash(self.stored[b.name, n])
            for b in branches
            for n in named(request)
            if (b.name, n) in self.stored
        }
        return Known(
            state="active",
            nonce=self.nonce,
            history=History(branches, held),
            machine=self.machine,
        )

    def label(self, request: ExchangeRequest) -> str:
        printed = request.former or request.journal_count > 0
        if request.epoch not in self.lines:
            self.lines[request.epoch] = [Branch(request.epoch, 0, GENESIS)]
            own = request.label if printed else None
            self.labels[request.epoch] = free_label(self.labels.values()) if own is None else own
        elif printed:
            self.labels[request.epoch] = request.label
        return self.labels[request.epoch]

    def keep(self, request: ExchangeRequest, verdict: Verdict) -> None:
        assert verdict.branch is not None
        lines, branch = self.lines[request.epoch], verdict.branch
        if verdict.opens:
            assert branch.name not in [b.name for b in lines]
            assert branch.parent in [b.name for b in lines]
            lines.append(branch)
        for step in (*verdict.accept, *verdict.gaps):
            place = branch.name, step.last if isinstance(step, Gap) else step.seq
            assert place not in self.stored, "a number with two contents"
            self.stored[place] = step
        if verdict.accept or verdict.gaps:
            at = [b.name for b in lines].index(branch.name)
            lines[at] = msgspec.structs.replace(
                lines[at], seq=verdict.ack.seq, hash=verdict.ack.hash
            )

    def check(self, ack: Ack) -> None:
        """Whatever is acknowledged stands here, whole, on one line that ends in that hash."""
        if ack.seq == 0:
            assert ack.hash == GENESIS
            return
        ways = [dict(self.line(b, ack.seq)) for b in self.lines[ack.epoch] if b.seq >= ack.seq]
        ends = [way for way in ways if ack.seq in way and _hash(way[ack.seq]) == ack.hash]
        assert ends, "an ack of something that is not stored"
        for way in ends:
            covered = {n for step in way.values() for n in _numbers(step)}
            assert covered >= set(range(1, ack.seq + 1)), "an ack over a hole"

    def line(self, branch: Branch, until: int) -> Iterator[tuple[int, StoredEntry | Gap]]:
        """What is stored on the line of ``branch``, that of its parents included."""
        for (name, seq), step in self.stored.items():
            if name == branch.name and seq <= until:
                yield seq, step
        if branch.parent:
            names = {b.name: b for b in self.lines[branch.name.split(".")[0]]}
            yield from self.line(names[branch.parent], min(until, branch.base))

    def bodies(self) -> list[bytes]:
        """Of all entries of all branches."""
        return [s.body for s in self.stored.values() if isinstance(s, StoredEntry)]


def _hash(step: StoredEntry | Gap) -> bytes:
    return step.hash


def _numbers(step: StoredEntry | Gap) -> range:
    return (
        range(step.first, step.last + 1) if isinstance(step, Gap) else range(step.seq, step.seq + 1)
    )


@dataclass
class Line:
    """One epoch on a disk."""

    id: str
    label: str
    entries: list[StoredEntry] = field(default_factory=list)
    acked: tuple[int, bytes] = (0, GENESIS)

    @property
    def head(self) -> tuple[int, bytes]:
        return (self.entries[-1].seq, self.entries[-1].hash) if self.entries else (0, GENESIS)

    def unsent(self) -> bool:
        return self.head[0] > self.acked[0]


@dataclass
class Disk:
    """What an image of a register holds: its epochs with their entries and acks."""

    lines: list[Line]


class Till:
    """A register that runs on ``disk`` and carries out what it concludes."""

    def __init__(self, disk: Disk, rng: random.Random, machine: str = "", batch: int = 100) -> None:
        self.disk, self.rng, self.machine, self.batch = disk, rng, machine, batch
        self.printed: list[str] = []
        self.effects: list[effects.Effect] = []
        self.restart()

    @classmethod
    def new(cls, rng: random.Random, batch: int = 100) -> "Till":
        return cls(Disk([Line(rng.randbytes(16).hex(), "")]), rng, batch=batch)

    def restart(self) -> None:
        """Only the disk is left."""
        acked = Ack(self.disk.lines[-1].id, *self.disk.lines[-1].acked)
        self.state = register_side.SyncState(acked=acked, batch=self.batch)

    def image(self) -> Disk:
        return copy.deepcopy(self.disk)

    def copied(self) -> "Till":
        """A till that is started from a copy of this one's disk."""
        return Till(self.image(), self.rng, self.machine, self.batch)

    def sell(self, body: bytes = b"") -> StoredEntry:
        line = self.disk.lines[-1]
        seq, prev = line.head
        body = body or self.rng.randbytes(12)
        entry = StoredEntry(seq + 1, prev, seal(prev, body), body)
        line.entries.append(entry)
        self.printed.append(f"{line.label}-{seq + 1}")
        return entry

    # -- one exchange ------------------------------------------------------------------------

    def line_to_send(self) -> Line:
        *former, present = self.disk.lines
        confirmed = self.state.confirmed
        return next((x for x in former if x.unsent() or x.id not in confirmed), present)

    def outlook(self) -> register_side.Outlook:
        line = self.line_to_send()
        present = self.disk.lines[-1]
        return register_side.Outlook(
            register="r1", software="test", machine=self.machine, epoch=line.id,
            former=line is not present, label=line.label, head_seq=line.head[0],
            head_hash=line.head[1], server_epoch="s", cursors=(CURSOR,), staged={},
            unsent=Unsent(), shift_open=False, receipts_made=len(present.entries),
        )  # fmt: skip

    def request(self) -> bytes:
        line = self.line_to_send()
        self.state = msgspec.structs.replace(self.state, acked=Ack(line.id, *line.acked))
        self.state, plan = register_side.plan(self.state, self.outlook())
        assert plan.request.acked_seq <= plan.request.head_seq  # else it is no message
        entries, gaps = batch(line.entries, plan)
        return pack(msgspec.structs.replace(plan.request, entries=entries, gaps=gaps))

    def hear(self, data: bytes) -> None:
        answer = unpack(data, ExchangeAnswer)
        line = self.line_to_send()
        own = {0: GENESIS} | {e.seq: e.hash for e in line.entries}
        self.state, due = register_side.conclude(
            self.state, self.outlook(), answer, own.get(answer.ack.seq, b"")
        )
        for effect in due:
            self.carry_out(effect, line)

    def carry_out(self, effect: effects.Effect, line: Line) -> None:
        self.effects.append(effect)
        match effect:
            case effects.Advance(ack):
                assert ack.epoch == line.id and line.acked[0] < ack.seq <= line.head[0]
                assert {e.seq: e.hash for e in line.entries}[ack.seq] == ack.hash
                line.acked = (ack.seq, ack.hash)
            case effects.Rewind(ack):
                assert ack.epoch == line.id and ack.seq < line.acked[0]
                line.acked = (ack.seq, ack.hash)
            case effects.NewEpoch():
                name = self.rng.randbytes(16).hex()
                self.disk.lines.append(Line(name, local_label(name)))
            case effects.TakeLabel(label):
                present = self.disk.lines[-1]
                if line is present and not present.entries:
                    present.label = label

    def exchange(self, books: Books) -> None:
        """One that reaches the server, and whose answer comes back."""
        self.state = msgspec.structs.replace(self.state, in_flight=False)
        self.hear(books.answer(self.request()))

    def has_work(self) -> bool:
        return register_side.has_work(self.state, self.outlook())

    def is_synced(self) -> bool:
        return register_side.is_synced(self.state, self.outlook(), 0)

    def settle(self, books: Books, most: int = 40) -> int:
        """Exchanges until there is nothing to do; how many it took."""
        for n in range(1, most + 1):
            self.exchange(books)
            if not self.has_work():
                assert self.is_synced()
                return n
        raise AssertionError(f"no end after {most} exchanges")

    def bodies(self) -> list[bytes]:
        return [e.body for line in self.disk.lines for e in line.entries]


def batch(
    entries: list[StoredEntry], plan: register_side.Plan
) -> tuple[tuple[StoredEntry, ...], tuple[Gap, ...]]:
    """What the plan sends, and what is missing in between."""
    if plan.last < plan.first:
        return (), ()
    taken = [e for e in entries if e.seq >= plan.first][: plan.last - plan.first + 1]
    gaps, seq = [], plan.first - 1
    for entry in taken:
        if entry.seq > seq + 1:
            gaps.append(Gap(seq + 1, entry.seq - 1, entry.prev_hash))
        seq = entry.seq
    return tuple(taken), tuple(gaps)
