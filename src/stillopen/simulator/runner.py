"""Runs: one seed, one world; and a row of them."""

import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from random import Random

from stillopen.simulator import chance
from stillopen.simulator.disk import connect_plainly, connect_tills, forget_disks
from stillopen.simulator.faults import Faults
from stillopen.simulator.fleet import Fleet
from stillopen.simulator.invariants import Violation
from stillopen.simulator.scenario import Scenario
from stillopen.simulator.summary import Plan, Result, Summary
from stillopen.simulator.template import SKUS, Shop, make_shop
from stillopen.simulator.world import Killed, World

#: Where the files of a run lie: memory, where the machine has such a place.
MEMORY = Path("/dev/shm")
#: Lines of the transcript that a failing seed shows.
_LAST = 400
DAY = 86400.0
#: Of the runs, those in which the Back Office offers snapshot files.
_WITH_FILES = 0.3
#: From a sale to the exchange that sends it: at once, or as if the register had been busy with others.
_LAGS = (0.01, 20.0, 300.0, 1200.0)
OPEN_FOR = 8 * 3600.0  # seconds a day


class Simulator:
    """Makes the shop once and runs seeds in it. Close it at the end."""

    def __init__(self) -> None:
        where = MEMORY if MEMORY.is_dir() else None
        self.folder = Path(tempfile.mkdtemp(prefix="stillopen-", dir=where))
        self._shops: dict[int, Shop] = {}

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def shop(self, registers: int) -> Shop:
        if registers not in self._shops:
            self._shops[registers] = make_shop(self.folder / f"shop-{registers}", registers)
        return self._shops[registers]

    def world(self, seed: int) -> World:
        folder = self.folder / "world"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return World(seed, folder)

    def play(self, text: str, registers: int = 2) -> list[str]:
        """Carry out a scenario; returns its transcript. Errors: ``BadStep``, ``Violation``."""
        world = self.world(1)
        shop = self.shop(registers)
        connect_tills()
        try:
            with chance.in_force(world.bytes, world.now):
                fleet = Fleet(world, shop)
                try:
                    _open_shop(fleet)
                    return Scenario(fleet).run(text)
                finally:
                    fleet.close()
        finally:
            connect_plainly()
            forget_disks()

    def run(self, seed: int, plan: Plan) -> Result:
        """One world from its beginning to the check at its end."""
        world = self.world(seed)
        registers = plan.registers or world.rng.randint(2, 4)
        shop = self.shop(registers)
        connect_tills()
        try:
            with chance.in_force(world.bytes, world.now):
                return _run(world, shop, plan)
        finally:
            connect_plainly()
            forget_disks()


def _run(world: World, shop: Shop, plan: Plan) -> Result:
    fleet = Fleet(world, shop)
    violation = ""
    try:
        _play(fleet, plan)
    except Violation as broken:
        violation = str(broken)
        world.say("world", f"VIOLATION {violation}")
    except (Exception, Killed) as error:  # a mistake, ours or theirs: the seed is to be known
        violation = f"{type(error).__name__}: {error}, {_place(error)}"
        world.say("world", f"STUMBLED {violation}")
    finally:
        fleet.close()
    return Result(
        seed=world.seed,
        entries=fleet.entries,
        sales=len(fleet.oracle.paid),
        registers=len(shop.keys),
        virtual_seconds=world.seconds,
        faults=dict(sorted(world.faults.items())),
        violation=violation,
        digest=world.transcript.digest(),
        transcript=_kept(world, plan, violation),
    )


def _place(error: BaseException) -> str:
    """The innermost lines of ours that ``error`` came through."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "stillopen" in f.filename]
    return " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(frames[-6:]))


def _kept(world: World, plan: Plan, violation: str) -> list[str]:
    if plan.transcript:
        return world.transcript.lines()
    return world.transcript.lines(_LAST) if violation else []


def _play(fleet: Fleet, plan: Plan) -> None:
    if plan.faults and fleet.world.chance(_WITH_FILES):
        with fleet.server.offering_files():
            _play_days(fleet, plan)
    else:
        _play_days(fleet, plan)


def _play_days(fleet: Fleet, plan: Plan) -> None:
    world = fleet.world
    _open_shop(fleet)
    for day in range(plan.days):
        _schedule_day(fleet, plan)
        if plan.faults:
            Faults(fleet, OPEN_FOR, plan.only).schedule(2 + 2 * len(fleet.shop.keys))
        world.run((day + 1) * DAY if day + 1 < plan.days else world.seconds + OPEN_FOR)
    fleet.settle()
    fleet.check()


def _open_shop(fleet: Fleet) -> None:
    """Every register is activated and has its catalogue."""
    for name in fleet.shop.keys:
        fleet.add_register(name)
        fleet.activate(name)
    fleet.world.run(60.0)


def _schedule_day(fleet: Fleet, plan: Plan) -> None:
    rng: Random = fleet.world.rng
    for name, node in list(fleet.nodes.items()):
        node.lag = rng.choice(_LAGS)
        for _ in range(rng.randint(15, 30) if plan.sales is None else plan.sales):
            fleet.world.after(rng.uniform(10, OPEN_FOR), partial(fleet.sell, name))
        if rng.random() < 0.7:
            fleet.world.after(OPEN_FOR - 1, node.close_shift)
    for _ in range(plan.publications):
        fleet.world.after(rng.uniform(10, OPEN_FOR), lambda: _publish(fleet))


def _publish(fleet: Fleet) -> None:
    """Somebody changes prices, or marks something as sold out."""
    rng, server = fleet.world.rng, fleet.server

    def work() -> None:
        if rng.random() < 0.3:
            return server.stop_product(rng.choice(SKUS), rng.random() < 0.5)
        for sku in rng.sample(SKUS, rng.randint(1, 4)):
            server.change_price(sku, rng.randint(50, 2000))
        server.publish()

    server.attempt(work)


def run_row(seeds: Iterable[int], plan: Plan, show: Callable[[list[str]], None]) -> Summary:
    """Run ``seeds``; ``show`` gets the transcript of each that fails."""
    summary, began = Summary(), time.process_time()
    simulator = Simulator()
    try:
        for seed in seeds:
            result = simulator.run(seed, plan)
            summary.add(result, plan)
            if result.transcript:
                show(result.transcript)
    finally:
        simulator.close()
    summary.cpu_seconds = round(time.process_time() - began, 3)
    return summary
