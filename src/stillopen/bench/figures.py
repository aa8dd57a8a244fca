"""One measured figure beside its limit: a time or a rate alone says more about the machine than about us."""

import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

_HEADINGS = ("what", "measured", "limit", "ratio", "goal", "met", "CPU s")
_TICKS = os.sysconf("SC_CLK_TCK")


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """``ratio`` is ``value / limit``; ``goal`` in words, ``met`` None where there is none.

    ``cpu_seconds`` of all processes that took part on the measured side, during the measured work.
    """

    name: str
    value: float
    unit: str
    limit: float | None = None
    limit_name: str = ""
    ratio: float | None = None
    goal: str = ""
    met: bool | None = None
    cpu_seconds: float | None = None
    load: float = 0.0  # the machine's load average of the last minute
    note: str = ""


def figure(
    name: str,
    value: float,
    unit: str,
    *,
    limit: float | None = None,
    limit_name: str = "",
    at_least: float | None = None,
    at_most: float | None = None,
    ratio_at_least: float | None = None,
    ratio_at_most: float | None = None,
    cpu_seconds: float | None = None,
    note: str = "",
) -> Figure:
    """A figure with its goals: bounds on the value, on its ratio to ``limit``, or both."""
    ratio = value / limit if limit else None
    bounds: list[tuple[str, bool]] = []
    if ratio_at_least is not None and ratio is not None:
        bounds.append((f"≥ {ratio_at_least:g} ×", ratio >= ratio_at_least))
    if ratio_at_most is not None and ratio is not None:
        bounds.append((f"≤ {ratio_at_most:g} ×", ratio <= ratio_at_most))
    if at_least is not None:
        bounds.append((f"≥ {shown(at_least)} {unit}", value >= at_least))
    if at_most is not None:
        bounds.append((f"≤ {shown(at_most)} {unit}", value <= at_most))
    return Figure(
        name=name,
        value=value,
        unit=unit,
        limit=limit,
        limit_name=limit_name,
        ratio=ratio,
        goal=", ".join(words for words, _ in bounds),
        met=all(met for _, met in bounds) if bounds else None,
        cpu_seconds=cpu_seconds,
        load=os.getloadavg()[0],
        note=note,
    )


def shown(value: float) -> str:
    """Three significant digits, and no more digits than that behind the point."""
    if abs(value) >= 100:
        return f"{value:,.0f}".replace(",", "\u202f")
    return f"{value:.3g}"


def table(figures: Sequence[Figure]) -> str:
    """For a terminal: one line for each figure, then the notes."""
    rows: list[tuple[str, ...]] = [_HEADINGS]
    rows += [_row(number, f) for number, f in enumerate(figures, 1)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows]
    lines.insert(1, "  ".join("─" * w for w in widths))
    notes = [f"{n}  {_words(f)}" for n, f in enumerate(figures, 1) if _words(f)]
    return "\n".join([*lines, "", *notes])


def _words(f: Figure) -> str:
    limit = f"limit: {f.limit_name}" if f.limit_name else ""
    return "; ".join(words for words in (limit, f.note) if words)


def _row(number: int, f: Figure) -> tuple[str, ...]:
    return (
        f"{number}  {f.name}",
        f"{shown(f.value)} {f.unit}",
        "" if f.limit is None else f"{shown(f.limit)} {f.unit}",
        "" if f.ratio is None else f"{f.ratio:.2f} ×",
        f.goal,
        "" if f.met is None else "yes" if f.met else "NO",
        "" if f.cpu_seconds is None else f"{f.cpu_seconds:.2f}",
    )


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` (0 … 1) of ``values`` lie."""
    if len(values) < 2:
        return values[0]
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


class Stopwatch:
    """Seconds since it was made, and the CPU seconds that the processes ``pids`` took meanwhile."""

    def __init__(self, *pids: int) -> None:
        self._pids = pids
        self._cpu = cpu_seconds(*pids)
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._began

    @property
    def cpu(self) -> float:
        return cpu_seconds(*self._pids) - self._cpu


def cpu_seconds(*pids: int) -> float:
    """CPU time of these processes and everything they started, ended children included."""
    children: dict[int, list[int]] = {}
    ticks: dict[int, int] = {}
    for pid, parent, used in _processes():
        children.setdefault(parent, []).append(pid)
        ticks[pid] = used
    family: set[int] = set()
    ahead = list(pids)
    while ahead:
        pid = ahead.pop()
        if pid not in family:
            family.add(pid)
            ahead += children.get(pid, [])
    return sum(ticks.get(pid, 0) for pid in family) / _TICKS


def _processes() -> Iterator[tuple[int, int, int]]:
    """(pid, its parent, its ticks and those of its ended children)"""
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                fields = (place / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            yield int(place.name), int(fields[1]), sum(map(int, fields[11:15]))


@contextmanager
def timed(into: list[float]) -> Iterator[None]:
    """Append the seconds that the block took."""
    began = time.perf_counter()
    yield
    into.append(time.perf_counter() - began)
