"""Scenarios of lineage as text, each with the transcript that it leads to beside it.

After a change that is meant: ``STILLOPEN_WRITE_SCENARIOS=1 pytest tests/simulator/test_scenarios.py``,
then read the difference.
"""

import os
import re
from pathlib import Path

import pytest

from stillopen.simulator.runner import Simulator
from stillopen.simulator.scenario import BadStep

FOLDER = Path(__file__).parent / "scenarios"
SCENARIOS = sorted(FOLDER.glob("*.txt"))
LOCAL_LABEL = re.compile(r"x\d{4}\b")


def with_labels_counted(transcript: str) -> str:
    """A till makes the label of an epoch from a random id: told apart here, but by their order."""
    labels = list(dict.fromkeys(LOCAL_LABEL.findall(transcript)))
    return LOCAL_LABEL.sub(lambda found: f"x(own {labels.index(found[0]) + 1})", transcript)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenario(simulator: Simulator, path: Path) -> None:
    transcript = with_labels_counted("\n".join(simulator.play(path.read_text())) + "\n")
    expected = path.with_suffix(".transcript")
    if os.environ.get("STILLOPEN_WRITE_SCENARIOS"):
        expected.write_text(transcript)
    assert transcript == expected.read_text()


def test_a_hundred_registers_return_at_once(simulator: Simulator) -> None:
    simulator.play(
        "cut all\nall sell 2\npublish 100 at 999\nmend all\nexpect server holds 200 receipts\n"
        "expect R1 synced\nexpect R100 synced\ncheck",
        registers=100,
    )


@pytest.mark.parametrize("step", ["R1 dances", "expect R1 synced\nexpect server holds 3 receipts"])
def test_a_step_that_does_not_hold_names_its_line(simulator: Simulator, step: str) -> None:
    with pytest.raises(BadStep, match="line [12]: "):
        simulator.play(step)
