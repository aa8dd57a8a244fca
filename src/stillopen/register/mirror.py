"""The mirror: a second folder (a stick, a share) gets each entry before *paid* is shown.

A thread of its own writes it, so that a share that hangs holds up one sale for a moment, and no other:
while the mirror fails nobody waits for it, the screens say so, and it catches up by itself.
"""

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec

from stillopen.domain.errors import DomainError
from stillopen.register.clock import Clock
from stillopen.register.store.journal import Journal
from stillopen.register.store.mirror_files import PREFIX, Segments, flush

log = logging.getLogger(__name__)

_NOTE = "mirror"
#: Seconds that a sale waits for the mirror at most, once; then it counts as failing.
PATIENCE = 1.0
#: Seconds between two tries while it fails.
RETRY = 2.0
_CHUNK = 500


class Choice(msgspec.Struct, frozen=True):
    """What is remembered in the journal: the folder, and the name of this till's mirror in it."""

    folder: str
    id: str


class MirrorView(msgspec.Struct, frozen=True, kw_only=True):
    """``missing``: entries that are neither sent nor mirrored."""

    folder: str
    ok: bool
    missing: int = 0
    since: datetime | None = None
    trouble: str = ""


def chosen(journal: Journal) -> Choice | None:
    note = journal.notes.get(_NOTE)
    return msgspec.json.decode(note, type=Choice) if note else None


def choose(journal: Journal, folder: Path | None) -> None:
    """Mirror into ``folder`` from now on, or (None) nowhere. ``bad_mirror``: it cannot be written to."""
    before = chosen(journal)
    if folder is None:
        journal.notes.put(_NOTE, None)
        return
    path = str(folder.absolute())
    if before is not None and before.folder == path:
        return
    choice = Choice(path, secrets.token_hex(8))
    try:
        _make(folder / f"{PREFIX}{choice.id}")
    except OSError as error:
        raise DomainError(
            "bad_mirror", f"The mirror {folder} cannot be written to: {error.strerror}."
        ) from error
    journal.notes.put(_NOTE, msgspec.json.encode(choice).decode())


