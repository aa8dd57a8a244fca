"""What happened, line by line: for people to read, and to compare two runs byte for byte."""

from hashlib import sha256
from typing import Protocol


class HasTime(Protocol):
    seconds: float


class Transcript:
    """Lines ``  time who: words``; the time in virtual seconds since the start."""

    def __init__(self, world: HasTime) -> None:
        self._world = world
        self._lines: list[tuple[float, str, str]] = []

    def add(self, who: str, words: str) -> None:
        self._lines.append((self._world.seconds, who, words))

    def lines(self, last: int | None = None) -> list[str]:
        """All of them, or the ``last`` ones."""
        chosen = self._lines if last is None else self._lines[-last:]
        return [f"{at:12.3f}  {who:<8} {words}" for at, who, words in chosen]

    def text(self) -> str:
        return "\n".join(self.lines()) + "\n"

    def digest(self) -> str:
        """The same for the same run: 16 hex digits."""
        return sha256(self.text().encode()).hexdigest()[:16]

    def said(self) -> list[str]:
        """``who words`` without the times, for scenarios."""
        return [f"{who} {words}" for _, who, words in self._lines]


def brief(data: bytes) -> str:
    """Enough of ``data`` to tell it from others."""
    return sha256(data).hexdigest()[:6]
