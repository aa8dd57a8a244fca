"""``stillopen simulate``: runs of the simulated fleet, and whether the invariants held in all of them."""

import logging
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import click
import msgspec

from stillopen.backoffice import bootstrap, memory
from stillopen.simulator.summary import Plan, Summary

#: Seeds that a process takes at a time, at most.
_CHUNK = 100


@click.command()
@click.option("--seed", default=1, show_default=True, help="The first seed; the others follow it.")
@click.option(
    "--runs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many seeds, one after the other.",
)
@click.option(
    "--registers",
    type=click.IntRange(1, 200),
    help="Registers of the fleet (else each seed chooses 2 to 4).",
)
@click.option(
    "--sales",
    type=click.IntRange(0, 10_000),
    help="Sales per register and day (else each seed chooses 15 to 30).",
)
@click.option(
    "--days", type=click.IntRange(1, 365), default=1, show_default=True, help="Days of each run."
)
@click.option(
    "--publications",
    type=click.IntRange(0, 1000),
    default=2,
    show_default=True,
    help="Publications of the Back Office a day.",
)
@click.option("--no-faults", is_flag=True, help="A fleet to which nothing happens.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes that share the seeds.",
)
@click.option(
    "--transcript", is_flag=True, help="Print what happened, also where nothing is wrong."
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def simulate(
    seed: int,
    runs: int,
    registers: int | None,
    sales: int | None,
    days: int,
    publications: int,
    no_faults: bool,
    jobs: int,
    transcript: bool,
    as_json: bool,
) -> int:
    """Run registers and a Back Office in a simulated world, with faults, and check the invariants.

    The same seed gives the same run. Exit code 1 when an invariant was broken, with the seed that repeats it.
    """
    plan = Plan(
        registers=registers,
        sales=sales,
        days=days,
        publications=publications,
        faults=not no_faults,
        transcript=transcript,
    )
    began = time.monotonic()
    summary = _run_all(range(seed, seed + runs), plan, jobs)
    if as_json:
        asked = msgspec.to_builtins(plan)
        del asked["only"]  # for tests; no option sets it
        said = msgspec.to_builtins(summary) | {"seed": seed, "plan": asked}
        click.echo(msgspec.json.format(msgspec.json.encode(said), indent=2).decode())
    else:
        _tell(summary, time.monotonic() - began)
    return 1 if summary.violations else 0


def _run_all(seeds: range, plan: Plan, jobs: int) -> Summary:
    if jobs == 1 or len(seeds) == 1:
        return run_seeds(seeds, plan)
    each = min(_CHUNK, -(-len(seeds) // jobs))
    chunks = [seeds[i : i + each] for i in range(0, len(seeds), each)]
    whole = Summary()
    with ProcessPoolExecutor(jobs) as pool:
        for part in pool.map(run_seeds, chunks, [plan] * len(chunks)):
            whole.join(part)
            click.echo(
                f"{whole.runs} of {len(seeds)} seeds, {len(whole.violations)} violations", err=True
            )
    return whole


def run_seeds(seeds: range, plan: Plan) -> Summary:
    """In this process; Django is started where it was not yet. A failing seed prints its transcript."""
    with tempfile.TemporaryDirectory(prefix="stillopen-") as folder:
        bootstrap.start(Path(folder))
        logging.getLogger("stillopen").setLevel(logging.CRITICAL)
        runner = bootstrap.load("stillopen.simulator.runner")
        memory.settle()
        summary: Summary = runner.run_row(seeds, plan, _show)
    return summary


def _show(lines: list[str]) -> None:
    click.echo("\n".join(lines), err=True)


def _tell(summary: Summary, seconds: float) -> None:
    for broken in summary.violations:
        click.echo(f"seed {broken['seed']}: {broken['violation']}")
        click.echo(f"    repeat it with: {broken['repeat']}")
    for name, count in summary.faults.items():
        click.echo(f"{count:10}  {name}")
    days = summary.virtual_seconds / 86400
    click.echo(
        f"{summary.runs} runs, {summary.sales} sales, {summary.entries} entries, {days:.1f} virtual days, "
        f"{summary.cpu_seconds:.1f} s CPU, {seconds:.1f} s; {len(summary.violations)} violations"
    )
