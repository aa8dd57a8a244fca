"""What a register makes of the times of its exchanges, and of streams that something on the way holds back."""

from hypothesis import given
from hypothesis import strategies as st

from stillopen.sync import listening, quality
from stillopen.sync.listening import Listening
from stillopen.sync.quality import Quality, Timing


def line(round_trip: float, speed: float, sent: int, received: int) -> Timing:
    """One exchange over a line of that round trip and that speed, both ways (bytes per second)."""
    began = round_trip + sent / speed
    return Timing(sent, received, began, began + received / speed)


@given(
    st.floats(0.05, 2.0),
    st.floats(4_000, 100_000),
    st.lists(st.tuples(st.integers(6_000, 90_000), st.integers(6_000, 90_000)), min_size=1),
)
def test_round_trip_and_throughput_are_told_apart(
    trip: float, speed: float, loads: list[tuple[int, int]]
) -> None:
    known = quality.measured(Quality(), Timing(500, 200, trip, trip))
    for sent, received in loads:
        known = quality.measured(known, line(trip, speed, sent, received))
    assert known.round_trip is not None and abs(known.round_trip - trip) < 0.01 * trip
    assert known.up is not None and abs(known.up - speed) < 0.05 * speed
    assert known.down is not None and abs(known.down - speed) < 0.05 * speed
    assert abs(quality.expected(known, 10_000) - (trip + 10_000 / speed)) < 0.2 + 0.1 * trip


def test_one_bad_sample_moves_the_figures_a_little() -> None:
    known = Quality()
    for _ in range(10):
        known = quality.measured(known, line(0.1, 50_000, 500, 200))
    late = quality.measured(known, Timing(500, 200, 2.1, 2.1))
    assert known.round_trip is not None and late.round_trip is not None
    assert late.round_trip - known.round_trip <= 0.5 + 0.01


def test_failures_are_remembered_for_twenty_exchanges() -> None:
    known = Quality()
    for _ in range(3):
        known = quality.missed(known)
    for _ in range(17):
        known = quality.measured(known, Timing(500, 200, 0.01, 0.01))
    assert (known.failed, len(known.answered), known.is_unsteady) == (3, 20, True)
    for _ in range(2):
        known = quality.measured(known, Timing(500, 200, 0.01, 0.01))
    assert known.failed == 1 and not known.is_unsteady


def test_a_held_back_stream_means_polls_for_a_while() -> None:
    mode = listening.held_back(Listening(), 100.0)
    assert listening.by_poll(mode, 100.0) and listening.by_poll(mode, 699.0)
    assert not listening.by_poll(mode, 701.0)


def test_streams_that_are_closed_again_and_again_mean_polls_but_one_break_does_not() -> None:
    mode = Listening()
    for at in (10.0, 25.0):
        mode = listening.ended(mode, at, 12.0)
        assert not listening.by_poll(mode, at)
    assert listening.by_poll(listening.ended(mode, 40.0, 12.0), 41.0)
    assert not listening.by_poll(listening.ended(mode, 200.0, 12.0), 201.0), "long ago"
    assert not listening.by_poll(listening.ended(mode, 40.0, 3000.0), 41.0), "it was worth having"


@given(st.floats(0.5, 60), st.floats(0, 5))
def test_a_poll_is_answered_before_the_indicator_turns(yellow: float, trip: float) -> None:
    wait = listening.poll_wait(yellow, trip)
    assert 0.5 <= wait <= 25
    assert wait + trip <= 0.6 * yellow + 1e-9 or wait == 0.5
