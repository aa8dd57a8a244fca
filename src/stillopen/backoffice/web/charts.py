"""Charts as numbers for an SVG, worked out here: the template only draws them."""

from collections.abc import Sequence
from dataclasses import dataclass

from stillopen.backoffice.reports.takings import Hour
from stillopen.domain.money import minor_digits

HEIGHT = 210
_BOTTOM, _TOP = 26, 12
_FEWEST = 8  # hours that are shown
_BAR = 0.5  # of an hour's place; the bar of a week ago stands a little behind today's


@dataclass(frozen=True)
class Bar:
    """One hour: edges, middle and width in percent, so that letters keep their size; tops and heights in
    pixels."""

    hour: int
    middle: float
    width: float
    left: float
    top: float
    height: float
    before_left: float
    before_top: float
    before_height: float


@dataclass(frozen=True)
class HourChart:
    """``lines`` are (y, amount in minor units) of the scale."""

    height: int
    base: int
    bars: list[Bar]
    lines: list[tuple[float, int]]


def hour_chart(hours: Sequence[Hour], currency: str) -> HourChart:
    """Bars of today before those of a week earlier; refunds that outweigh an hour's sales show as nothing."""
    hours = [*hours, *_hours_to_come(hours)]
    base = HEIGHT - _BOTTOM
    step = scale_step(max((max(h.total, h.before) for h in hours), default=0), currency)
    slot = 100 / max(len(hours), 1)

    def height(amount: int) -> float:
        return round(max(amount, 0) / (step * 4) * (base - _TOP), 1)

    def bar(place: int, h: Hour) -> Bar:
        edge = place * slot
        return Bar(
            hour=h.hour,
            middle=round(edge + slot / 2, 2),
            width=round(slot * _BAR, 2),
            left=round(edge + slot * 0.36, 2),
            top=base - height(h.total),
            height=height(h.total),
            before_left=round(edge + slot * 0.14, 2),
            before_top=base - height(h.before),
            before_height=height(h.before),
        )

    return HourChart(
        height=HEIGHT,
        base=base,
        bars=[bar(place, h) for place, h in enumerate(hours)],
        lines=[(base - height(step * i), step * i) for i in range(1, 5)],
    )


def _hours_to_come(hours: Sequence[Hour]) -> list[Hour]:
    """Room for the rest of a day that has just begun: one hour alone would be a wall."""
    missing = _FEWEST - len(hours) if hours else 0
    return [Hour((hours[-1].hour + i) % 24, 0, 0, 0) for i in range(1, missing + 1)]


def scale_step(largest: int, currency: str) -> int:
    """A round amount (1, 2 or 5 times a power of ten, at least one major unit) of which four cover ``largest``."""
    power = int(10 ** minor_digits(currency))
    while True:
        for factor in (1, 2, 5):
            if factor * power * 4 >= largest:
                return factor * power
        power *= 10
