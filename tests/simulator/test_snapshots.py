"""Ready catalogue files in the simulated world: offered, fetched in parts, cut short, deleted, put in force."""

from collections import Counter

import pytest

from stillopen.simulator import faults, runner, till_download
from stillopen.simulator.runner import Simulator
from stillopen.simulator.summary import Plan
from stillopen.simulator.wire import Weather

WITH_FILES = ("cache_cleared", "snapshots_deleted", "server_backup_and_restore", "kill")


@pytest.mark.parametrize("part", range(2))
def test_whatever_happens_to_a_file_what_is_shown_is_one_snapshot(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    monkeypatch.setattr(runner, "_WITH_FILES", 1.0)
    plan = Plan(registers=3, sales=1, only=WITH_FILES, transcript=True)
    happened: Counter[str] = Counter()
    said: list[str] = []
    for seed in range(1 + 10 * part, 11 + 10 * part):
        result = simulator.run(seed, plan)
        assert not result.violation, f"{plan.command(seed)}: {result.violation}"
        happened.update(result.faults)
        said += result.transcript
    fetched = [line for line in said if "fetches a snapshot" in line]
    in_parts = [line for line in said if "answer for bytes" in line or "bytes 1500–" in line]
    assert len(fetched) > 10 * 3  # each till once, and some again
    assert in_parts
    assert happened["unflushed_files_cut"] and happened["snapshots_deleted"]


def test_on_a_line_with_a_long_round_trip_sales_do_not_keep_a_file_away(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each exchange changes the nonce that parts are signed with; both must not go round and round."""
    monkeypatch.setattr(runner, "_WITH_FILES", 1.0)
    monkeypatch.setattr(runner, "OPEN_FOR", 120.0)  # a sale every few seconds, sent at once
    monkeypatch.setattr(runner, "_LAGS", (0.01,))
    monkeypatch.setattr(till_download, "PART", 300)
    slow = Weather(latency=(0.7, 0.7))
    monkeypatch.setattr(faults.Faults, "_weather", lambda _: slow)
    plan = Plan(registers=2, sales=40, only=("cache_cleared",), transcript=True)
    fetched, refused = 0, 0
    for seed in range(1, 4):
        result = simulator.run(seed, plan)
        assert not result.violation, f"{plan.command(seed)}: {result.violation}"
        fetched += sum("fetches a snapshot" in line for line in result.transcript)
        refused += sum("stale_nonce" in line for line in result.transcript)
    assert fetched > 6
    assert refused < 3 * fetched, (refused, fetched)
