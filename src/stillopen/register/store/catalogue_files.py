"""The files behind catalogue.db: opening one, and putting a new one in the place of the old.

``catalogue.db`` is a file, or a link to a file beside it that came as a snapshot. Putting another in force
is one rename of the link. The new one always has a name of its own: SQLite removes the log of a database
by its name when the last connection closes, and that must never be the log of its successor.
"""

import os
import sqlite3
import time
from contextlib import suppress
from mmap import mmap
from pathlib import Path
from typing import BinaryIO

from stillopen.register.store.catalogue_schema import VERSION, make_tables
from stillopen.register.store.database import Database

_SUFFIXES = ("", "-wal", "-shm")
_CACHE = 16384  # KiB, while a file is filled
_PIECE = 1024 * 1024  # bytes flushed at a time


def prepare(path: Path) -> Database:
    """The writer of the file with its tables; one of another version is begun anew."""
    db = Database(path)
    row = db.one("PRAGMA user_version")
    if row is not None and row[0] not in (0, VERSION):
        db.close()
        remove(path)
        db = Database(path)
        row = (0,)
    configure(db)
    if row is None or row[0] == 0:
        make_tables(db)
    return db


def configure(db: Database) -> None:
    """For a connection that writes."""
    db.query("PRAGMA synchronous = NORMAL")
    db.query("PRAGMA journal_mode = WAL")


def prepare_new(path: Path) -> Database:
    """The writer of an empty file that nobody reads yet; see :func:`configure_new`."""
    remove(path)
    db = Database(path)
    configure_new(db)
    make_tables(db)
    return db


def configure_new(db: Database) -> None:
    """For filling a file that a restart throws away: nothing of it is flushed before :func:`settle`, so that
    it does not hold up the flush of a sale."""
    db.query("PRAGMA journal_mode = MEMORY")
    db.query("PRAGMA synchronous = OFF")
    db.query(f"PRAGMA cache_size = -{_CACHE}")


def remove(path: Path) -> None:
    """The database at ``path``, and the file it links to, with their logs."""
    for base in {path, path.resolve()}:
        for suffix in _SUFFIXES:
            with suppress(FileNotFoundError):
                base.with_name(base.name + suffix).unlink()


def remove_logs(path: Path) -> None:
    """What is left of a file whose name is now a link to its successor."""
    for suffix in _SUFFIXES[1:]:
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).unlink()


def remove_others(path: Path) -> None:
    """Files that were to take the place of ``path`` and did not, or had it before."""
    in_force = path.resolve().name
    for found in path.parent.glob(f"{path.stem}-*.db*"):
        if not found.name.startswith(in_force):
            with suppress(OSError):
                found.unlink()


def name_for(path: Path, mark: str) -> Path:
    """Where a file that shall replace ``path`` lies until then, and stays."""
    return path.with_name(f"{path.stem}-{mark}.db")


def put_in_force(path: Path, successor: Path) -> None:
    """From now on ``path`` is ``successor``, also after a power cut; OSError leaves it as it was.

    Everything in ``successor`` must be on the disk, and nothing of it in its log.
    """
    link = path.with_name(path.name + ".new")
    link.unlink(missing_ok=True)
    link.symlink_to(successor.name)
    link.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names in ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def settle(db: Database, gently: bool) -> None:
    """Bring everything committed into the file and to the disk, and configure it for being in force.

    ``gently``: a piece at a time, because one large flush would hold up that of a sale.
    """
    assert db.path is not None
    with db.path.open("rb+") as file:
        if gently:
            _flush_pieces(file)
        configure(db)
        db.query("PRAGMA cache_size = -2000")
        busy = db.query("PRAGMA wal_checkpoint(TRUNCATE)")[0][0]
        if busy:
            raise sqlite3.OperationalError("the new catalogue is in use")
        os.fsync(file.fileno())


def _flush_pieces(file: BinaryIO) -> None:
    with mmap(file.fileno(), 0) as pages:
        for start in range(0, len(pages), _PIECE):
            began = time.monotonic()
            pages.flush(start, min(_PIECE, len(pages) - start))
            time.sleep(time.monotonic() - began)  # half of the disk's time is the till's


def can_link(folder: Path) -> bool:
    """Whether another file can be put in the place of the one in force in ``folder``."""
    probe = folder / "link.probe"
    try:
        probe.unlink(missing_ok=True)
        probe.symlink_to("catalogue.db")
        probe.unlink()
    except OSError:
        return False
    return True
