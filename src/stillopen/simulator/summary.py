"""What a run is to do and what it came to: plain values, which also a process without a Back Office reads."""

from collections import Counter

import msgspec


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What every seed does. ``registers`` and ``sales`` (per register and day) None: the seed chooses."""

    registers: int | None = None
    sales: int | None = None
    days: int = 1
    publications: int = 2  # a day
    faults: bool = True
    only: tuple[str, ...] = ()  # of the faults, by the names in faults.py; none: all
    transcript: bool = False  # keep all of it

    def command(self, seed: int) -> str:
        """What repeats ``seed``."""
        words = ["stillopen simulate", f"--seed {seed}"]
        words += [f"--registers {self.registers}"] if self.registers else []
        words += [f"--sales {self.sales}"] if self.sales is not None else []
        words += [f"--days {self.days}"] if self.days != 1 else []
        words += [f"--publications {self.publications}"] if self.publications != 2 else []
        words += [] if self.faults else ["--no-faults"]
        return " ".join(words)


class Result(msgspec.Struct, frozen=True, kw_only=True):
    seed: int
    entries: int
    sales: int
    registers: int
    virtual_seconds: float
    faults: dict[str, int]
    violation: str = ""
    digest: str = ""  # of the transcript
    transcript: list[str] = []


class Summary(msgspec.Struct, kw_only=True):
    """A row of runs."""

    runs: int = 0
    entries: int = 0
    sales: int = 0
    faults: dict[str, int] = {}
    virtual_seconds: float = 0.0
    cpu_seconds: float = 0.0
    violations: list[dict[str, object]] = []

    def add(self, result: Result, plan: Plan) -> None:
        self.runs += 1
        self.entries += result.entries
        self.sales += result.sales
        self.faults = _sum(self.faults, result.faults)
        self.virtual_seconds += result.virtual_seconds
        if result.violation:
            self.violations.append(
                {
                    "seed": result.seed,
                    "violation": result.violation,
                    "repeat": plan.command(result.seed),
                }
            )

    def join(self, other: "Summary") -> None:
        """Another process had other seeds."""
        self.runs += other.runs
        self.entries += other.entries
        self.sales += other.sales
        self.faults = _sum(self.faults, other.faults)
        self.virtual_seconds += other.virtual_seconds
        self.cpu_seconds += other.cpu_seconds
        self.violations += other.violations


def _sum(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return dict(sorted((Counter(one) + Counter(other)).items()))
