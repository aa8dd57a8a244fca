"""A register and a server on memory stores with the real sync code between them, and a wire that
loses, doubles, delays and reorders whole messages. No clocks, no sockets: a seeded random decides."""

import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import msgspec

from stillopen.sync import effects, facts, register_side
from stillopen.sync.chain import GENESIS, StoredEntry, seal
from stillopen.sync.codec import pack, unpack
from stillopen.sync.feed import GENESIS_CHAIN, cursors_hash, make_page, next_chain, plan_pull
from stillopen.sync.lineage import Branch, History
from stillopen.sync.messages import (
    Ack,
    Cursor,
    ExchangeAnswer,
    ExchangeRequest,
    FeedPage,
    FeedRow,
    Pull,
    Unsent,
)
from stillopen.sync.server_side import Known, judge

EPOCH = "e" * 32
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass
class Server:
    """Holds entries and a feed of two scopes in memory."""

    page_rows: int = 3
    branch: str = EPOCH
    epoch: str = "server-1"
    nonce: bytes = b"nonce-0"
    nonces: int = 0
    state: str = "active"
    entries: list[StoredEntry] = field(default_factory=list)
    scopes: tuple[str, ...] = ("account", "register:r1")
    rows: dict[tuple[str, str], FeedRow] = field(default_factory=dict)
    heads: dict[str, Cursor] = field(default_factory=dict)
    known: dict[tuple[str, int], bytes] = field(default_factory=dict)
    quarantine: set[int] = field(default_factory=set)

    @property
    def ack(self) -> Ack:
        last = self.entries[-1] if self.entries else None
        return Ack(self.branch, last.seq if last else 0, last.hash if last else GENESIS)

    def publish(self, scope: str, changes: dict[str, bytes | None]) -> None:
        head = self.heads.get(scope, Cursor(scope, 0, GENESIS_CHAIN))
        rows = [
            FeedRow(scope, head.seq + n, "product", record, payload or b"", payload is None)
            for n, (record, payload) in enumerate(changes.items(), 1)
        ]
        chain = next_chain(head.chain, rows)
        self.heads[scope] = Cursor(scope, head.seq + len(rows), chain)
        self.known[(scope, head.seq + len(rows))] = chain
        self.rows.update({(scope, row.id): row for row in rows})

    def content(self) -> dict[tuple[str, str], bytes]:
        return {k: r.payload for k, r in self.rows.items() if not r.deleted and k[0] in self.scopes}

    def answer(self, data: bytes) -> bytes:
        request = unpack(data, ExchangeRequest)
        ack = self.ack
        held = {(self.branch, e.seq): e.hash for e in self.entries}
        history = History((Branch(self.branch, ack.seq, ack.hash),), held)
        known = Known(state=self.state, nonce=self.nonce, history=history)  # type: ignore[arg-type]
        verdict = judge(request, known)
        if verdict.stale:
            return pack(
                ExchangeAnswer(request=request.request, nonce=self.nonce, ack=self.ack, stale=True)
            )
        self.entries.extend(verdict.accept)
        assert self.ack == verdict.ack
        self.nonces += 1
        self.nonce = f"nonce-{self.nonces}".encode()
        heads = [self.heads[s] for s in self.scopes if s in self.heads]
        behind = cursors_hash(self.epoch, heads) != request.cursors_hash
        return pack(
            ExchangeAnswer(
                request=request.request,
                nonce=self.nonce,
                ack=self.ack,
                server_time=NOW,
                feed_behind=verdict.feed and behind,
                page=self._page(request.pull) if verdict.feed and request.pull else None,
                instructions=verdict.instructions,
            )
        )

    def _page(self, pull: Pull) -> FeedPage:
        plan = plan_pull(pull, self.epoch, self.scopes, self.known)
        rows = [
            row
            for scope in self.scopes
            for row in sorted(
                (r for (s, _), r in self.rows.items() if s == scope), key=lambda r: r.seq
            )
            if row.seq > plan.since[scope] and not (row.deleted and plan.since[scope] == 0)
        ]
        heads = [self.heads[s] for s in self.scopes if s in self.heads]
        return make_page(plan, rows[: self.page_rows + 1], heads, self.epoch, self.page_rows)


