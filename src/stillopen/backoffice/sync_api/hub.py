"""Who listens, and when to tell them: one thread watches the pulses of all connected accounts.

A pulse counts up with everything that registers must be told of (feed/publish.py: beat). Ten times a
second one small query looks at them; only for an account whose pulse moved is it read which of its
registers are concerned.

An open stream is no sign of life: it only goes one way, and on a line that died silently it stays open.
When a register was last heard of is written by its exchanges alone.
"""

import asyncio
import logging
import threading
from collections.abc import Iterable, Mapping
from typing import Any

import django.db
import msgspec

from stillopen.backoffice.feed.pages import scopes_of
from stillopen.backoffice.ingest.sql import Cursor, canonical, engine

log = logging.getLogger(__name__)

HEARTBEAT = 2.0  # seconds
LOOK_EVERY = 0.1
_AFTER_ERROR = 1.0


class Ticket(msgspec.Struct, frozen=True):
    """A register that may listen; ``seqs`` is where it stands in its scopes, as it last said."""

    register: str
    account: str
    public_key: bytes
    seqs: Mapping[str, int]


class Stream:
    """One open connection. Lives on the event loop; what is due for it waits in ``_due``, each once."""

    __slots__ = ("_due", "_timer", "_waiter", "ended", "loop", "seqs", "ticket")

    def __init__(self, ticket: Ticket, loop: asyncio.AbstractEventLoop) -> None:
        self.ticket = ticket
        self.seqs = dict(ticket.seqs)
        self.loop = loop
        self.ended = False
        self._due: list[str] = []
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._beat()

    def _beat(self) -> None:
        self.tell("hb")
        self._timer = self.loop.call_later(HEARTBEAT, self._beat)

    def tell(self, event: str) -> None:
        """Let ``event`` go out next; once is enough while it has not gone out."""
        if event not in self._due:
            self._due.append(event)
        self._wake()

    def end(self, event: str = "") -> None:
        """Close after what is due, and after ``event`` if there is one."""
        self.ended = True
        if event:
            self.tell(event)
        if self._timer is not None:
            self._timer.cancel()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def due(self) -> list[str]:
        """The events to send now; waits for one, or for the end."""
        if not self._due and not self.ended:
            self._waiter = self.loop.create_future()
            await self._waiter
            self._waiter = None
        events, self._due = self._due, []
        return events


class Hub:
    """All streams of this process. :meth:`join`, :meth:`leave` and :meth:`stop` on the event loop."""

    def __init__(self) -> None:
        self._streams: dict[str, Stream] = {}  # by register
        self._accounts: dict[str, set[Stream]] = {}
        self._fresh: set[Stream] = set()  # joined since the last look
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._watch = Watch()

    def join(self, ticket: Ticket) -> Stream:
        """A register has one stream: a new one ends the old."""
        stream = Stream(ticket, asyncio.get_running_loop())
        if self._stopped.is_set():
            stream.end()
            return stream
        with self._lock:
            old = self._streams.get(ticket.register)
            self._streams[ticket.register] = stream
            self._accounts.setdefault(ticket.account, set()).add(stream)
            self._fresh.add(stream)
        if old is not None:
            old.end()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="pokes", daemon=True)
            self._thread.start()
        return stream

    def leave(self, stream: Stream) -> None:
        stream.end()
        ticket = stream.ticket
        with self._lock:
            if self._streams.get(ticket.register) is stream:
                del self._streams[ticket.register]
            group = self._accounts.get(ticket.account, set())
            group.discard(stream)
            if not group:
                self._accounts.pop(ticket.account, None)

    def stop(self) -> None:
        """End all streams and the thread."""
        self._stopped.set()
        with self._lock:
            streams = list(self._streams.values())
        for stream in streams:
            stream.end()

    # -- in the thread

    def _run(self) -> None:
        while not self._stopped.wait(LOOK_EVERY):
            try:
                self._look()
            except django.db.Error as error:
                log.warning("pokes: the database does not answer: %s", error)
                self._watch.forget()
                self._stopped.wait(_AFTER_ERROR)
        django.db.connections.close_all()

    def _look(self) -> None:
        """Tell the streams of accounts that moved, and those that joined: for them anything may be new."""
        with self._lock:
            accounts = list(self._accounts)
            fresh, self._fresh = self._fresh, set()
        if not accounts:
            return
        try:
            moved = self._watch.moved(accounts)
            for account in {*moved, *(stream.ticket.account for stream in fresh)}:
                with self._lock:
                    group = self._accounts.get(account, set())
                    streams = list(group if account in moved else group & fresh)
                self._tell(streams, self._watch.read(account, [s.ticket for s in streams]))
        except django.db.Error:
            with self._lock:
                self._fresh.update(*self._accounts.values())
            raise

    def _tell(self, streams: Iterable[Stream], news: Mapping[str, "News | None"]) -> None:
        for stream in streams:
            at = news.get(stream.ticket.register)
            if at is None or at.public_key != stream.ticket.public_key:
                stream.loop.call_soon_threadsafe(stream.end, "revoked")
            elif at.seqs != stream.seqs:
                stream.seqs = at.seqs
                stream.loop.call_soon_threadsafe(stream.tell, "poke")


