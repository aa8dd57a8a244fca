"""The indicator's colour follows from the age of the last sign of life, and probes go out in time."""

from hypothesis import given
from hypothesis import strategies as st

from stillopen.domain.policy import Line
from stillopen.sync.link import (
    INDICATOR,
    Cause,
    LineState,
    Link,
    Thresholds,
    alive,
    answered,
    errored,
    failed,
    line_of,
    policy_line,
    probe_due,
    probing,
)
from stillopen.sync.records import RegisterSettings, decode

T = Thresholds()


def test_a_record_without_limits_means_the_usual_ones() -> None:
    """Of an older Back Office, and of one where nobody chose others."""
    record = decode(b'{"kind":"register_settings","name":"R1"}')
    assert isinstance(record, RegisterSettings)
    usual = (T.yellow_after, T.red_after, T.probe_every)
    assert (record.yellow_after, record.red_after, record.probe_every) == usual


def test_a_cut_line_is_yellow_then_red_within_five_seconds() -> None:
    link = alive(Link(started=0), 10.0)
    assert line_of(link, 12.0, T) is LineState.CONNECTED
    assert line_of(link, 12.7, T) is LineState.RECONNECTING
    assert line_of(link, 14.6, T) is LineState.OFFLINE
    assert T.red_after <= 4.2  # half a second and more for a busy till and its page


def test_a_broken_stream_is_yellow_at_once_and_one_answer_mends_it() -> None:
    link = failed(alive(Link(started=0), 10.0), Cause.UNREACHABLE)
    assert line_of(link, 10.1, T) is LineState.RECONNECTING
    assert link.cause is Cause.UNREACHABLE
    assert line_of(alive(link, 10.5), 10.6, T) is LineState.CONNECTED


def test_an_answer_that_fails_is_unstable_and_red_after_a_while() -> None:
    link = alive(Link(started=0), 1.0)
    for second in range(2, 40):
        link = errored(link, float(second), Cause.SERVER_ERROR)
    assert line_of(link, 31.0, T) is LineState.UNSTABLE
    assert line_of(link, 39.0, T) is LineState.OFFLINE
    assert line_of(alive(link, 39.5), 39.6, T) is LineState.OFFLINE  # a probe alone heals nothing
    assert line_of(answered(link, 39.5, 0.1, T), 39.6, T) is LineState.CONNECTED


def test_a_crawling_line_is_unstable() -> None:
    assert line_of(answered(Link(started=0), 5.0, 6.0, T), 5.1, T) is LineState.UNSTABLE
    assert line_of(answered(Link(started=0), 5.0, 0.1, T), 5.1, T) is LineState.CONNECTED


def test_a_start_without_a_line_becomes_red() -> None:
    link = Link(started=100.0)
    assert line_of(link, 101.0, T) is LineState.RECONNECTING
    assert line_of(link, 104.6, T) is LineState.OFFLINE


def test_probes_start_with_doubt_and_wait_only_when_asked() -> None:
    link = alive(Link(started=0), 10.0)
    assert not probe_due(link, 11.0, 0, T)
    assert probe_due(link, 12.7, 0, T)
    link = probing(link, 12.7)
    assert not probe_due(link, 13.3, 0, T)
    assert probe_due(link, 14.01, 1, T)
    asked = errored(link, 14.0, Cause.SERVER_ERROR, retry_after=10)
    assert not probe_due(asked, 20.0, 0, T) and probe_due(asked, 24.1, 0, T)


def test_yellow_counts_as_uncertain_red_and_gray_as_offline() -> None:
    assert {s for s in LineState if policy_line(s) is Line.ONLINE} == {LineState.CONNECTED}
    assert {s for s in LineState if policy_line(s) is Line.UNCERTAIN} == {
        LineState.RECONNECTING,
        LineState.UNSTABLE,
    }
    assert set(INDICATOR) == set(LineState)


@given(st.lists(st.tuples(st.sampled_from("afe"), st.floats(0.01, 20)), max_size=30))
def test_offline_never_without_silence_or_failure(events: list[tuple[str, float]]) -> None:
    link, now, healthy = Link(started=0), 0.0, 0.0
    for kind, pause in events:
        now += pause
        if kind == "a":
            link, healthy = answered(link, now, 0.1, T), now
        elif kind == "f":
            link = failed(link, Cause.TIMEOUT)
        else:
            link = errored(link, now, Cause.SERVER_ERROR)
        if line_of(link, now, T) is LineState.OFFLINE:
            assert now - healthy > T.red_after
