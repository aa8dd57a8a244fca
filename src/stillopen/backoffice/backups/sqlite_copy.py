"""Copying and restoring a Back Office on SQLite. Needs no Django."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from stillopen.backoffice.backups.manifest import Contents, read_contents
from stillopen.domain.errors import DomainError

ENDING = ".db"
VERIFIED = "integrity_check"


def copy_out(database: Path, target: Path) -> Contents:
    """A consistent copy of the file as it is now, while it is being served; flushed and checked.

    ``backup_failed`` where it is not whole.
    """
    with _opened(database, "ro") as source, _opened(target, "rwc") as copy:
        source.backup(copy)  # in one go, from one snapshot: writers go on
        copy.execute("PRAGMA journal_mode = DELETE")
        contents = _checked(copy)
    _flush(target)
    return contents


def _checked(connection: sqlite3.Connection) -> Contents:
    said = connection.execute("PRAGMA integrity_check").fetchone()[0]
    if said != "ok":
        raise DomainError("backup_failed", f"The copy is damaged: {said}.")
    return read_contents(connection.cursor())


def check(copy: Path) -> Contents:
    """What a copy holds. ``backup_failed``."""
    with _opened(copy, "ro") as connection:
        return _checked(connection)


def copy_in(copy: Path, database: Path, now: datetime) -> Path | None:
    """Put ``copy`` in the place of ``database``; where one is there it is kept, and its path returned.

    Errors: ``backup_failed``, ``database_in_use``.
    """
    draft = database.with_name("backoffice.restoring")
    for left in (draft, _beside(draft, "-wal"), _beside(draft, "-shm"), _beside(draft, "-journal")):
        left.unlink(missing_ok=True)
    with _opened(copy, "ro") as source, _opened(draft, "rwc") as target:
        source.backup(target)
        _checked(target)
    draft.chmod(0o600)
    _flush(draft)
    kept = _set_aside(database, now)
    draft.rename(database)
    _flush(database.parent)
    return kept


def _set_aside(database: Path, now: datetime) -> Path | None:
    if not database.exists():
        return None
    _fold_wal(database)
    kept = database.with_name(f"backoffice.replaced-{now:%Y%m%dT%H%M%S}.db")
    for ending in ("-wal", "-shm"):
        if _beside(
            database, ending
        ).exists():  # a file that cannot be read is kept as it lies there
            _beside(database, ending).rename(_beside(kept, ending))
    database.rename(kept)
    return kept


def _fold_wal(database: Path) -> None:
    """Bring everything into the one file. ``database_in_use`` while somebody works with it."""
    try:
        with _opened(database, "rw") as connection:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            raise DomainError(
                "database_in_use", f"{database} is in use. Stop what works with it first."
            ) from error
    except sqlite3.DatabaseError:
        pass  # it is damaged: that may be why it is being replaced


def is_empty(database: Path) -> bool:
    return not database.exists() or database.stat().st_size == 0


@contextmanager
def _opened(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    with closing(sqlite3.connect(uri, uri=True, timeout=5.0, isolation_level=None)) as connection:
        yield connection


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _flush(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
