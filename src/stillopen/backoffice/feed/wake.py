"""Waking whoever waits for a pulse: at once within this process, by NOTIFY to others on PostgreSQL.

On SQLite other processes see it in the file (``PRAGMA data_version``). Either way it is only a hint to
look: whoever listens also looks by itself now and then.
"""

import logging
from collections.abc import Callable
from uuid import UUID

from django.db import connection, transaction

Listener = Callable[[], None]

log = logging.getLogger(__name__)

#: The name under which PostgreSQL tells other processes.
CHANNEL = "stillopen_pulse"
_listeners: list[Listener] = []


def subscribe(listener: Listener) -> Callable[[], None]:
    """Call ``listener`` after each commit that moved a pulse in this process, from the thread that
    committed: it sets an event and never raises. Returns a function that ends it."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


def announce(account_id: UUID) -> None:
    """The pulse of ``account_id`` moves in the transaction that is open: tell of it once it is committed."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, str(account_id)])
    transaction.on_commit(_tell)


def _tell() -> None:
    for listener in list(_listeners):
        listener()
