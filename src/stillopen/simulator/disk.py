"""Disks: images of a folder, and connections that can be killed at any statement.

A kill leaves the files as they lie: what was written stays, also what no transaction has ended. A power cut
takes besides what was never flushed, as far as the connection's own settings allow that to be.
"""

import shutil
import sqlite3
import struct
from collections.abc import Callable, Mapping
from fnmatch import fnmatch
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from stillopen.register.store import database
from stillopen.simulator.world import Killed


class Image(NamedTuple):
    """The files of a folder, by name, and where its links point. The shared memory of a WAL does not outlive
    its processes."""

    files: dict[str, bytes]
    links: Mapping[str, str] = MappingProxyType({})


_WAL_HEADER, _FRAME_HEADER = 32, 24
_BACKFILLED = 96  # where the shared memory says how many frames are in the database


def take_image(folder: Path) -> Image:
    paths = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*"))}
    return Image(
        files={
            name: path.read_bytes()
            for name, path in paths.items()
            if path.is_file() and not path.is_symlink() and not name.endswith("-shm")
        },
        links={name: str(path.readlink()) for name, path in paths.items() if path.is_symlink()},
    )


def put_image(folder: Path, image: Image) -> None:
    """The folder holds exactly ``image`` afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, data in image.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    for name, target in image.links.items():
        (folder / name).symlink_to(target)


class Disk:
    """What happens to the statements of one folder. ``trap`` is called at each; it may raise."""

    def __init__(self) -> None:
        self._left = 0
        self._only = ""
        self._spring: Callable[[bool], None] | None = None

    def set_trap(self, statements: int, spring: Callable[[bool], None], only: str = "") -> None:
        """Call ``spring(ended)`` after so many statements from now (that begin with ``only``), before the
        next one runs; ``ended``: right behind a COMMIT, before anybody was told."""
        self._left, self._spring, self._only = statements, spring, only

    def disarm(self) -> None:
        self._spring = None

    @property
    def armed(self) -> bool:
        return self._spring is not None

    def step(self, sql: str, ended: bool) -> None:
        if not sql.startswith(self._only):
            return
        self._left -= 1
        if self._left < 0 and self._spring is not None:
            spring, self._spring = self._spring, None
            spring(ended)


#: folder → its disk. One process simulates one world at a time.
_disks: dict[str, Disk] = {}


def disk_of(folder: Path) -> Disk:
    return _disks.setdefault(str(folder), Disk())


def forget_disks() -> None:
    _disks.clear()


class Connection(sqlite3.Connection):
    """A connection to a file of a till that asks its disk before each statement."""

    def __init__(self, name: str, *arguments: Any, **options: Any) -> None:
        super().__init__(name, *arguments, **options)
        self._disk = disk_of(Path(unquote(urlsplit(name).path)).parent)

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        disk = self._disk
        if not disk.armed:
            return super().execute(sql, *parameters)
        disk.step(sql, False)
        done = super().execute(sql, *parameters)
        if sql == "COMMIT":
            disk.step(sql, True)
        return done


def connect_tills() -> None:
    """From now on the tills of this process connect by :class:`Connection`."""
    database.connection_class = Connection


def connect_plainly() -> None:
    database.connection_class = sqlite3.Connection


def die(reason: str = "") -> None:
    raise Killed(reason)


def io_error(message: str, code: int) -> sqlite3.OperationalError:
    """What SQLite raises when the disk fails."""
    error = sqlite3.OperationalError(message)
    error.sqlite_errorcode = code
    return error


# -- what a power cut takes --------------------------------------------------------------------------


def lose_unsynced(folder: Path, image: Image, name: str, level: int, rng: Random) -> int:
    """Cut the WAL of ``name`` in ``image`` where the power may have left it; how many frames went.

    ``level`` is the connection's ``PRAGMA synchronous``: with FULL (2) each commit was flushed, below that
    nothing since the last checkpoint.
    """
    wal = image.files.get(f"{name}-wal", b"")
    valid, committed, size = _frames(wal)
    kept_for_sure = committed if level >= 2 else min(_checkpointed(folder / f"{name}-shm"), valid)
    kept = rng.randint(kept_for_sure, valid)
    image.files[f"{name}-wal"] = wal[: _WAL_HEADER + kept * size] if valid else wal
    return valid - kept


def lose_files(image: Image, rng: Random) -> int:
    """Cut the files that nothing has flushed yet, parts of a download and a catalogue that is being filled, or
    leave nothing but their length. How many there were."""
    in_force = set(image.links.values())
    unflushed = [
        name
        for name in image.files
        if name.endswith(".part") or (fnmatch(name, "catalogue-*.db") and name not in in_force)
    ]
    for name in unflushed:
        data = image.files[name]
        kept = data[: rng.randint(0, len(data))]
        image.files[name] = kept.ljust(len(data), b"\0") if rng.random() < 0.3 else kept
    return len(unflushed)


def _frames(wal: bytes) -> tuple[int, int, int]:
    """(frames of the running WAL, frames up to the last commit, bytes of a frame)."""
    if len(wal) < _WAL_HEADER:
        return 0, 0, 1
    page, _, *salt = struct.unpack(">IIII", wal[8:24])
    size = _FRAME_HEADER + page
    count = committed = 0
    for start in range(_WAL_HEADER, len(wal) - size + 1, size):
        _, pages, *frame_salt = struct.unpack(">IIII", wal[start : start + 16])
        if frame_salt != salt:
            break
        count += 1
        if pages:
            committed = count
    return count, committed, size


def _checkpointed(shm: Path) -> int:
    if not shm.exists():
        return 0
    with shm.open("rb") as file:
        file.seek(_BACKFILLED)
        return int.from_bytes(file.read(4), "little")
