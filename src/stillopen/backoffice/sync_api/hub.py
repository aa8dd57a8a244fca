"""Who listens, and when to tell them: one thread watches the pulses of all connected accounts.

A pulse counts up with everything that registers must be told of (feed/publish.py: beat). The thread is
woken by the commit of a beat (feed/wake.py), and looks by itself besides; only for an account whose pulse
moved is it read which of its registers are concerned.

An open stream is no sign of life: it only goes one way, and on a line that died silently it stays open.
When a register was last heard of is written by its exchanges alone.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Iterable, Mapping

import django.db

from stillopen.backoffice.ear import Ear
from stillopen.backoffice.feed.wake import CHANNEL, subscribe
from stillopen.backoffice.sync_api.watch import News, Ticket, Watch, on_sqlite

log = logging.getLogger(__name__)

HEARTBEAT = 2.0  # seconds
#: Heartbeats go out in so many portions, spread evenly over their interval.
_SLOTS = 50
#: Seconds between looks that nobody asked for: the file of SQLite tells in microseconds whether another
#: process wrote to it; with PostgreSQL it is only the net under the notifications.
_LOOK_SQLITE = 0.02
_LOOK_POSTGRESQL = 0.25
_LOOK_IDLE = 1.0  # with nobody there
#: Such looks take at most this share of the thread's time.
_SHARE = 0.1
_AFTER_ERROR = 1.0
#: Streams of one register: two tills from one copied disk both listen, and must not end each other's.
_MOST = 3


class Stream:
    """One open connection. Lives on the event loop; what is due for it waits in ``_due``, each once."""

    __slots__ = ("_due", "_waiter", "ended", "live", "seqs", "slot", "ticket")

    def __init__(self, ticket: Ticket) -> None:
        self.ticket = ticket
        self.seqs = ticket.seqs
        self.live = ticket.live
        self.ended = False
        self.slot: set[Stream] | None = None
        self._due: list[str] = []
        self._waiter: asyncio.Future[None] | None = None

    def tell(self, event: str) -> None:
        """Let ``event`` go out next; once is enough while it has not gone out."""
        if event not in self._due:
            self._due.append(event)
        self._wake()

    def end(self, event: str = "") -> None:
        """Close after what is due, and after ``event`` if there is one."""
        self.ended = True
        if self.slot is not None:
            self.slot.discard(self)
        if event:
            self.tell(event)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def due(self) -> list[str]:
        """The events to send now; waits for one, or for the end."""
        if not self._due and not self.ended:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
            self._waiter = None
        events, self._due = self._due, []
        return events


class Hub:
    """All streams of this process, on one event loop. :meth:`join`, :meth:`leave`, :meth:`stop` there."""

    def __init__(self) -> None:
        self._streams: dict[str, list[Stream]] = {}  # by register, the oldest first
        self._accounts: dict[str, set[Stream]] = {}
        self._fresh: set[Stream] = set()  # joined since the last look
        self._slots: list[set[Stream]] = [set() for _ in range(_SLOTS)]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._wake = threading.Event()
        self._watch = Watch()

    def join(self, ticket: Ticket, beating: bool = True) -> Stream:
        """A register has at most :data:`_MOST` streams: one more ends the oldest, of which it knows
        nothing any more. ``beating``: with heartbeats, one at once."""
        stream = Stream(ticket)
        if self._stopped.is_set():
            stream.end()
            return stream
        if self._loop is None:
            self._begin(asyncio.get_running_loop())
        with self._lock:
            streams = self._streams.setdefault(ticket.register, [])
            streams.append(stream)
            old = streams[0] if len(streams) > _MOST else None
            self._accounts.setdefault(ticket.account, set()).add(stream)
            self._fresh.add(stream)
        if old is not None:
            old.end()
        if beating:
            stream.slot = min(self._slots, key=len)
            stream.slot.add(stream)
            stream.tell("hb")
        self._wake.set()
        return stream

    def leave(self, stream: Stream) -> None:
        stream.end()
        ticket = stream.ticket
        with self._lock:
            streams = [s for s in self._streams.get(ticket.register, ()) if s is not stream]
            if streams:
                self._streams[ticket.register] = streams
            else:
                self._streams.pop(ticket.register, None)
            group = self._accounts.get(ticket.account, set())
            group.discard(stream)
            self._fresh.discard(stream)
            if not group:
                self._accounts.pop(ticket.account, None)

    def stop(self) -> None:
        """End all streams and the threads."""
        self._stopped.set()
        self._wake.set()
        with self._lock:
            streams = [s for group in self._streams.values() for s in group]
        for stream in streams:
            stream.end()

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        threading.Thread(target=self._run, name="pokes", daemon=True).start()
        self._beat(0, loop.time())

    def _beat(self, portion: int, due: float) -> None:
        """One portion of the heartbeats; the next a fiftieth of the interval later."""
        assert self._loop is not None
        if self._stopped.is_set():
            return
        for stream in self._slots[portion]:
            stream.tell("hb")
        due = max(due + HEARTBEAT / _SLOTS, self._loop.time() - HEARTBEAT)
        self._loop.call_at(due, self._beat, (portion + 1) % _SLOTS, due)

    # -- in the thread

    def _run(self) -> None:
        unsubscribe = subscribe(self._wake.set)
        every = _LOOK_SQLITE if on_sqlite() else _LOOK_POSTGRESQL
        if not on_sqlite():
            Ear(CHANNEL, self._wake.set, self._stopped).start()
        took = 0.0
        while not self._stopped.is_set():
            self._wake.wait(max(every, took / _SHARE) if self._accounts else _LOOK_IDLE)
            self._wake.clear()
            began = time.monotonic()
            try:
                self._look()
            except django.db.Error as error:
                log.warning("pokes: the database does not answer: %s", error)
                self._begin_again()
            except Exception:
                log.exception("pokes: the thread stumbled and begins again")
                self._begin_again()
            took = time.monotonic() - began
        unsubscribe()
        django.db.connections.close_all()

    def _begin_again(self) -> None:
        """After a while, with a new connection; whatever came meanwhile is looked at."""
        with self._lock:
            self._fresh.update(*self._accounts.values())
        self._watch.forget()
        self._stopped.wait(_AFTER_ERROR)

    def _look(self) -> None:
        """Tell the streams of accounts that moved, and those that joined: for them anything may be new."""
        with self._lock:
            accounts = list(self._accounts)
            fresh, self._fresh = self._fresh, set()
        if not accounts:
            return
        moved = self._watch.moved(accounts)
        for account in {*moved, *(stream.ticket.account for stream in fresh)}:
            with self._lock:
                group = self._accounts.get(account, set())
                streams = list(group if account in moved else group & fresh)
            self._tell(streams, self._watch.read(account, [s.ticket for s in streams]))

    def _tell(self, streams: Iterable[Stream], news: Mapping[str, News | None]) -> None:
        """All that is due in one call: each call wakes the event loop."""
        poked, ended, live = [], [], []
        for stream in streams:
            at = news.get(stream.ticket.register)
            if at is None or at.public_key != stream.ticket.public_key:
                ended.append(stream)
            elif at.seqs != stream.seqs:
                stream.seqs = at.seqs
                poked.append(stream)
            elif stream.live is not None and at.live != stream.live:
                live.append(stream)
            stream.live = None if at is None else at.live
        if (poked or ended or live) and self._loop is not None:
            self._loop.call_soon_threadsafe(_hand_out, poked, ended, live)


def _hand_out(poked: Iterable[Stream], ended: Iterable[Stream], live: Iterable[Stream]) -> None:
    for stream in ended:
        stream.end("revoked")
    for stream in poked:
        stream.tell("poke")
    for stream in live:
        stream.tell("live")
