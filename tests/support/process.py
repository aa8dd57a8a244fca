"""The real programs as processes: run a command, serve, kill -9, start again."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from tests.support.postgres import free_port

T = TypeVar("T")

_HTTP = httpx.Client(timeout=2, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
STILLOPEN = str(Path(sys.executable).with_name("stillopen"))
READY_WITHIN = 40.0  # seconds
STOPPED_WITHIN = 20.0


def run(
    *arguments: str, stdin: str = "", cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """One command of the installed ``stillopen``, whatever its exit code."""
    return subprocess.run(
        [STILLOPEN, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        check=False,
    )


def output(*arguments: str) -> str:
    """What a command that must succeed printed."""
    done = run(*arguments)
    assert done.returncode == 0, f"stillopen {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def last_value(text: str) -> str:
    """``…\\nToken: X\\n`` → ``X``."""
    return text.strip().splitlines()[-1].rpartition(": ")[2]


def wait_for(what: Callable[[], T], within: float, why: str) -> T:
    """The first true answer of ``what``, asked every 50 ms; fails the test after ``within`` seconds."""
    deadline = time.monotonic() + within
    while True:
        answer = what()
        if answer:
            return answer
        if time.monotonic() > deadline:
            pytest.fail(f"not within {within} s: {why} (last answer: {answer!r})")
        time.sleep(0.05)


class Server:
    """A ``stillopen … serve`` on a port of its own, with its log; ready when ``ready_path`` answers 200.

    ``prefix`` is a command that runs it (in another namespace …)."""

    def __init__(
        self, arguments: list[str], ready_path: str, log: Path, prefix: Sequence[str] = ()
    ) -> None:
        self._prefix = prefix
        self.port = free_port()
        self.log = log
        self._arguments = arguments
        self._ready_path = ready_path
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start and wait until it answers."""
        self.spawn()
        wait_for(self.answers, READY_WITHIN, f"{self._arguments[:2]} answers; {self.log}")

    def spawn(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._prefix, STILLOPEN, *self._arguments, "--port", str(self.port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """SIGKILL to it and all its processes: the power is gone."""
        self._signal(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(STOPPED_WITHIN)

    def close(self) -> None:
        """Whatever state it is in, it is gone afterwards."""
        if self._process is not None:
            self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
        self._process.wait(STOPPED_WITHIN)

    def answers(self) -> bool:
        """Whether it is up; fails the test when the process has ended by itself."""
        assert self._process is not None
        if self._process.poll() is not None:
            words = self.log.read_text(errors="replace")[-2000:]
            pytest.fail(f"{self._arguments[:2]} ended with {self._process.returncode}: {words}")
        try:
            return _HTTP.get(self.url + self._ready_path).status_code == 200
        except httpx.HTTPError:
            return False
