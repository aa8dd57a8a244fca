"""Scenarios: a few lines of plain words, one step each, and the transcript that they lead to.

R1 sells 3                      three sales, one after the other (exchanges follow at once)
R1 starts · R1 stops · R1 loses power
cut R1 · mend R1                the line
image R1 as monday · restore R1 from monday
copy R1 as R9 [on another machine]
destroy R1 · find R1 again · replace R1 by R1new     (with a new License Key of the Back Office)
lose R1 below 3                 the entries below 3 are gone from this disk
revoke R1 · say yes
server backup · server restore [the oldest] [keeping its epoch]
server stops · server starts · server shares                (a second process)
R1 forgets what it may          everything that every backup holds is purged
publish 100 at 999              a price
sync all · wait 60 · check
expect R1 [not] synced · expect R1 has 2 epochs · expect R1 has 3 sales on its disk
expect R1 sold last S1-R1x.*
expect server holds 7 receipts · expect 2 branches of R1 · expect [no] exception journal_forked
# a remark
"""

import re
from collections.abc import Callable
from pathlib import Path

from stillopen.backoffice.backups.manifest import backups_in
from stillopen.simulator.disk import Image
from stillopen.simulator.fleet import Fleet
from stillopen.simulator.till_process import Sold

Step = Callable[..., None]
_STEPS: list[tuple[re.Pattern[str], Step]] = []


#: Single messages are left out of what a scenario shows: what they led to is what counts.
_MESSAGE = re.compile(r"\w+ (→|←|~|answers|hears nothing)")


def _tells(said: str) -> bool:
    return not _MESSAGE.match(said)


class BadStep(ValueError):
    """A line that is no step, or an expectation that does not hold."""


def _step(pattern: str) -> Callable[[Step], Step]:
    def keep(function: Step) -> Step:
        _STEPS.append((re.compile(pattern), function))
        return function

    return keep


