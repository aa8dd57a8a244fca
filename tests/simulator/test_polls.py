"""Idle polls are left out, and only those: a till that was not poked still finds out what is new."""

import pytest

from stillopen.simulator import fleet
from stillopen.simulator.runner import Simulator
from stillopen.simulator.summary import Plan

OPENED = 600.0  # virtual seconds until every till has its catalogue and has said so


def day_of(simulator: Simulator, publications: int) -> list[str]:
    """What happened on a day without sales, from the opening until the end of the faults."""
    plan = Plan(registers=2, sales=0, publications=publications, faults=False, transcript=True)
    result = simulator.run(1, plan)
    assert not result.violation
    lines = result.transcript
    end = next(n for n, line in enumerate(lines) if line.endswith("the faults are over"))
    return [line for line in lines[:end] if float(line.split()[0]) > OPENED]


def test_where_nothing_happens_nobody_asks(simulator: Simulator) -> None:
    assert [line for line in day_of(simulator, 0) if "→ request" in line] == []


def test_a_poll_finds_what_no_poke_told(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "_POKED", 0.0)
    day = day_of(simulator, 2)
    published = next(n for n, line in enumerate(day) if "server   publishes" in line)
    for name in ("R1", "R2"):
        assert any(f"{name}       shows a new catalogue" in line for line in day[published:])