@dataclass
class Register:
    """Holds a journal and a catalogue in memory and carries out the effects."""

    journal: list[StoredEntry] = field(default_factory=list)
    state: register_side.SyncState = field(
        default_factory=lambda: register_side.SyncState(acked=Ack(EPOCH, 0, GENESIS))
    )
    server_epoch: str = ""
    cursors: tuple[Cursor, ...] = ()
    staged: dict[str, int] = field(default_factory=dict)
    staged_rows: list[FeedRow] = field(default_factory=list)
    snapshot: bool = False
    content: dict[tuple[str, str], bytes] = field(default_factory=dict)
    revoked: bool = False
    views: list[dict[tuple[str, str], bytes]] = field(default_factory=list)

    def sell(self) -> StoredEntry:
        prev = self.journal[-1].hash if self.journal else GENESIS
        seq = len(self.journal) + 1
        body = facts.encode_body(
            facts.EntryBody(
                register="r1", epoch=EPOCH, seq=seq, id=f"id-{seq}", kind="drawer_opened",
                schema="1.0", occurred_at=NOW, business_day=date(2026, 11, 22),
                payload=facts.encode_payload(facts.DrawerOpened()),
            )
        )  # fmt: skip
        entry = StoredEntry(seq, prev, seal(prev, body), body)
        self.journal.append(entry)
        return entry

    def outlook(self) -> register_side.Outlook:
        head = self.journal[-1].hash if self.journal else GENESIS
        return register_side.Outlook(
            register="r1", software="test", epoch=EPOCH, head_seq=len(self.journal),
            head_hash=head, server_epoch=self.server_epoch, cursors=self.cursors,
            staged=dict(self.staged), unsent=Unsent(),
            shift_open=False, receipts_made=0,
        )  # fmt: skip

    def request(self) -> bytes:
        self.state, plan = register_side.plan(self.state, self.outlook())
        entries = tuple(e for e in self.journal if plan.first <= e.seq <= plan.last)
        return pack(msgspec.structs.replace(plan.request, entries=entries))

    def hear(self, data: bytes) -> None:
        answer = unpack(data, ExchangeAnswer)
        own = {entry.seq: entry.hash for entry in self.journal}.get(answer.ack.seq, b"")
        self.state, due = register_side.conclude(self.state, self.outlook(), answer, own)
        for effect in due:
            self.carry_out(effect)

    def carry_out(self, effect: effects.Effect) -> None:
        match effect:
            case effects.Begin(snapshot):
                self.staged, self.staged_rows, self.snapshot = {}, [], snapshot
            case effects.Stage(rows, _):
                self.staged_rows.extend(rows)
                for row in rows:
                    self.staged[row.scope] = row.seq
            case effects.Switch(heads, server_epoch):
                self.switch(heads, server_epoch)
            case effects.StopSelling():
                self.revoked = True

    def switch(self, heads: tuple[Cursor, ...], server_epoch: str) -> None:
        if self.snapshot:
            self.content = {}
        for row in self.staged_rows:
            key = (row.scope, row.id)
            self.content.pop(key, None)
            if not row.deleted:
                self.content[key] = row.payload
        scopes = {h.scope for h in heads}
        self.content = {k: v for k, v in self.content.items() if k[0] in scopes}
        self.cursors, self.server_epoch = heads, server_epoch
        self.staged, self.staged_rows, self.snapshot = {}, [], False
        self.views.append(dict(self.content))

    def restart(self) -> None:
        """A power cut: only the journal, the ack and the catalogue in force are left."""
        self.staged, self.staged_rows, self.snapshot = {}, [], False
        self.state = register_side.SyncState(acked=self.state.acked)


@dataclass
class Wire:
    """Messages in flight; each may be lost, doubled, or delivered much later."""

    server: Server
    register: Register
    rng: random.Random
    loss: float = 0.3
    up: list[bytes] = field(default_factory=list)
    down: list[bytes] = field(default_factory=list)

    def put(self, queue: list[bytes], data: bytes) -> None:
        if self.rng.random() >= self.loss:
            queue.append(data)
            if self.rng.random() < self.loss / 2:
                queue.append(data)

    def step(self) -> None:
        """One thing happens: a request is made, or a message arrives, in any order."""
        choice = self.rng.random()
        if choice < 0.3 and not (self.register.state.in_flight and self.rng.random() < 0.7):
            self.register.state = register_side.failed(self.register.state)
            self.put(self.up, self.register.request())
        elif choice < 0.65 and self.up:
            request = self.up.pop(self.rng.randrange(len(self.up)))
            self.put(self.down, self.server.answer(request))
        elif self.down:
            self.register.hear(self.down.pop(self.rng.randrange(len(self.down))))

    def settle(self, rounds: int = 60) -> int:
        """No more faults: exchanges until nothing is left to do. Returns how many it took."""
        for n in range(rounds):
            outlook = self.register.outlook()
            if n and not register_side.has_work(self.register.state, outlook):
                return n
            self.register.state = register_side.failed(self.register.state)
            self.register.hear(self.server.answer(self.register.request()))
        raise AssertionError("the queues do not drain")