class Scenario:
    """Carries steps out on a fleet without any fault of its own."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet, self.world = fleet, fleet.world
        self.images: dict[str, tuple[Image, dict[str, Sold]]] = {}
        self.backup: Path | None = None

    def run(self, text: str) -> list[str]:
        """The steps with what each led to."""
        lines: list[str] = []
        for number, line in enumerate(text.splitlines(), start=1):
            step = line.split("#")[0].strip()
            if not step:
                continue
            before = len(self.world.transcript.said())
            try:
                self.do(step)
            except BadStep as error:
                raise BadStep(f"line {number}: {error}") from error
            lines.append(f"> {step}")
            lines += [
                f"    {said}" for said in self.world.transcript.said()[before:] if _tells(said)
            ]
        return lines

    def do(self, step: str) -> None:
        for pattern, function in _STEPS:
            match = pattern.fullmatch(step)
            if match:
                return function(self, *match.groups())
        raise BadStep(f"“{step}” is no step")

    def drain(self) -> None:
        self.fleet.drain(self.world.seconds + 3600)


@_step(r"(\w+) sells (\d+)")
def _sells(it: Scenario, name: str, count: str) -> None:
    for _ in range(int(count)):
        if not it.fleet.sell(name):
            raise BadStep(f"{name} cannot sell")
        it.world.run(it.world.seconds + 2)


@_step(r"(\w+) starts")
def _starts(it: Scenario, name: str) -> None:
    it.fleet.nodes[name].boot()
    it.world.run(it.world.seconds + 2)


@_step(r"(\w+) stops")
def _stops(it: Scenario, name: str) -> None:
    it.fleet.nodes[name].stop()


@_step(r"(\w+) loses power")
def _loses_power(it: Scenario, name: str) -> None:
    it.fleet.nodes[name].kill(power_cut=True)


@_step(r"cut (?!all$)(\w+)")
def _cut(it: Scenario, name: str) -> None:
    it.fleet.cut(name)


@_step(r"mend (?!all$)(\w+)")
def _mend(it: Scenario, name: str) -> None:
    it.fleet.mend(name)
    it.drain()


@_step(r"cut all")
def _cut_all(it: Scenario) -> None:
    for name in it.fleet.nodes:
        it.fleet.cut(name)


@_step(r"mend all")
def _mend_all(it: Scenario) -> None:
    for name in it.fleet.nodes:
        it.fleet.mend(name)
    it.drain()


@_step(r"all sell (\d+)")
def _all_sell(it: Scenario, count: str) -> None:
    for name in it.fleet.nodes:
        _sells(it, name, count)


@_step(r"image (\w+) as (\w+)")
def _image(it: Scenario, name: str, image: str) -> None:
    it.images[image] = it.fleet.nodes[name].image()


@_step(r"restore (\w+) from (\w+)")
def _restore(it: Scenario, name: str, image: str) -> None:
    it.fleet.restore_disk(name, it.images[image])


@_step(r"copy (\w+) as (\w+)( on another machine)?")
def _copy(it: Scenario, name: str, copy: str, elsewhere: str | None) -> None:
    it.fleet.copy(name, copy, same_machine=not elsewhere)
    it.world.run(it.world.seconds + 2)


@_step(r"destroy (\w+)")
def _destroy(it: Scenario, name: str) -> None:
    it.fleet.destroy(name)


@_step(r"find (\w+) again")
def _find(it: Scenario, name: str) -> None:
    it.fleet.nodes[name].destroyed = False
    _starts(it, name)


@_step(r"replace (\w+) by (\w+)")
def _replace(it: Scenario, name: str, by: str) -> None:
    position = it.fleet.nodes[name].position
    node = it.fleet.add_register(by, position)
    it.fleet.activate(node.name, it.fleet.server.new_key(position))
    it.drain()


@_step(r"lose (\w+) below (\d+)")
def _lose(it: Scenario, name: str, below: str) -> None:
    it.fleet.nodes[name].lose_below(int(below))


@_step(r"revoke (\w+)")
def _revoke(it: Scenario, name: str) -> None:
    it.fleet.server.revoke(it.fleet.nodes[name].position)


@_step(r"say yes")
def _say_yes(it: Scenario) -> None:
    it.fleet.server.say_yes()


@_step(r"server backup")
def _backup(it: Scenario) -> None:
    it.backup = it.fleet.server.backup()


@_step(r"server shares")
def _server_shares(it: Scenario) -> None:
    it.fleet.server.add_process()


@_step(r"(\w+) forgets what it may")
def _forgets(it: Scenario, name: str) -> None:
    it.fleet.nodes[name].purge()


@_step(r"server restore( the oldest)?( keeping its epoch)?")
def _server_restore(it: Scenario, oldest: str | None, keeping: str | None) -> None:
    backup = backups_in(it.fleet.server.backups)[-1][0] if oldest else it.backup
    if backup is None:
        raise BadStep("there is no backup")
    it.fleet.server.restore(backup, raise_epoch=not keeping)


@_step(r"server stops")
def _server_stops(it: Scenario) -> None:
    it.fleet.server.stop()


@_step(r"server starts")
def _server_starts(it: Scenario) -> None:
    it.fleet.server.start()


@_step(r"publish (\d+) at (\d+)")
def _publish(it: Scenario, sku: str, price: str) -> None:
    it.fleet.server.change_price(sku, int(price))
    it.fleet.server.publish()


@_step(r"sync all")
def _sync_all(it: Scenario) -> None:
    for node in it.fleet.running:
        node.poke()
    it.drain()


@_step(r"wait (\d+)")
def _wait(it: Scenario, seconds: str) -> None:
    it.world.run(it.world.seconds + int(seconds))


@_step(r"check")
def _check(it: Scenario) -> None:
    it.fleet.check()


# -- expectations ------------------------------------------------------------------------------------


def _expect(holds: bool, words: str) -> None:
    if not holds:
        raise BadStep(words)


@_step(r"expect (\w+) (not )?synced")
def _synced(it: Scenario, name: str, negated: str | None) -> None:
    engine = it.fleet.nodes[name].engine
    says = engine is not None and engine.is_synced()
    _expect(says != bool(negated), f"{name} says {'synced' if says else 'not synced'}")


@_step(r"expect (\w+) has (\d+) epochs?")
def _epochs(it: Scenario, name: str, count: str) -> None:
    till = it.fleet.nodes[name].till
    found = len(till.journal.identity.epochs()) if till else 0
    _expect(found == int(count), f"{name} has {found} epochs")


@_step(r"expect (\w+) has (\d+) sales on its disk")
def _on_disk(it: Scenario, name: str, count: str) -> None:
    till = it.fleet.nodes[name].till
    found = (
        till.journal.db.query("SELECT count(*) FROM entry WHERE kind = 'sale'") if till else [(0,)]
    )
    _expect(found[0][0] == int(count), f"{name} has {found[0][0]} sales on its disk")


@_step(r"expect (\w+) sold last (\S+)")
def _last(it: Scenario, name: str, number: str) -> None:
    till = it.fleet.nodes[name].till
    last = till.journal.entries.last_sale() if till else None
    found = last[0].receipt if last else ""
    _expect(bool(re.fullmatch(number, found or "")), f"{name} sold {found} last")


@_step(r"expect server holds (\d+) receipts")
def _receipts(it: Scenario, count: str) -> None:
    found = it.fleet.truth.query("SELECT count(*) FROM ledger_receipt")[0][0]
    _expect(found == int(count), f"the server holds {found} receipts")


@_step(r"expect (\d+) branch(?:es)? of (\w+)")
def _branches(it: Scenario, count: str, name: str) -> None:
    register = it.fleet.server.register(it.fleet.nodes[name].position).id.hex
    found = len(it.fleet.truth.branches(register))
    _expect(found == int(count), f"there are {found} branches of {name}")


@_step(r"expect (no )?exception (\w+)")
def _exception(it: Scenario, negated: str | None, code: str) -> None:
    rows = it.fleet.truth.query("SELECT code FROM ingest_exceptionitem WHERE resolved_at IS NULL")
    found = sorted(row[0] for row in rows)
    _expect((code in found) != bool(negated), f"the exceptions are {found}")
