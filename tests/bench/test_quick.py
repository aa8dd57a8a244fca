"""That the measurements run and report in their shape; what they measure is not judged here."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from stillopen.bench.cli import SYNC
from stillopen.bench.figures import figure, table
from tests.support.process import STILLOPEN, output, wait_for


def test_a_glance_at_a_workload_reports_every_figure_with_its_limit() -> None:
    report = json.loads(output("bench", "pay", "--quick", "--json"))
    assert report["name"] == "pay"
    assert [f["unit"] for f in report["figures"]] == ["ms"] * 4
    for found in report["figures"]:
        assert found["value"] > 0 and found["limit"] > 0
        assert abs(found["ratio"] - found["value"] / found["limit"]) < 1e-6
    assert report["figures"][0]["goal"] and report["figures"][0]["met"] in (True, False)


@pytest.mark.soak
def test_every_workload_runs() -> None:
    report = json.loads(output("bench", "sync", "--scale", "0.01", "--json"))
    assert len(report["figures"]) >= len(SYNC)


def test_a_goal_is_met_when_all_its_bounds_are() -> None:
    both = figure("x", 10, "ms", limit=5, ratio_at_most=3, at_most=20)
    assert both.met and both.ratio == 2
    assert figure("x", 10, "ms", limit=5, ratio_at_most=1.5, at_most=20).met is False
    assert figure("x", 10, "1/s", limit=5, ratio_at_least=1, at_least=20).met is False
    assert figure("x", 10, "ms").met is None
    assert "2.00 ×" in table([both])


def test_ended_from_outside_it_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [STILLOPEN, "bench", "upload", "--quick"]
    bench = subprocess.Popen(command, env=os.environ | {"TMPDIR": str(tmp_path)})
    wait_for(lambda: any(tmp_path.rglob("serve.log")), 40, "a Back Office of the bench is started")
    bench.terminate()
    assert bench.wait(30) != 0
    assert list(tmp_path.iterdir()) == []
