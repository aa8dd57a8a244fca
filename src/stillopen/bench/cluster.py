"""A throw-away PostgreSQL cluster from the machine's own programs, with every flush to the disk that a real one has."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg

from stillopen.domain.errors import DomainError

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
}


def _program(name: str) -> str:
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = str(installed[-1]) if installed else shutil.which(name)
    if found is None:
        raise DomainError(
            "no_postgresql", f"PostgreSQL's {name} is not on this machine; install PostgreSQL."
        )
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Cluster:
    """Started when made; :meth:`stop` removes it. As root it runs as the user postgres."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="stillopen-bench-pg-"))
        self.port = free_port()
        self._data = self.folder / "data"
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        self._run(
            "initdb", "-A", "trust", "-N", "-U", "postgres", "-E", "UTF8", "-D", f"{self._data}"
        )
        options = " ".join(f"-c {name}='{value}'" for name, value in _SETTINGS.items())
        log = str(self.folder / "log")
        self._run(
            *("pg_ctl", "-w", "-D", f"{self._data}", "-l", log),
            *("-o", f"-p {self.port} {options}", "start"),
        )

    @property
    def pid(self) -> int:
        return int((self._data / "postmaster.pid").read_text().splitlines()[0])

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def create_database(self, template: str = "") -> str:
        """The URL of a fresh database: empty, or a copy of the one at the URL ``template``."""
        name = f"b{uuid4().hex[:12]}"
        like = f' TEMPLATE "{template.rpartition("/")[2]}"' if template else ""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"{like}'.encode())
        return self.url(name)

    def stop(self) -> None:
        self._run("pg_ctl", "-D", f"{self._data}", "-m", "immediate", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        command = [_program(program), *arguments]
        if os.geteuid() == 0:
            drop = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
            command = [*drop, *command]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=os.environ | {"HOME": "/nonexistent", "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # a pipe would stay open as long as the server lives
            stderr=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            raise DomainError(
                "no_postgresql", f"PostgreSQL's {program} failed; its files: {self.folder}."
            )


@contextmanager
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    try:
        yield made
    finally:
        made.stop()