class News(msgspec.Struct, frozen=True):
    """Where an active register's scopes stand; and the key of the device that is bound to it."""

    public_key: bytes
    seqs: dict[str, int]


class Watch:
    """The queries of the thread, on its own connection."""

    def __init__(self) -> None:
        self._pulses: dict[str, int] = {}
        self._version: int | None = None

    def forget(self) -> None:
        """After an error: a new connection, and look at everything again."""
        self._pulses, self._version = {}, None
        django.db.connection.close()

    def moved(self, accounts: list[str]) -> set[str]:
        """Those of ``accounts`` whose pulse is another than at the last look."""
        if not self._file_changed():
            return set()
        with django.db.connection.cursor() as cursor:
            pulses = _pulses(cursor, accounts)
        before, self._pulses = self._pulses, pulses
        return {account for account in pulses if pulses[account] != before.get(account)}

    def _file_changed(self) -> bool:
        """SQLite tells for next to nothing whether anyone else wrote to the file."""
        if django.db.connection.vendor != "sqlite":
            return True
        with django.db.connection.cursor() as cursor:
            cursor.execute("PRAGMA data_version")
            (version,) = cursor.fetchone()
        changed = version != self._version
        self._version = version
        return changed

    def read(self, account: str, tickets: list[Ticket]) -> dict[str, News | None]:
        """What is new for the registers of one account; none for a register that is not active."""
        with django.db.connection.cursor() as cursor:
            heads = _heads(cursor, account)
            rows = _registers(cursor, [t.register for t in tickets])
        return {
            register: News(bytes(key), {s: heads.get(s, 0) for s in scopes_of(store, register)})
            for register, store, state, key in rows
            if state == "active" and key is not None
        }


def _pulses(cursor: Cursor, accounts: list[str]) -> dict[str, int]:
    db = engine()
    cursor.execute(
        f"SELECT account_id, count FROM feed_pulse WHERE {db.among('account_id')}",
        (db.many(db.uid(account) for account in accounts),),
    )
    return {canonical(account): count for account, count in cursor.fetchall()}


def _heads(cursor: Cursor, account: str) -> dict[str, int]:
    cursor.execute(
        "SELECT scope, seq FROM feed_head WHERE account_id = %s", (engine().uid(account),)
    )
    return dict(cursor.fetchall())


def _registers(cursor: Cursor, registers: list[str]) -> list[tuple[str, str, str, Any]]:
    db = engine()
    cursor.execute(
        f"SELECT id, store_id, state, public_key FROM devices_register WHERE {db.among('id')}",
        (db.many(db.uid(register) for register in registers),),
    )
    return [
        (canonical(register), canonical(store), state, key)
        for register, store, state, key in cursor.fetchall()
    ]