def _make(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    flush(folder.parent)


class Mirror:
    """Begin it with :meth:`start`. ``keep_up`` is called after each transaction of the journal."""

    def __init__(
        self,
        journal: Journal,
        choice: Choice,
        data_dir: Path,
        clock: Clock,
        patience: float = PATIENCE,
    ) -> None:
        self._journal = journal
        self._folder = Path(choice.folder)
        self._path = self._folder / f"{PREFIX}{choice.id}"
        self._data_dir = data_dir
        self._clock = clock
        self._patience = patience
        self._changed = threading.Condition()
        self._wanted = self._ended = False
        self._ok = True
        self._trouble = ""
        self._since: datetime | None = None
        self._segments: dict[str, Segments] = {}
        self._reached: dict[str, int] = {}  # epoch → last number on the mirror
        #: Called from the thread when the mirror has caught up again, or begun to fail by itself.
        self.tell: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._run, name="mirror", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self.keep_up()

    def close(self) -> None:
        """Write what is left, and end; a mirror that hangs is left alone."""
        with self._changed:
            self._ended = self._wanted = True
            self._changed.notify_all()
        self._thread.join(self._patience)

    def keep_up(self) -> None:
        """Return when the journal's last entry is on the mirror; at once while the mirror fails."""
        head = self._journal.head()
        if self._reached.get(head.epoch, 0) >= head.seq:
            return
        with self._changed:
            self._wanted = True
            self._changed.notify_all()
            if not self._ok:
                return
            deadline = time.monotonic() + self._patience
            while self._ok and self._reached.get(head.epoch, 0) < head.seq:
                left = deadline - time.monotonic()
                if left <= 0:
                    self._fail("it does not answer")
                    return
                self._changed.wait(left)

    def view(self) -> MirrorView:
        """For the screens."""
        missing = 0 if self._ok else self._missing()
        return MirrorView(
            folder=str(self._folder),
            ok=self._ok,
            missing=missing,
            since=self._since,
            trouble=self._trouble,
        )

    def _missing(self) -> int:
        """Entries that are on this disk alone."""
        total = 0
        for epoch in self._journal.identity.epochs():
            safe = max(self._journal.sending.ack(epoch.id).seq, self._reached.get(epoch.id, 0))
            total += max(self._journal.entries.head_of(epoch.id).seq - safe, 0)
        return total

    # -- the thread ------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._wanted:
                    self._changed.wait(RETRY)
                ended, self._wanted = self._ended, False
            try:
                self._write_rest()
            except OSError as error:
                self._failed(error.strerror or "it cannot be written to")
            except (
                Exception
            ) as error:  # whatever lies on the stick: selling goes on, the screen says so
                log.exception("the mirror in %s", self._path)
                self._failed(type(error).__name__)
            if ended:
                self._drop()
                return

    def _write_rest(self) -> None:
        self._look()
        for epoch in self._journal.identity.epochs():
            self._write_epoch(epoch.id)
        with self._changed:
            back, self._ok, self._trouble, self._since = not self._ok, True, "", None
            self._changed.notify_all()
        if back:
            self.tell()

    def _look(self) -> None:
        """The folder must be there; on another disk than the till's own it is made (a new stick), on the
        same one never: that would be the empty place where the stick was."""
        gone = not self._path.is_dir()
        if gone and os.stat(self._folder).st_dev == os.stat(self._data_dir).st_dev:
            raise FileNotFoundError(2, "it is not there")
        if gone:
            _make(self._path)
        if gone or not self._ok or not all(s.is_there() for s in self._segments.values()):
            self._drop()
            self._reached = {}  # what is really there is read from it

    def _write_epoch(self, epoch: str) -> None:
        entries = self._journal.entries
        head = entries.head_of(epoch)
        if head.seq <= self._reached.get(epoch, 0):
            return
        if epoch not in self._segments:
            self._segments[epoch] = self._open(epoch)
        segment = self._segments[epoch]
        # What is on the stick already goes on; a new one begins at what has not been sent.
        start = segment.at[0] if segment.at else self._journal.sending.ack(epoch).seq
        while rows := entries.raw_after(start, _CHUNK, epoch):
            segment.append(rows)
            start = rows[-1].seq
            with self._changed:
                self._reached[epoch] = start
                self._changed.notify_all()
        self._reached[epoch] = max(start, self._reached.get(epoch, 0))

    def _open(self, epoch: str) -> Segments:
        """Behind what is there already. What does not belong to this journal (its disk went back) is set
        aside, and the mirror begins anew."""
        segment = Segments(self._path, epoch)
        if segment.at is None or self._is_ours(epoch, *segment.at):
            return segment
        segment.close()
        self._drop()
        self._reached = {}
        self._path.rename(self._folder / f"stillopen-set-aside-{secrets.token_hex(4)}")
        _make(self._path)
        return Segments(self._path, epoch)

    def _is_ours(self, epoch: str, seq: int, digest: bytes) -> bool:
        rows = self._journal.entries.raw_after(seq - 1, 1, epoch)
        if rows and rows[0].seq == seq:
            return rows[0].hash == digest
        return seq <= self._journal.entries.anchor(epoch)[0]

    def _failed(self, reason: str) -> None:
        """In the thread."""
        self._drop()
        with self._changed:
            new = self._ok
            self._fail(reason)
        if new:
            self.tell()

    def _fail(self, reason: str) -> None:
        """With the lock held."""
        if self._ok:
            self._since = self._clock.now()
            log.warning("the mirror in %s fails: %s", self._folder, reason)
        self._ok, self._trouble = False, reason
        self._changed.notify_all()

    def _drop(self) -> None:
        for segment in self._segments.values():
            with suppress(OSError):
                segment.close()
        self._segments = {}
