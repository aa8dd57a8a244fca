"""The database connection of a thread before and after a piece of work."""

import select
from typing import Any

import django.db


def refresh() -> None:
    """Drop a connection that died or has had trouble; the next statement makes another.

    Django asks PostgreSQL ``SELECT 1`` before each piece of work. A server that has ended a connection has
    said so on its socket, so one on which nothing has come in needs no question.
    """
    django.db.close_old_connections()
    connection: Any = django.db.connection
    raw = connection.connection
    if connection.vendor == "postgresql" and raw is not None and not raw.closed:
        connection.health_check_done = not _has_come(raw.fileno())


def _has_come(descriptor: int) -> bool:
    """Whether anything, an end included, waits to be read. ``poll`` takes any number of descriptors."""
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(0))
