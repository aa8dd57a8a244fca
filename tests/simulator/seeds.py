"""Two hundred seeds in two files, so that two processes share them. ``make simulate`` runs 10 000."""

from stillopen.simulator.runner import Simulator
from stillopen.simulator.summary import Plan

#: Of each file: so many tests of so many seeds each.
PARTS, SEEDS_EACH = 10, 10


def check_part(simulator: Simulator, part: int) -> None:
    """Whatever happens to the fleet, the invariants hold."""
    plan = Plan(registers=2, sales=6)
    for seed in range(1 + part * SEEDS_EACH, 1 + (part + 1) * SEEDS_EACH):
        result = simulator.run(seed, plan)
        lines = "\n".join(result.transcript)
        assert not result.violation, f"{lines}\n{plan.command(seed)}: {result.violation}"
        assert result.entries > 0
