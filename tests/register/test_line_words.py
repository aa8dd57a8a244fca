"""The line in words, and the history of syncs page by page."""

from pathlib import Path

import pytest

from stillopen.register.clock import SystemClock
from stillopen.register.store.sending import SyncRun
from stillopen.register.till import Till
from stillopen.register.web.view_quality import quality_view, quality_words
from stillopen.sync.quality import Quality


@pytest.mark.parametrize(
    ("quality", "words"),
    [
        (Quality(), "not measured yet"),
        (Quality(round_trip=0.012, up=3_000_000.0), "good"),
        (Quality(round_trip=0.64, up=7_625.0, down=9_000.0), "slow: 61 kbit/s, 640 ms"),
        (Quality(round_trip=0.64), "slow: 640 ms"),
        (
            Quality(round_trip=0.01, answered=(False,) * 3 + (True,) * 17),
            "unsteady: 3 of 20 exchanges failed",
        ),
        (
            Quality(round_trip=0.64, up=7_625.0, answered=(False,) * 3 + (True,) * 17),
            "unsteady: 3 of 20 exchanges failed; 61 kbit/s, 640 ms",
        ),
    ],
)
def test_the_quality_of_the_line_in_words(quality: Quality, words: str) -> None:
    assert quality_words(quality) == words


def test_figures_stand_beside_the_words() -> None:
    view = quality_view(Quality(round_trip=0.0004, down=2_500_000.0, answered=(True, False)))
    assert (view.word, view.trip, view.up, view.down) == ("good", "1 ms", "", "20.0 Mbit/s")
    assert view.answered == "1 of 2 answered"


def test_the_history_of_syncs_comes_in_pages(tmp_path: Path) -> None:
    till = Till.open(tmp_path, SystemClock())
    for sent in range(45):
        till.journal.sending.log_sync(SyncRun(at=till.clock.now(), ok=True, sent=sent))
    seen: list[int] = []
    before: int | None = None
    pages = 0
    while True:
        runs, before = till.journal.sending.history_page(20, before)
        seen += [run.sent for run in runs]
        pages += 1
        if before is None:
            break
    assert (pages, seen) == (3, list(range(44, -1, -1)))
    till.close()
