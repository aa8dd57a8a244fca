"""A fleet: the Back Office, its tills, and the checks that run along with them."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from stillopen.domain.errors import DomainError
from stillopen.register.syncer.engine import Heard
from stillopen.simulator import invariants
from stillopen.simulator.disk import Image, disk_of
from stillopen.simulator.invariants import Ledger, Violation, require
from stillopen.simulator.oracle import Oracle
from stillopen.simulator.register_node import RegisterNode
from stillopen.simulator.server_node import ServerNode
from stillopen.simulator.template import SKUS, Shop
from stillopen.simulator.till_process import Sold
from stillopen.simulator.truth import Truth
from stillopen.simulator.wire import FINE, Answer
from stillopen.simulator.world import World
from stillopen.sync.codec import unpack
from stillopen.sync.messages import Ack, ExchangeAnswer

#: Virtual seconds within which everything must have drained once the faults are over.
PATIENCE = 3600.0
#: Of a server's poke to reach a till whose line is open.
_POKED = 0.8
_POKED_LIVE = 0.3  # fewer than in truth: they matter less and cost as much


class Fleet:
    """``nodes`` by name, all disks that there are; those that were destroyed say so."""

    def __init__(self, world: World, shop: Shop) -> None:
        self.world, self.shop = world, shop
        self.server = ServerNode(world, shop.folder)
        self.truth = Truth(self.server)
        self.oracle = Oracle(self.truth)
        self.ledger = Ledger(self.truth, self.oracle, self.world)
        self.nodes: dict[str, RegisterNode] = {}
        self.entries = 0
        self._acks: dict[str, dict[str, Ack]] = {}
        #: Register (hex) → entries that were not applied, as of its last answer.
        self._held: dict[str, int] = {}
        self._on_server: set[str] = set()  # sales that the server has held and must go on holding
        self.server.watch.append(self._answered)
        self.server.published.append(self._published)
        self.server.worked.append(self._worked)
        self.server.restored.append(self._restored)
        self.server.back.append(self._server_is_back)
        self.oracle.note_publication()

    def close(self) -> None:
        for node in self.nodes.values():
            node.stop()
        self.truth.close()
        self.server.close()

    # -- making tills ------------------------------------------------------------------------

    def add_register(self, name: str, position: str = "") -> RegisterNode:
        """A new device with an empty disk."""
        node = self._node(name, position or name)
        node.make_device()
        node.boot()
        return node

    def _node(self, name: str, position: str) -> RegisterNode:
        assert name not in self.nodes, f"two tills are called {name}"
        node = RegisterNode(self.world, self.server, name, position)
        node.heard.append(partial(self._heard, node))
        node.stumbled.append(partial(self._stumbled, node))
        node.asked.append(self.oracle.note_asked)
        node.booted.append(partial(self._booted, node))
        node.sold.append(partial(self._sold, node))
        node.purged.append(partial(self._purged, node))
        self.nodes[name] = node
        return node

    def activate(self, name: str, key: str = "") -> None:
        node = self.nodes[name]
        node.activate(self.shop.account, key or self.shop.keys[node.position])

    def copy(self, name: str, copy: str, same_machine: bool) -> RegisterNode:
        """A second device that runs from a copy of the disk."""
        original = self.nodes[name]
        node = self._node(copy, original.position)
        node.restore(original.image())
        node.places = dict(original.places)
        node.flipped = original.flipped  # it lies on the copied disk, too
        if same_machine:
            node.machine = original.machine
        self.oracle.forked.add(original.position)
        where = "the same" if same_machine else "another"
        self.world.say(copy, f"is a copy of {name} on {where} machine")
        node.boot()
        return node

    def restore_disk(self, name: str, image: tuple[Image, dict[str, Sold]]) -> None:
        node = self.nodes[name]
        self.oracle.forked.add(node.position)
        node.restore(image)
        node.went_back = True
        self.world.say(name, "has an older disk again")
        node.boot()

    def destroy(self, name: str) -> None:
        node = self.nodes[name]
        node.kill()
        node.destroyed = True
        self.world.say(name, "is destroyed")

    @property
    def running(self) -> Iterator[RegisterNode]:
        return (node for node in self.nodes.values() if node.running)

    # -- watching ----------------------------------------------------------------------------

    def _answered(self, who: str, proof: str, answer: Answer) -> None:
        """The server has answered: what it says must be on its disk."""
        if answer.status != 200:
            return
        register = proof.partition(":")[0].replace("-", "")
        arrived = self.ledger.look(register)
        told = self.oracle.note_answer(register, answer.body, self.server.life)
        if arrived or told.held != self._held.get(register, 0):
            self.server.work_soon()
        self._held[register] = told.held
        message = unpack(answer.body, ExchangeAnswer)
        if message.ack.seq:
            there = self.ledger.where.get(message.ack.hash)
            require(2, there is not None, f"{who} is told an ack of what is not stored")

    def _heard(self, node: RegisterNode, body: bytes, heard: Heard) -> None:
        answer = unpack(body, ExchangeAnswer)
        self.oracle.note_heard(node, body, answer)
        if node.counted and not answer.stale:
            node.went_back = False
            assert node.till is not None
            node.unsure = node.unsure and node.till.journal.sending.unsent().count > 0
            node.answered = (node.answered[1], self.world.seconds)
        self._look_at_acks(node, answer)
        if heard.switched:
            invariants.shows_one_snapshot(node, self.oracle)
        invariants.counts_each_fact_once(node, self.oracle)
        invariants.synced_is_true(node, self.ledger, self.server.life)

    def _stumbled(self, node: RegisterNode, body: bytes) -> None:
        """An answer was carried out as far as the disk let it."""
        self._look_at_acks(node, unpack(body, ExchangeAnswer))

    def _look_at_acks(self, node: RegisterNode, answer: ExchangeAnswer) -> None:
        invariants.ack_moves_back_only_when_told(self._acks.get(node.name, {}), node, answer)
        self._note_acks(node)

    def _note_acks(self, node: RegisterNode) -> None:
        assert node.till is not None
        epochs = node.till.journal.identity.epochs()
        self._acks[node.name] = {e.id: node.till.journal.sending.ack(e.id) for e in epochs}

    def _booted(self, node: RegisterNode) -> None:
        invariants.kept_what_was_paid(node)
        invariants.shows_one_snapshot(node, self.oracle)
        self._note_acks(node)

    def _sold(self, node: RegisterNode, sold: Sold) -> None:
        invariants.number_is_not_known_to_be_taken(node, sold, self.ledger)
        self.oracle.note_sale(node, sold)
        invariants.counts_each_fact_once(node, self.oracle)

    def is_in_touch(self, node: RegisterNode) -> bool:
        """Whether ``node`` has heard the Back Office as it is now: up, and with this file."""
        told = self.oracle.last.get(node.name)
        return self.server.up and told is not None and told.server_life == self.server.life

    def _purged(self, node: RegisterNode) -> None:
        invariants.purged_is_backed_up(node, self.server.backups)
        invariants.kept_what_was_paid(node)
        invariants.counts_each_fact_once(node, self.oracle)

    def _published(self) -> None:
        self.oracle.note_publication()
        for node in self.running:
            if not node.wire.is_cut and self.world.chance(_POKED):
                self.world.after(self.world.rng.uniform(0.01, 0.3), node.poke)

    def _worked(self) -> None:
        """The worker may have published stock and receipts."""
        self.oracle.note_stock()
        for node in self.running:
            if not node.wire.is_cut and self.world.chance(_POKED_LIVE):
                self.world.after(self.world.rng.uniform(0.01, 0.3), node.poke_live)

    def _restored(self) -> None:
        self.ledger.forget()
        for branch in self.truth.branches():
            self.ledger.look(branch.register)
        self._on_server = self._sales_held()
        for node in self.nodes.values():  # the backup may be from before, or from beside, its fork
            node.unsure = node.position in self.oracle.forked
        self._server_is_back()

    def _server_is_back(self) -> None:
        for node in self.running:
            node.line_back()

    def _sales_held(self) -> set[str]:
        known = self.truth.query("SELECT entry_id FROM ingest_entry WHERE kind = 'sale'")
        return {row[0] for row in known if row[0] in self.oracle.paid}

    # -- the line ----------------------------------------------------------------------------

    def cut(self, name: str, up: bool = True, down: bool = True) -> None:
        wire = self.nodes[name].wire
        wire.cut_up, wire.cut_down = wire.cut_up or up, wire.cut_down or down
        ways = {(True, True): "", (True, False): " upward", (False, True): " downward"}
        self.world.say(name, f"is cut off{ways[up, down]}")

    def mend(self, name: str) -> None:
        node = self.nodes[name]
        if node.wire.is_cut:
            node.wire.cut_up = node.wire.cut_down = False
            self.world.say(name, "has its line again")
            node.line_back()

    # -- selling -----------------------------------------------------------------------------

    def sell(self, name: str) -> bool:
        """One random sale at ``name``; False where it did not come to that."""
        rng = self.world.rng
        node = self.nodes[name]
        lines = {rng.choice(SKUS): rng.randint(1, 3) for _ in range(rng.randint(1, 3))}
        return node.sell(node.new_sale_id(), lines)

    # -- the end -----------------------------------------------------------------------------

    @contextmanager
    def _judged(self) -> Iterator[None]:
        try:
            yield
        except Violation:
            raise
        except (AssertionError, DomainError, KeyError) as error:
            raise Violation(0, f"{type(error).__name__}: {error}") from error

    def settle(self) -> None:
        """Liveness (invariant 8): the faults are over; everything drains and agrees in bounded time."""
        self.world.say("world", "the faults are over")
        self.server.settling = True
        self.server.start()
        self.server.trap.spring = None
        for node in list(self.nodes.values()):
            disk_of(node.folder).disarm()
            node.wire.weather, node.protocol = FINE, None
            self.mend(node.name)
            if not node.running:
                node.boot()
        self.drain(self.world.seconds + PATIENCE / 2)
        self._people_look()
        for node in self.running:
            node.poke()
        drained = self.drain(self.world.seconds + PATIENCE)
        busy = [node.name for node in self.running if self._is_busy(node)]
        require(8, drained, f"{', '.join(busy)} did not drain within {PATIENCE:.0f} s")

    def drain(self, until: float) -> bool:
        """Run until nobody has anything to do; False when ``until`` came first."""
        return self.world.run_while(lambda: any(map(self._is_busy, self.running)), until)

    def _is_busy(self, node: RegisterNode) -> bool:
        return node.busy or self.server.busy

    def _people_look(self) -> None:
        """What waits for a yes gets one; devices that the server no longer knows are activated again."""
        for node in list(self.running):
            if node.refused in ("bad_proof", "unknown_register"):
                self._confirm(node)
        said = self.server.say_yes()
        if said:
            self.world.say("server", f"a person says yes {said} times")

    def _confirm(self, node: RegisterNode) -> None:
        if self.server.register(node.position).state == "active":
            self.server.revoke(node.position)
        self.activate(node.name, self.server.new_key(node.position))

    def check(self) -> None:
        """All invariants, on what is there now."""
        alive = list(self.running)
        for node in alive:
            invariants.kept_what_was_paid(node)
            invariants.numbers_are_dense(node)
            invariants.shows_one_snapshot(node, self.oracle)
            self._is_in_step(node)
        self.ledger.forget()
        for branch in self.truth.branches():
            self.ledger.look(branch.register)
        invariants.all_arrived(alive, self.ledger)
        invariants.money_is_conserved(alive, self.ledger, self._on_server)
        invariants.stock_is_conserved(self.ledger)
        invariants.numbers_once_per_branch(self.truth)
        invariants.parted_only_by_disks(self.truth, self.oracle)
        self.entries = len(self.truth.all_entries())

    def _is_in_step(self, node: RegisterNode) -> None:
        """Invariant 8: who may have the catalogue has the newest, and says so where nothing is held."""
        assert node.till is not None and node.engine is not None
        state = node.engine.state
        if state.revoked or state.strange:
            return
        register = node.till.require_identity().register.replace("-", "")
        heads = self.truth.heads(self.oracle.scopes(register))
        cursors = {c.scope: c.chain for c in node.till.catalogue.cursors() if c.seq}
        require(8, cursors == heads, f"{node.name} is not at the heads of the feed")
        held = node.till.journal.sending.not_applied()
        require(8, bool(held) or node.engine.is_synced(), f"{node.name} never says synced")
