"""A run of several days: what came into the fleet on one is still there on the next."""

from stillopen.simulator.runner import Simulator
from stillopen.simulator.summary import Plan
from stillopen.simulator.till_syncer import longest_wait


def test_a_copy_of_a_later_day_is_another_till(simulator: Simulator) -> None:
    plan = Plan(registers=2, sales=1, days=4, publications=0, only=("clone",), transcript=True)
    result = simulator.run(1, plan)
    made = [line.split()[1] for line in result.transcript if " is a copy of " in line]
    assert not result.violation
    assert len(made) > 2 and len(set(made)) == len(made)


def test_a_till_that_is_refused_for_days_goes_on_asking() -> None:
    assert [longest_wait(503, times) for times in (1, 5, 6, 5000)] == [2.0, 32.0, 60.0, 60.0]
    assert [longest_wait(401, times) for times in (9, 10, 5000)] == [512.0, 600.0, 600.0]
