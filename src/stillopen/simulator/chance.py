"""One source of chance and one clock for everything in the process.

Server and registers draw ids, nonces and keys from the operating system and ask Django for the time. While
:func:`in_force` holds, both come from the simulated world, wherever they are asked for; so the
code under test needs no seam of its own and a seed gives the same run to the byte.
"""

import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.utils import timezone

# secrets and random.SystemRandom have taken their own reference to os.urandom.
_BYTES: tuple[tuple[Any, str], ...] = ((os, "urandom"), (random, "_urandom"))


@contextmanager
def in_force(source: random.Random, now: Callable[[], datetime]) -> Iterator[None]:
    """Inside, random bytes come from ``source`` and Django's time from ``now``."""
    places: list[tuple[Any, str, Any]] = [(m, name, source.randbytes) for m, name in _BYTES]
    places.append((timezone, "now", now))
    saved = [(module, name, getattr(module, name)) for module, name, _ in places]
    try:
        for module, name, value in places:
            setattr(module, name, value)
        yield
    finally:
        for module, name, value in saved:
            setattr(module, name, value)


def quiet(text: str) -> None:
    """Words for a person at the terminal, never part of a transcript."""
    sys.stderr.write(text + "\n")
