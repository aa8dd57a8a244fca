"""The second hundred seeds."""

import pytest

from stillopen.simulator.runner import Simulator
from tests.simulator.seeds import PARTS, check_part


@pytest.mark.parametrize("part", range(PARTS, 2 * PARTS))
def test_the_invariants_hold(simulator: Simulator, part: int) -> None:
    check_part(simulator, part)
