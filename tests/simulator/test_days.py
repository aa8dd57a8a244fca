"""A run of several days: what came into the fleet on one is still there on the next."""

from stillopen.simulator.runner import Simulator
from stillopen.simulator.summary import Plan


def test_a_copy_of_a_later_day_is_another_till(simulator: Simulator) -> None:
    plan = Plan(registers=2, sales=1, days=4, publications=0, only=("clone",), transcript=True)
    result = simulator.run(1, plan)
    made = [line.split()[1] for line in result.transcript if " is a copy of " in line]
    assert not result.violation
    assert len(made) > 2 and len(set(made)) == len(made)
