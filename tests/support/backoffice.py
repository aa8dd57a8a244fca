"""A Back Office inside the test's own process, on SQLite and on PostgreSQL.

Django is set up once; each test gets a fresh database, copied from a migrated template, and
Django's default connection is pointed at it. Threads of a test reach the same database.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

os.environ["STILLOPEN_SECRET_KEY"] = "of the tests"
os.environ["DJANGO_SETTINGS_MODULE"] = "stillopen.backoffice.settings"

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from stillopen.backoffice.home import database_settings

django.setup()
# Read by now; programs that a test starts shall not find it.
del os.environ["STILLOPEN_SECRET_KEY"], os.environ["DJANGO_SETTINGS_MODULE"]


class Database:
    """Where the Back Office of a test is; ``arguments`` are those of its command line."""

    def __init__(self, engine: str, folder: Path, url: str = "") -> None:
        self.engine = engine
        self.folder = folder
        self.url = url

    @property
    def arguments(self) -> list[str]:
        return ["--database-url", self.url] if self.url else ["--dir", str(self.folder)]

    def point(self) -> None:
        """Make this Django's default database, for all threads that connect from now on."""
        connections.close_all()
        settings.STATE_DIR = self.folder
        fresh = {"default": database_settings(self.folder, self.url)}
        connections.settings = connections.configure_settings(fresh)
        if hasattr(connections._connections, "default"):
            del connections["default"]


def _migrated(database: Database) -> Database:
    database.point()
    call_command("migrate", verbosity=0, interactive=False)
    connections.close_all()
    return database


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Database:
    return _migrated(Database("sqlite", tmp_path_factory.mktemp("template")))


@pytest.fixture(scope="session")
def postgres_template(postgres, tmp_path_factory: pytest.TempPathFactory) -> Database:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("template")
    return _migrated(Database("postgresql", folder, postgres.create_database()))


@pytest.fixture
def sqlite_backoffice(sqlite_template: Database, tmp_path: Path) -> Iterator[Database]:
    """A migrated, empty Back Office on SQLite."""
    folder = tmp_path / "backoffice"
    folder.mkdir()
    shutil.copy(sqlite_template.folder / "backoffice.db", folder / "backoffice.db")
    database = Database("sqlite", folder)
    database.point()
    yield database
    connections.close_all()


@pytest.fixture
def postgres_backoffice(postgres_template: Database, tmp_path: Path) -> Iterator[Database]:
    """A migrated, empty Back Office on PostgreSQL."""
    server, _, template = postgres_template.url.rpartition("/")
    name = f"t{uuid4().hex[:12]}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
        database = Database("postgresql", tmp_path, f"{server}/{name}")
        database.point()
        yield database
        connections.close_all()
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@pytest.fixture(params=["sqlite", "postgresql"])
def backoffice(request: pytest.FixtureRequest) -> Database:
    """The same test on both databases."""
    which = "sqlite_backoffice" if request.param == "sqlite" else "postgres_backoffice"
    database: Database = request.getfixturevalue(which)
    return database
