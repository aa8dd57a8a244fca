"""The first hundred seeds, and that a seed gives the same run again."""

import json
import os
import subprocess
import sys

import pytest

from stillopen.simulator.runner import Simulator
from stillopen.simulator.summary import Plan
from tests.simulator.seeds import PARTS, check_part


@pytest.mark.parametrize("part", range(PARTS))
def test_the_invariants_hold(simulator: Simulator, part: int) -> None:
    check_part(simulator, part)


def test_without_faults_nothing_is_lost_and_nothing_happens(simulator: Simulator) -> None:
    result = simulator.run(1, Plan(registers=2, sales=5, faults=False))
    assert (result.violation, result.faults, result.sales) == ("", {}, 10)


def simulate(*arguments: str, hash_seed: str = "0") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stillopen", "simulate", *arguments]
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def test_a_seed_gives_the_same_run_in_another_process_to_the_byte() -> None:
    one, other = (
        simulate("--seed", "12", "--transcript", "--json", hash_seed=h) for h in ("1", "2")
    )
    assert one.returncode == 0, one.stderr[-2000:]
    assert len(one.stderr.splitlines()) > 100 and "fetches a snapshot" in one.stderr
    assert one.stderr == other.stderr
    summary = json.loads(one.stdout)
    assert summary["runs"] == 1 and summary["violations"] == []
    assert summary["entries"] > summary["sales"] > 0
    assert summary["virtual_seconds"] > 8 * 3600 and summary["cpu_seconds"] > 0


def test_processes_that_share_the_seeds_find_what_one_finds() -> None:
    asked = ("--seed", "31", "--runs", "3", "--registers", "2", "--sales", "3", "--json")
    one, shared = simulate(*asked), simulate(*asked, "--jobs", "2")
    assert (one.returncode, shared.returncode) == (0, 0), shared.stderr[-2000:]
    alone, together = json.loads(one.stdout), json.loads(shared.stdout)
    assert together["runs"] == 3 and together["faults"]
    for summary in (alone, together):
        del summary["cpu_seconds"]
    assert together == alone
    assert shared.stderr.splitlines()[-1] == "3 of 3 seeds, 0 violations"
