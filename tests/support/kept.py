"""Copies of the database of a Back Office that is not running: kept, and put in the place of another one."""

import atexit
import fcntl
import os
import pickle
import shutil
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import psycopg

T = TypeVar("T")


def _place() -> Path:
    """One folder for all processes of a run: made by the first of them (tests/conftest.py sees to it)."""
    if "STILLOPEN_KEPT" not in os.environ:
        os.environ["STILLOPEN_KEPT"] = tempfile.mkdtemp(prefix="stillopen-kept-")
        atexit.register(shutil.rmtree, os.environ["STILLOPEN_KEPT"], ignore_errors=True)
    return Path(os.environ["STILLOPEN_KEPT"])


PLACE = _place()

#: Beside the database in a folder, and part of what a copy of the shop needs; not what is kept outside of the
#: database on purpose (backups/outside.py).
_SECRET = "secret.key"


def once(key: object, make: Callable[[], T]) -> T:
    """What ``make`` returned the first time that one of the run's processes asked for ``key``; pickled."""
    file = PLACE / sha256(repr(key).encode()).hexdigest()[:16]
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            file.write_bytes(pickle.dumps(make()))
    made: T = pickle.loads(file.read_bytes())
    return made


class Kept:
    """A copy of the Back Office on SQLite in ``folder``, or of the PostgreSQL database at ``url``.

    It goes when the tests end: the folder by itself, the database with its cluster."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self._name = f"kept{uuid4().hex[:12]}"
        if url:
            _sql(url, f'CREATE DATABASE "{self._name}" TEMPLATE "{_database(url)}"')
        else:
            (PLACE / self._name).mkdir()
            _copy(folder, PLACE / self._name)

    def put(self, folder: Path, url: str = "") -> None:
        """In the place of what is in ``folder``, or at ``url`` in the same cluster; nobody may be serving it."""
        if url:
            _sql(url, f'DROP DATABASE IF EXISTS "{_database(url)}" WITH (FORCE)')
            _sql(url, f'CREATE DATABASE "{_database(url)}" TEMPLATE "{self._name}"')
            return
        folder.mkdir(mode=0o700, exist_ok=True)
        for path in folder.glob("backoffice.db*"):
            path.unlink()
        _copy(PLACE / self._name, folder)


def _copy(source: Path, target: Path) -> None:
    for path in (*source.glob("backoffice.db*"), source / _SECRET):
        shutil.copy(path, target)


def _database(url: str) -> str:
    return url.rpartition("/")[2]


def _sql(url: str, statement: str) -> None:
    server = url.rpartition("/")[0]
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(statement.encode())
