"""The world of one run: virtual time, the events that are due, chance, and what is written down."""

import heapq
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random

from stillopen.register.clock import BaseClock
from stillopen.simulator.transcript import Transcript

#: When every run begins; a Monday morning.
START = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)

Action = Callable[[], object]


class Killed(BaseException):
    """The simulated process ends here. Not an Exception: nothing may catch it and go on."""


class World:
    """``folder`` is empty and belongs to this run. ``faults`` counts those that really happened."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed = seed
        self.folder = folder
        self.rng = Random(seed)
        self.bytes = Random(f"bytes of {seed}")
        self.seconds = 0.0
        self.transcript = Transcript(self)
        self.faults: Counter[str] = Counter()
        self._due: list[tuple[float, int, Action]] = []
        self._order = count()

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def after(self, seconds: float, action: Action) -> None:
        """Do ``action`` that much later. What is due at the same time is done in the order of asking."""
        heapq.heappush(self._due, (self.seconds + seconds, next(self._order), action))

    def run(self, until: float) -> None:
        """Do everything that is due up to ``until`` (seconds since the start)."""
        while self._due and self._due[0][0] <= until:
            self.seconds, _, action = heapq.heappop(self._due)
            action()
        self.seconds = max(self.seconds, until)

    def run_while(self, busy: Callable[[], bool], until: float) -> bool:
        """Run until nothing is ``busy`` any more; False when ``until`` came first."""
        while busy():
            if not self._due or self._due[0][0] > until:
                return False
            self.seconds, _, action = heapq.heappop(self._due)
            action()
        return True

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def fault(self, name: str) -> None:
        """``name`` happened just now."""
        self.faults[name] += 1

    def say(self, who: str, words: str) -> None:
        self.transcript.add(who, words)


class SimClock(BaseClock):
    """The clock of one till: ``wrong`` seconds off the truth, as its battery left it."""

    def __init__(self, world: World, wrong: float = 0.0) -> None:
        super().__init__()
        self._world, self._wrong = world, timedelta(seconds=wrong)
        self._booted = world.seconds

    def device_time(self) -> datetime:
        return self._world.now() + self._wrong

    def monotonic(self) -> float:
        return self._world.seconds - self._booted
