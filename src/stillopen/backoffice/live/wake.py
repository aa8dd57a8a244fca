"""Waking the worker of this process: something was committed that the registers of a store are to be told of.

Only a hint to look. The worker looks by itself now and then, and a process that does not lead passes the
hint on (worker/service.py).
"""

from collections.abc import Callable

from django.db import transaction

_listeners: list[Callable[[], None]] = []


def subscribe(listener: Callable[[], None]) -> Callable[[], None]:
    """Call ``listener`` after each such commit, from the thread that committed: it sets an event and never
    raises. Returns a function that ends it."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


def wake_worker() -> None:
    """Once the open transaction is committed."""
    transaction.on_commit(_tell)


def _tell() -> None:
    for listener in list(_listeners):
        listener()
