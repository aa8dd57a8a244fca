"""Copying and restoring a Back Office on PostgreSQL, with pg_dump and pg_restore. Needs no Django."""

import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from stillopen.backoffice.backups.manifest import Contents, read_contents
from stillopen.domain.errors import DomainError

ENDING = ".dump"
VERIFIED, RESTORED = "pg_restore --list", "restored"
_BINARIES = Path("/usr/lib/postgresql")

#: Django's DATABASES entry: NAME, USER, PASSWORD, HOST, PORT.
Settings = Mapping[str, Any]


def connect(settings: Settings, name: str | None = None) -> psycopg.Connection[Any]:
    """To the database of ``settings``, or to ``name`` on the same server; each statement by itself."""
    return psycopg.connect(
        host=settings["HOST"] or None,
        port=settings["PORT"] or None,
        user=settings["USER"] or None,
        password=settings["PASSWORD"] or None,
        dbname=name or settings["NAME"],
        autocommit=True,
    )


def copy_out(settings: Settings, target: Path) -> Contents:
    """``pg_dump`` of one snapshot, from which the contents are read as well; flushed, and read back.

    Errors: ``pg_dump_missing``, ``pg_dump_too_old``, ``backup_failed``.
    """
    with connect(settings) as connection, connection.cursor() as cursor:
        dump = _program("pg_dump", connection.info.server_version)
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SELECT pg_export_snapshot()")
        snapshot = cursor.fetchone()
        assert snapshot is not None
        contents = read_contents(cursor)
        _run(
            [dump, "-Fc", "--no-owner", "--no-privileges", f"--snapshot={snapshot[0]}", f"--file={target}"],
            settings,
        )  # fmt: skip
        cursor.execute("ROLLBACK")
    with target.open("rb") as file:
        os.fsync(file.fileno())
    _read_back(target, settings)
    return contents


def _read_back(copy: Path, settings: Settings) -> None:
    """Its table of contents names our tables, and all of its data can be unpacked."""
    restore = _program("pg_restore")
    listed = _run([restore, "--list", str(copy)], settings)
    if "TABLE DATA" not in listed or "ingest_entry" not in listed:
        raise DomainError("backup_failed", "The copy lacks tables of a Back Office.")
    _run([restore, f"--file={os.devnull}", str(copy)], settings)


def restore_elsewhere(copy: Path, settings: Settings) -> Contents:
    """Restore into a scratch database beside, read it, and drop it. ``backup_failed``."""
    name = f"stillopen_verify_{secrets.token_hex(6)}"
    with connect(settings) as connection:
        try:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        except psycopg.errors.InsufficientPrivilege as error:
            raise DomainError(
                "backup_failed", "This database user may not make a database to try the copy in."
            ) from error
        try:
            _restore(copy, settings, name)
            with connect(settings, name) as scratch, scratch.cursor() as cursor:
                return read_contents(cursor)
        finally:
            dropping = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            connection.execute(dropping)


def copy_in(copy: Path, settings: Settings, now: datetime) -> str | None:
    """Restore ``copy``; a database that is there already is renamed, and its new name returned.

    Errors: ``database_in_use``, ``cannot_replace``, ``backup_failed``, ``pg_dump_missing``.
    """
    name = settings["NAME"]
    kept = None
    if exists(settings) and not is_empty(settings):
        kept = f"{name}_replaced_{now:%Y%m%d%H%M%S}"
    with connect(settings, "postgres") as connection:
        draft = f"{name}_restoring_{secrets.token_hex(4)}"
        _execute(connection, "CREATE DATABASE {}", draft)
        try:
            _restore(copy, settings, draft)
            _change_over(connection, name, draft, kept, exists(settings))
        except BaseException:
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(draft)))
            raise
    return kept


def _change_over(
    connection: psycopg.Connection[Any], name: str, draft: str, kept: str | None, there: bool
) -> None:
    if kept is not None:
        _execute(connection, "ALTER DATABASE {} RENAME TO {}", name, kept)
    elif there:
        _execute(connection, "DROP DATABASE {}", name)
    _execute(connection, "ALTER DATABASE {} RENAME TO {}", draft, name)


def _execute(connection: psycopg.Connection[Any], statement: str, *names: str) -> None:
    try:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
    except psycopg.errors.ObjectInUse as error:
        raise DomainError(
            "database_in_use", f"The database {names[0]} is in use. Stop what works with it first."
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise DomainError(
            "cannot_replace",
            "This database user may neither make nor rename databases. Restore as one that may "
            "(ALTER ROLE … CREATEDB), and as the owner.",
        ) from error


def exists(settings: Settings) -> bool:
    with connect(settings, "postgres") as connection:
        found = connection.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s", (settings["NAME"],)
        )
        return found.fetchone() is not None


def is_empty(settings: Settings) -> bool:
    """No table of anybody's."""
    with connect(settings) as connection:
        found = connection.execute(
            "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r'"
            " AND n.nspname NOT IN ('pg_catalog', 'information_schema') LIMIT 1"
        )
        return found.fetchone() is None


def check_unused(settings: Settings) -> None:
    """``database_in_use`` while anybody else is connected to it, a serving Back Office above all."""
    with connect(settings, "postgres") as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
            (settings["NAME"],),
        ).fetchone()
    if found and found[0]:
        raise DomainError(
            "database_in_use",
            f"The database {settings['NAME']} is in use ({found[0]} connections). Stop the Back Office first.",
        )


def _restore(copy: Path, settings: Settings, name: str) -> None:
    restore = _program("pg_restore")
    options = ["--exit-on-error", "--no-owner", "--no-privileges", "--single-transaction"]
    _run([restore, *options, f"--dbname={name}", str(copy)], settings)


def _run(command: list[str], settings: Settings) -> str:
    environment = os.environ | {
        "PGHOST": settings["HOST"],
        "PGPORT": settings["PORT"],
        "PGUSER": settings["USER"],
        "PGPASSWORD": settings["PASSWORD"],
        "PGDATABASE": settings["NAME"],
    }
    given = {key: value for key, value in environment.items() if value or not key.startswith("PG")}
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason was given"])[-1]
        raise DomainError("backup_failed", f"{Path(command[0]).name} failed: {reason}")
    return done.stdout


def _program(name: str, server: int = 0) -> str:
    """The newest ``name`` of this machine; ``server``: the version (such as 170002) it must be able for.

    Errors: ``pg_dump_missing``, ``pg_dump_too_old``.
    """
    versions = {path: _version(path) for path in _candidates(name)}
    if not versions:
        raise DomainError(
            "pg_dump_missing", f"PostgreSQL's {name} is not on this machine (postgresql-client)."
        )
    newest = max(versions, key=lambda path: versions[path])
    if versions[newest] < server // 10000:
        raise DomainError(
            "pg_dump_too_old",
            f"PostgreSQL's {name} here is version {versions[newest]}, the server is version "
            f"{server // 10000}: install postgresql-client-{server // 10000}.",
        )
    return newest


def _candidates(name: str) -> list[str]:
    """In the search path, and where Debian keeps several versions; not its wrapper, which wants a cluster."""
    found = [str(path) for path in _BINARIES.glob(f"*/bin/{name}")]
    first = shutil.which(name)
    if first is not None and not Path(first).resolve().name.startswith("pg_wrapper"):
        found.append(first)
    return found


def _version(program: str) -> int:
    said = subprocess.run(
        [program, "--version"], capture_output=True, text=True, check=False
    ).stdout
    number = re.search(r"(\d+)", said)
    return int(number[1]) if number else 0
