"""One SQLite file, one connection behind a lock, ``BEGIN IMMEDIATE``; and what a failing disk means."""

import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from stillopen.register.store.disk import Room, disk_full

#: Exit status of a till whose disk failed (EX_IOERR of sysexits.h).
EXIT_DISK = 74

T = TypeVar("T")
_Row = tuple[Any, ...]

#: What connects to a file. The simulator puts its own kind here, which can be killed at any statement.
connection_class: type[sqlite3.Connection] = sqlite3.Connection

# Making room for the shared memory of a WAL fails like an I/O error but leaves the file untouched.
_NO_ROOM_FOR_SHM = (
    sqlite3.SQLITE_IOERR_SHMOPEN,
    sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_IOERR_SHMMAP,
)


def stop_process(reason: str) -> NoReturn:
    """End at once: after a failed write nobody knows what is on the disk, and a restart finds out."""
    sys.stderr.write(f"stillopen: the disk of the journal failed, stopping: {reason}\n")
    sys.stderr.flush()
    os._exit(EXIT_DISK)


class Database:
    """All reads and writes of one file (None: in memory); from several threads, one at a time."""

    def __init__(
        self,
        path: Path | None,
        *,
        room: Room | None = None,
        on_fatal: Callable[[str], None] | None = None,
        read_only: bool = False,
    ) -> None:
        self.path = path
        self.room = room
        self.read_only = read_only
        #: Called with the reason when the disk fails otherwise than by being full.
        self.on_fatal = on_fatal
        self._lock = threading.RLock()
        self._depth = 0
        self._memory: dict[str, Any] = {}
        self._connection = _connect(path, read_only)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @property
    def in_transaction(self) -> bool:
        return self._depth > 0

    def query(self, sql: str, *parameters: object) -> list[_Row]:
        with self._lock:
            return self._connection.execute(sql, parameters).fetchall()

    def one(self, sql: str, *parameters: object) -> _Row | None:
        """The first row, or None."""
        with self._lock:
            row: _Row | None = self._connection.execute(sql, parameters).fetchone()
            return row

    def recall(self, name: str, read: Callable[[], T]) -> T:
        """What ``read`` gave last time; every write to what it reads calls :meth:`forget`.

        Small values that each request asks for several times. A roll-back forgets everything.
        """
        with self._lock:
            if name not in self._memory:
                self._memory[name] = read()
            value: T = self._memory[name]
            return value

    def remember(self, name: str, value: object) -> None:
        """What :meth:`recall` gives from now on: the writer knows what it has just written."""
        self._memory[name] = value

    def forget(self, name: str) -> None:
        self._memory.pop(name, None)

    def execute(self, sql: str, *parameters: object) -> int:
        """Inside a transaction; the number of rows touched."""
        if not self._depth:
            raise RuntimeError("a write outside of a transaction")
        return self._connection.execute(sql, parameters).rowcount

    def execute_many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        if not self._depth:
            raise RuntimeError("a write outside of a transaction")
        self._connection.executemany(sql, rows)

    @contextmanager
    def transaction(self) -> Iterator["Database"]:
        """``BEGIN IMMEDIATE`` … ``COMMIT``, or roll-back when the block raises; nests into an open one.

        A full disk becomes ``DomainError disk_full`` with nothing changed (and the ballast of ``room`` is
        given up). Any other failure of the disk goes to ``on_fatal``, where there is one.
        """
        with self._lock:
            if self._depth:
                yield self
                return
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                self._depth = 1
                yield self
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                self._roll_back()
                self._judge(error)
                raise
            except BaseException:
                self._roll_back()
                raise
            finally:
                self._depth = 0

    def _roll_back(self) -> None:
        self._memory.clear()
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _judge(self, error: sqlite3.Error) -> None:
        code = getattr(error, "sqlite_errorcode", 0)
        if code & 0xFF == sqlite3.SQLITE_FULL or code in _NO_ROOM_FOR_SHM:
            if self.room is not None:
                self.room.drop_ballast()
            raise disk_full() from error
        if code & 0xFF == sqlite3.SQLITE_IOERR and self.on_fatal is not None:
            self.on_fatal(str(error))


def _connect(path: Path | None, read_only: bool) -> sqlite3.Connection:
    mode = "ro" if read_only else "rwc"
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}" if path else ":memory:",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=5.0,
        cached_statements=256,
        factory=connection_class,
    )
