"""Who is listening, and what they must be told: one watcher per process over all poke streams.

The watcher looks at the accounts' pulses every :data:`LOOK` seconds with one small query. A pulse that
moved means that something was published or a register changed: the heads of that account's scopes and
the state of its registers then say whom to poke. Publishing and the streams need not be in one process.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import django.db
from django.db import close_old_connections, connection

from stillopen.backoffice.devices.models import Register
from stillopen.backoffice.feed.models import Head, Pulse

LOOK = 0.1  # seconds
SEEN = 10.0  # seconds between writing down who is connected

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Stream:
    """One open stream. ``events`` are read by its coroutine; ``heads`` is scope → seq as last told."""

    account: str
    register: str
    public_key: bytes
    heads: dict[str, int]
    events: asyncio.Queue[str] = field(default_factory=asyncio.Queue)


class Hub:
    """``add`` and ``remove`` belong to the event loop; the watching has a thread of its own."""

    def __init__(self) -> None:
        self._streams: set[Stream] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, stream: Stream) -> None:
        self._streams.add(stream)
        if self._thread is None:
            self._loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._watch, name="pokes", daemon=True)
            self._thread.start()

    def remove(self, stream: Stream) -> None:
        self._streams.discard(stream)

    def close(self) -> None:
        """End all streams: an open one would keep the server from shutting down."""
        self._stop.set()
        for stream in self._streams:
            stream.events.put_nowait("end")

    # -- the watcher's thread

    def _watch(self) -> None:
        pulses: dict[str, int] = {}
        seen = time.monotonic()
        while not self._stop.wait(LOOK):
            streams = list(self._streams)
            if not streams:
                continue
            try:
                pulses = self._look(streams, pulses)
                if time.monotonic() - seen >= SEEN:
                    seen = time.monotonic()
                    _write_seen(streams)
            except django.db.Error as error:
                log.warning("the poke streams cannot look at the database: %s", error)
                with contextlib.suppress(django.db.Error):
                    connection.close()
                self._stop.wait(1.0)
        connection.close()

    def _look(self, streams: Sequence[Stream], before: Mapping[str, int]) -> dict[str, int]:
        close_old_connections()
        now = {str(a): n for a, n in Pulse.objects.values_list("account_id", "count")}
        moved = {a for a, n in now.items() if before.get(a) != n}
        for account in moved & {s.account for s in streams}:
            self._tell(account, [s for s in streams if s.account == account])
        return now

    def _tell(self, account: str, streams: Sequence[Stream]) -> None:
        heads = dict(Head.objects.filter(account_id=account).values_list("scope", "seq"))
        keys = {
            str(r): bytes(key or b"") if state == Register.State.ACTIVE else None
            for r, key, state in Register.objects.filter(account_id=account).values_list(
                "id", "public_key", "state"
            )
        }
        for stream in streams:
            if keys.get(stream.register) != stream.public_key:
                self._send(stream, "revoked")
            elif any(heads.get(scope, 0) != seq for scope, seq in stream.heads.items()):
                stream.heads = {scope: heads.get(scope, 0) for scope in stream.heads}
                self._send(stream, "poke")

    def _send(self, stream: Stream, event: str) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(stream.events.put_nowait, event)


def _write_seen(streams: Sequence[Stream]) -> None:
    """A connected register is heard of, even when it has nothing to say."""
    Register.objects.filter(id__in={s.register for s in streams}).update(
        last_seen_at=datetime.now(UTC)
    )
