"""A market costs a second to make; each test gets a copy of one that was made before."""

import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from django.core.cache import cache
from django.db import connections

from tests.backoffice.web.market import Market, make_market
from tests.support.backoffice import Database


class Made:
    """A database that nobody touches any more, and the market that was made in it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        database.point()
        self._market = pickle.dumps(make_market())
        connections.close_all()

    def market(self) -> Market:
        """Of its own for each test: a test may change its rows."""
        market: Market = pickle.loads(self._market)
        return market


@pytest.fixture(scope="session")
def made_on_sqlite(sqlite_template: Database, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("market")
    shutil.copy(sqlite_template.folder / "backoffice.db", folder)
    return Made(Database("sqlite", folder))


@pytest.fixture
def sqlite_market(made_on_sqlite: Made, tmp_path: Path) -> Iterator[Market]:
    shutil.copy(made_on_sqlite.database.folder / "backoffice.db", tmp_path)
    Database("sqlite", tmp_path).point()
    cache.clear()
    yield made_on_sqlite.market()
    connections.close_all()


def _copied(url: str) -> tuple[str, str]:
    """The name and URL of a copy of the PostgreSQL database at ``url``."""
    server, _, template = url.rpartition("/")
    name = f"t{uuid4().hex[:12]}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
    return name, f"{server}/{name}"


@pytest.fixture(scope="session")
def made_on_postgres(postgres_template: Database, tmp_path_factory: pytest.TempPathFactory) -> Made:
    _, url = _copied(postgres_template.url)
    return Made(Database("postgresql", tmp_path_factory.mktemp("market"), url))


@pytest.fixture
def postgres_market(made_on_postgres: Made, tmp_path: Path) -> Iterator[Market]:
    name, url = _copied(made_on_postgres.database.url)
    Database("postgresql", tmp_path, url).point()
    cache.clear()
    yield made_on_postgres.market()
    connections.close_all()
    server = url.rpartition("/")[0]
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
