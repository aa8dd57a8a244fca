"""A throw-away PostgreSQL cluster, run from the machine's own programs."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

#: Durability is not what these tests ask of PostgreSQL: it is crashed, but the plug is not pulled.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
}


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None or Path(found).is_symlink():
        installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
        found = str(installed[-1]) if installed else found
    if found is None:
        pytest.fail(f"PostgreSQL's {name} is not here (on Debian: apt-get install postgresql)")
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Cluster:
    """``initdb``, ``pg_ctl start``; as the user postgres when the tests run as root."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="stillopen-pg-"))
        self.port = free_port()
        self._as_root = os.geteuid() == 0
        if self._as_root:
            shutil.chown(self.folder, "postgres", "postgres")
        data = str(self.folder / "data")
        self._run("initdb", "-A", "trust", "-N", "-U", "postgres", "-E", "UTF8", "-D", data)
        options = " ".join(f"-c {name}='{value}'" for name, value in _SETTINGS.items())
        log = str(self.folder / "log")
        start = ("-w", "-D", data, "-l", log, "-o", f"-p {self.port} {options}", "start")
        self._run("pg_ctl", *start)

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> str:
        """The URL of a fresh, empty database."""
        name = f"t{uuid4().hex[:12]}"
        self._sql(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def drop_database(self, url: str) -> None:
        self._sql(f'DROP DATABASE IF EXISTS "{url.rpartition("/")[2]}" WITH (FORCE)')

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def restart(self) -> None:
        """As after a crash: everybody is thrown out, what was committed is recovered."""
        data, log = str(self.folder / "data"), str(self.folder / "log")
        self._run("pg_ctl", "-w", "-D", data, "-l", log, "-m", "immediate", "restart")

    def _sql(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _run(self, program: str, *arguments: str) -> None:
        command = [_program(program), *arguments]
        if self._as_root:
            command = [
                *("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"),
                *command,
            ]
        environment = os.environ | {"HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # a pipe would stay open as long as the server lives
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode:
            log = self.folder / "log"
            said = log.read_text() if log.exists() else ""
            pytest.fail(f"PostgreSQL's {program} failed with {done.returncode}. {said}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """One cluster for the whole run (with xdist: one per worker)."""
    cluster = Cluster()
    yield cluster
    cluster.stop()


@pytest.fixture
def postgres_url(postgres: Cluster) -> Iterator[str]:
    """A fresh, empty database for one test: ``postgresql://…``."""
    url = postgres.create_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture(scope="module")
def postgres_module_url(postgres: Cluster) -> Iterator[str]:
    """A fresh, empty database for one module."""
    url = postgres.create_database()
    yield url
    postgres.drop_database(url)
