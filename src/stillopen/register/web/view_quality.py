"""The quality of the line in words, with its figures behind them."""

import msgspec

from stillopen.sync.quality import Quality


class QualityView(msgspec.Struct, frozen=True, kw_only=True):
    """Ready for the templates; a figure that is not known is empty."""

    word: str  # "good", "slow", "unsteady", "not measured yet"
    rest: str  # why
    tone: str
    icon: str
    trip: str
    up: str
    down: str
    answered: str  # "17 of 20 answered"


def quality_view(quality: Quality) -> QualityView:
    word, _, rest = quality_words(quality).partition(": ")
    tone, icon = {
        "good": ("green", "check"),
        "slow": ("yellow", "clock"),
        "unsteady": ("yellow", "unstable"),
    }.get(word, ("", "idle"))
    tried = len(quality.answered)
    return QualityView(
        word=word,
        rest=rest,
        tone=tone,
        icon=icon,
        trip=trip_words(quality),
        up=speed_words(quality.up),
        down=speed_words(quality.down),
        answered=f"{tried - quality.failed} of {tried} answered" if tried else "none yet",
    )


def quality_words(quality: Quality) -> str:
    """``good``, ``slow: 61 kbit/s, 640 ms``, ``unsteady: 3 of 20 exchanges failed; 61 kbit/s, 640 ms``."""
    figures = ", ".join(x for x in (speed_words(quality.throughput), trip_words(quality)) if x)
    if quality.is_unsteady:
        failed = f"{quality.failed} of {len(quality.answered)} exchanges failed"
        return f"unsteady: {failed}" + (f"; {figures}" if figures and quality.is_slow else "")
    if not figures:
        return "not measured yet"
    return f"slow: {figures}" if quality.is_slow else "good"


def trip_words(quality: Quality) -> str:
    """``640 ms``; nothing before it was measured."""
    trip = quality.round_trip
    return "" if trip is None else f"{max(trip * 1000, 1):.0f} ms"


def speed_words(throughput: float | None) -> str:
    """Bytes per second as people are sold them: ``61 kbit/s``, ``24 Mbit/s``."""
    if throughput is None:
        return ""
    bits = throughput * 8
    return f"{bits / 1_000_000:.1f} Mbit/s" if bits >= 1_000_000 else f"{bits / 1000:.0f} kbit/s"
