"""How fast the simulator is: fleet-days of five registers with sixty sales each, faults on, per CPU minute."""

import subprocess

import msgspec

from stillopen.bench.figures import Figure, figure
from stillopen.bench.office import COMMAND
from stillopen.domain.errors import DomainError

DAYS = 50
REGISTERS, SALES = 5, 60
AT_LEAST = 100  # fleet-days per CPU minute


class _Summary(msgspec.Struct):
    """What is used of ``stillopen simulate --json``."""

    runs: int
    cpu_seconds: float
    virtual_seconds: float
    violations: list[dict[str, object]]


def run(scale: float) -> list[Figure]:
    days = max(1, int(DAYS * scale))
    done = subprocess.run(
        [
            *(*COMMAND, "simulate", "--seed", "1", "--runs", str(days), "--json"),
            *("--registers", str(REGISTERS), "--sales", str(SALES)),
        ],
        capture_output=True,
        check=False,
    )
    try:
        found = msgspec.json.decode(done.stdout, type=_Summary)
    except msgspec.DecodeError:
        said = done.stderr.decode(errors="replace").strip()[-500:]
        raise DomainError("bench_failed", f"The simulator did not report: {said}") from None
    return [
        figure(
            f"simulator, {found.runs} fleet-days of {REGISTERS} registers × {SALES} sales, faults on",
            found.runs / (found.cpu_seconds / 60),
            "days/min",
            at_least=AT_LEAST,
            cpu_seconds=found.cpu_seconds,
            note=f"{len(found.violations)} violations; "
            f"{found.virtual_seconds / found.cpu_seconds:.0f} × real time",
        )
    ]
