"""Putting a backup in the place of a Back Office's database: before Django is set up on it."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from stillopen import __version__
from stillopen.backoffice.backups import postgres_copy, sqlite_copy
from stillopen.backoffice.backups.manifest import Manifest, check_whole, find_backup
from stillopen.backoffice.home import database_settings
from stillopen.domain.errors import DomainError

#: Held by everything that serves the folder's database.
LOCK_FILE = "serve.lock"


class Restored(msgspec.Struct, frozen=True):
    """``kept``: where the database that was replaced is now; empty where there was none."""

    manifest: Manifest
    folder: Path  # of the backup
    kept: str


def put_back(target: Path, folder: Path | None, url: str, replace: bool, now: datetime) -> Restored:
    """Restore the backup ``target`` (a folder: the newest in it) into ``folder`` or the database of ``url``.

    Errors: ``no_backup``, ``bad_backup``, ``backup_too_new``, ``wrong_engine``, ``not_empty``, ``backoffice_running``,
    ``database_in_use``, ``cannot_replace``, ``database_unreachable``, ``backup_failed``.
    """
    path, manifest = find_backup(target)
    copy = check_whole(path, manifest)
    settings: dict[str, Any] = database_settings(folder or Path(), url)
    engine = "postgresql" if url else "sqlite"
    if manifest.engine != engine:
        raise DomainError(
            "wrong_engine",
            f"This is a backup of a Back Office on {manifest.engine}; it cannot be restored into {engine}.",
        )
    if _version(manifest.software) > _version(__version__):
        raise DomainError(
            "backup_too_new",
            f"This backup was made by version {manifest.software}, this is {__version__}: upgrade first.",
        )
    if url:
        kept = _into_postgresql(copy, settings, replace, now)
    else:
        assert folder is not None
        kept = _into_folder(copy, folder, settings["NAME"], replace, now)
    return Restored(manifest, path.parent, kept)


def _version(text: str) -> list[int]:
    return [int(part) for part in re.findall(r"[0-9]+", text)]


def _into_folder(copy: Path, folder: Path, database: Path, replace: bool, now: datetime) -> str:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with serving_alone(folder):
        if not replace and not sqlite_copy.is_empty(database):
            raise _not_empty(str(folder))
        kept = sqlite_copy.copy_in(copy, database, now)
    return str(kept or "")


def _into_postgresql(copy: Path, settings: dict[str, Any], replace: bool, now: datetime) -> str:
    try:
        if postgres_copy.exists(settings):
            postgres_copy.check_unused(settings)
            if not replace and not postgres_copy.is_empty(settings):
                raise _not_empty(settings["NAME"])
        return postgres_copy.copy_in(copy, settings, now) or ""
    except psycopg.OperationalError as error:
        reason = (str(error).strip().splitlines() or [""])[-1]
        raise DomainError(
            "database_unreachable", f"The database server cannot be reached: {reason}"
        ) from error


def _not_empty(where: str) -> DomainError:
    return DomainError(
        "not_empty",
        f"There is a Back Office in {where} already. With --replace the backup takes its place; "
        "what is there is kept beside.",
    )


@contextmanager
def serving(folder: Path | None) -> Iterator[None]:
    """Held while a Back Office on SQLite is served, by any number of processes at once."""
    with _lock(folder, fcntl.LOCK_SH):
        yield


@contextmanager
def serving_alone(folder: Path) -> Iterator[None]:
    """``backoffice_running`` while a process serves the folder."""
    with _lock(folder, fcntl.LOCK_EX):
        yield


@contextmanager
def _lock(folder: Path | None, how: int) -> Iterator[None]:
    if folder is None:
        yield
        return
    number = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(number, how | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DomainError(
                "backoffice_running", f"A Back Office is being served, or restored, in {folder}."
            ) from None
        yield
    finally:
        os.close(number)
