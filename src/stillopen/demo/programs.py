"""The processes of the demo: one-off commands, and programs that serve until they are stopped."""

import asyncio
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from stillopen.domain.errors import DomainError

COMMAND = [sys.executable, "-m", "stillopen"]
_READY_WITHIN = 60.0  # seconds
_STOPPED_WITHIN = 15.0  # seconds
_POLL = 0.05


def call(*arguments: str) -> str:
    """Run one ``stillopen`` command; its last line. ``DomainError demo_failed`` with its own words."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        said = last_line(done.stderr).removeprefix("Error: ")
        raise DomainError("demo_failed", f"stillopen {' '.join(arguments[:2])}: {said}")
    return last_line(done.stdout)


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ""


class Program:
    """One program that serves. ``on_end`` hears the exit code when it ends without being asked to."""

    def __init__(
        self,
        name: str,
        arguments: list[str],
        ready_url: str,
        log: Path,
        on_end: Callable[["Program", int], None],
    ) -> None:
        self.name = name
        self.arguments = arguments
        self.ready_url = ready_url
        self.log = log
        self._on_end = on_end
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self.running else None

    async def start(self) -> None:
        """In a session of its own: a Ctrl-C in the terminal is for the demo, which stops it in order."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *COMMAND,
                *self.arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._watch = asyncio.create_task(self._wait(self._process))

    async def ready(self) -> None:
        """Wait until it answers; ``DomainError demo_failed`` when it ends, or stays silent."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _READY_WITHIN
        while loop.time() < deadline:
            if not self.running:
                raise DomainError("demo_failed", f"{self.name} did not start: {self._last_words()}")
            if await asyncio.to_thread(_answers, self.ready_url):
                return
            await asyncio.sleep(_POLL)
        raise DomainError("demo_failed", f"{self.name} does not answer; its log is {self.log}.")

    async def stop(self, kill: bool = False) -> None:
        """SIGTERM and a wait, or SIGKILL at once: a power cut."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        if kill:
            process.kill()
        else:
            process.terminate()
        try:
            async with asyncio.timeout(_STOPPED_WITHIN):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _wait(self, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        if process is self._process:
            self._on_end(self, code)

    def _last_words(self) -> str:
        words = last_line(self.log.read_text(errors="replace")).removeprefix("Error: ")
        return f"{words} (log: {self.log})" if words else f"its log is {self.log}"


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
