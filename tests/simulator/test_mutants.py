"""Each mutant is caught by one of its invariants, within so many seeds."""

import re
from collections.abc import Callable

import pytest

from stillopen.simulator.runner import Simulator
from stillopen.simulator.summary import Plan
from tests.simulator.mutants import MUTANTS


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_it_is_caught(
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    mutant: Callable[[pytest.MonkeyPatch], None],
) -> None:
    invariants, within, only, registers = MUTANTS[mutant]
    plan = Plan(registers=registers, only=only)
    mutant(monkeypatch)
    for seed in range(1, within + 1):
        result = simulator.run(seed, plan)
        if result.violation:
            number = re.match(r"invariant (\d)", result.violation)
            assert number and int(number[1]) in invariants, result.violation
            print(f"{mutant.__name__}: seed {seed}, {result.violation}")
            return
    pytest.fail(f"not caught within {within} seeds")
