"""``stillopen bench NAME``: measure, beside the limit, in the same run."""

import importlib
import os
import platform
import signal
from collections.abc import Callable

import click
import msgspec

from stillopen import __version__
from stillopen.bench.figures import Figure, table

#: A workload: how much of the full size (1.0) to do → its figures.
Workload = Callable[[float], list[Figure]]

#: name → (module with ``run``, what it measures), in the order in which ``sync`` runs them.
WORKLOADS: dict[str, tuple[str, str]] = {
    "pay": ("stillopen.bench.pay", "a sale committed durably at the register"),
    "upload": ("stillopen.bench.upload", "10 000 sales made offline, received and applied"),
    "rush": ("stillopen.bench.rush", "20 registers at once, 500 sales each"),
    "grow": ("stillopen.bench.grow", "an exchange as the account grows"),
    "idle": ("stillopen.bench.idle", "an exchange with nothing to say"),
    "poke": (
        "stillopen.bench.poke",
        "from a publication's commit to one register, and to thousands",
    ),
    "first-sync": ("stillopen.bench.first_sync", "first sync of 50 000 products"),
    "stall": (
        "stillopen.bench.apply_stall",
        "a sale while a catalogue of 100 000 rows is replaced",
    ),
    "slow-link": ("stillopen.bench.slow_link", "a day of 500 sales over 64 kbit/s with stalls"),
    "fleet": ("stillopen.bench.fleet", "the simulator's rate"),
}
#: What ``bench sync`` runs.
SYNC = tuple(WORKLOADS)
QUICK = 0.01


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What ``--json`` prints."""

    name: str
    scale: float
    version: str
    python: str
    cpus: int
    figures: list[Figure]


@click.command()
@click.argument("name", type=click.Choice(["sync", *WORKLOADS]))
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON.")
@click.option(
    "--scale",
    type=click.FloatRange(0, 10, min_open=True),
    default=1.0,
    show_default=True,
    help="How much of the full work to do.",
)
@click.option("--quick", is_flag=True, help=f"A glance: the same as --scale {QUICK}.")
def bench(name: str, as_json: bool, scale: float, quick: bool) -> None:
    """Measure NAME, each figure beside its limit in the same run; sync: everything about synchronization.

    Starts Back Offices and registers of its own in a folder for temporary files (TMPDIR); PostgreSQL
    is run from the machine's own programs.
    """
    # What was started is stopped on the way out: ended by SIGTERM, as by Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    size = QUICK if quick else scale
    figures: list[Figure] = []
    for work in SYNC if name == "sync" else [name]:
        click.echo(f"{work}: {WORKLOADS[work][1]} …", err=True)
        figures += workload(work)(size)
    report = Report(
        name=name,
        scale=size,
        version=__version__,
        python=platform.python_version(),
        cpus=os.cpu_count() or 0,
        figures=figures,
    )
    click.echo(msgspec.json.encode(report).decode() if as_json else table(figures))


def workload(name: str) -> Workload:
    """The ``run`` of a workload's module, which is imported only now."""
    work: Workload = importlib.import_module(WORKLOADS[name][0]).run
    return work
