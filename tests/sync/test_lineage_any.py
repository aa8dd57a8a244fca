"""Any history of copies, restores and lost messages: it ends, and everything is there once."""

import random
from collections import Counter
from dataclasses import dataclass, field

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stillopen.sync import register_side
from tests.sync.journals import (
    everything_once,
)
from tests.sync.lines import Books, Till


@dataclass
class World:
    """One register position with all its disks, a server with its backups, and messages under way."""

    rng: random.Random
    books: Books
    tills: list[Till]
    backups: list[Books] = field(default_factory=list)
    up: list[tuple[Till, bytes]] = field(default_factory=list)
    down: list[tuple[Till, bytes]] = field(default_factory=list)
    happened: Counter[str] = field(default_factory=Counter)

    def step(self) -> None:
        names = ["sell"] * 5 + ["ask"] * 6 + ["reach"] * 6 + ["hear"] * 6
        names += ["again", "restart", "copy", "image", "backup", "restore", "die"]
        name = self.rng.choice(names)
        getattr(self, f"_{name}")(self.rng.choice(self.tills))

    def _sell(self, till: Till) -> None:
        till.sell()

    def _ask(self, till: Till) -> None:
        till.state = register_side.failed(till.state)
        self.up.append((till, till.request()))

    def _reach(self, _: Till) -> None:
        if self.up:
            till, data = self.up.pop(self.rng.randrange(len(self.up)))
            if self.rng.random() < 0.2:  # doubled: comes again, any time
                self.up.append((till, data))
                self.happened["doubled"] += 1
            if self.rng.random() < 0.15:
                self.happened["lost request"] += 1
                return
            self.down.append((till, self.books.answer(data)))

    def _hear(self, _: Till) -> None:
        if self.down:
            till, data = self.down.pop(self.rng.randrange(len(self.down)))
            if self.rng.random() < 0.15:
                self.happened["lost answer"] += 1
                return
            till.hear(data)

    def _again(self, till: Till) -> None:
        """A whole exchange with no fault, so that runs get somewhere."""
        till.exchange(self.books)
        till.exchange(self.books)

    def _restart(self, till: Till) -> None:
        till.restart()

    def _copy(self, till: Till) -> None:
        if len(self.tills) < 4:
            self.tills.append(till.copied())
            self.happened["copied"] += 1

    def _image(self, till: Till) -> None:
        """An image is made; it takes the disk's place at once or a while later, or never."""
        self.images = [*getattr(self, "images", []), (till, till.image())]
        if self.rng.random() < 0.6:
            owner, image = self.rng.choice(self.images)
            if owner in self.tills:
                owner.disk = Till(image, self.rng).image()
                owner.restart()
                self.happened["restored disk"] += 1

    def _backup(self, _: Till) -> None:
        self.backups.append(self.books.saved())

    def _restore(self, _: Till) -> None:
        if self.backups and self.rng.random() < 0.5:
            self.books.restore(self.rng.choice(self.backups))
            self.happened["restored server"] += 1

    def _die(self, till: Till) -> None:
        if len(self.tills) > 1 and self.rng.random() < 0.3:
            self.tills.remove(till)
            self.happened["destroyed"] += 1

    def settle(self) -> int:
        """No more faults: everyone in turn, until nobody has anything to say."""
        self.up.clear()
        self.down.clear()
        for till in self.tills:
            till.state = msgspec.structs.replace(till.state, batch=100)
        for n in range(60):
            busy = [till for till in self.tills if n == 0 or till.has_work()]
            if not busy:
                return n
            for till in busy:
                # A till goes on as long as it has work; another one may spend its nonce in between.
                for _ in range(self.rng.randint(1, 6)):
                    till.exchange(self.books)
                    if not till.has_work():
                        break
        raise AssertionError("it does not come to rest")


def run(seed: int, steps: int) -> World:
    rng = random.Random(seed)
    books = Books(rng)
    world = World(rng, books, [Till.new(rng, rng.choice([1, 2, 5, 100]))])
    for _ in range(steps):
        world.step()
    world.settle()
    return world


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.sampled_from([60, 200]))
def test_any_history(seed: int, steps: int) -> None:
    world = run(seed, steps)
    everything_once(world.books, *world.tills)
    assert all(till.is_synced() for till in world.tills)
    for till in world.tills:
        till.sell()
    rounds = world.settle()
    assert rounds <= 40
    everything_once(world.books, *world.tills)
    served = [x for x in world.books.labels.values() if not x.startswith("x")]
    assert len(served) == len(set(served)) or world.happened["restored server"]
