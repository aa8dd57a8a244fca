"""How ``stillopen demo cut`` in a second terminal reaches the demo that runs in the first.

``run.json`` in the demo's folder names a loopback port, a token, and the processes. It counts only
while somebody who knows the token answers there; a file left behind by a crash is no hindrance.
"""

import asyncio
import os
import secrets
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from stillopen.demo.ports import HOST
from stillopen.domain.errors import DomainError

_ANSWER_WITHIN = 90.0  # seconds; starting a program takes its time
_ENDED_WITHIN = 15.0  # seconds
_MAX_LINE = 64 * 1024


class RunFile(msgspec.Struct, kw_only=True):
    port: int
    token: str
    pids: list[int] = []


class Order(msgspec.Struct, kw_only=True):
    """``do``: cut, mend, stop, start, status; ``what``: backoffice or register; ``number`` from 1."""

    do: str
    what: str = ""
    number: int = 0  # 0: all
    kill: bool = False


class Request(msgspec.Struct, kw_only=True):
    token: str
    order: Order


class Reply(msgspec.Struct, kw_only=True):
    say: str
    code: str = ""  # of the DomainError, when it failed


Handler = Callable[[Order], Awaitable[str]]


def _path(folder: Path) -> Path:
    return folder / "run.json"


def read(folder: Path) -> RunFile | None:
    try:
        return msgspec.json.decode(_path(folder).read_bytes(), type=RunFile)
    except (OSError, msgspec.DecodeError):
        return None


class Control:
    """The listening end, inside the running demo."""

    def __init__(self, folder: Path, handler: Handler) -> None:
        self._folder = folder
        self._handler = handler
        self._file = RunFile(port=0, token=secrets.token_urlsafe(16))
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, HOST, 0, limit=_MAX_LINE)
        self._file.port = self._server.sockets[0].getsockname()[1]
        self.note([])

    def note(self, pids: list[int]) -> None:
        """Remember the processes, so that the next run can end what a crash left over."""
        self._file.pids = pids
        path = _path(self._folder)
        draft = path.with_suffix(".new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(self._file))
        draft.replace(path)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        _path(self._folder).unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = msgspec.json.decode(await reader.readline(), type=Request)
            if not secrets.compare_digest(request.token, self._file.token):
                return
            writer.write(msgspec.json.encode(await self._obey(request.order)) + b"\n")
            await writer.drain()
        except (OSError, ValueError):
            pass  # whoever asked is gone, or was not one of ours
        finally:
            writer.close()

    async def _obey(self, order: Order) -> Reply:
        try:
            return Reply(say=await self._handler(order))
        except DomainError as error:
            return Reply(say=error.message, code=error.code)


def tell(folder: Path, order: Order) -> str:
    """Send ``order`` to the demo that runs in ``folder``; what it says.

    Errors: ``demo_not_running``, and those of the order itself.
    """
    file = read(folder)
    reply = _exchange(file, order) if file is not None else None
    if reply is None:
        raise DomainError(
            "demo_not_running", f"No demo runs in {folder}. Start it with: stillopen demo"
        )
    if reply.code:
        raise DomainError(reply.code, reply.say)
    return reply.say


def _exchange(file: RunFile, order: Order) -> Reply | None:
    request = msgspec.json.encode(Request(token=file.token, order=order)) + b"\n"
    try:
        with socket.create_connection((HOST, file.port), timeout=_ANSWER_WITHIN) as connection:
            connection.sendall(request)
            line = connection.makefile("rb").readline(_MAX_LINE)
        return msgspec.json.decode(line, type=Reply)
    except (OSError, msgspec.DecodeError):
        return None


def end_leftovers(folder: Path) -> None:
    """End programs that an earlier demo in ``folder`` left behind when it was killed."""
    file = read(folder)
    left = [pid for pid in (file.pids if file is not None else []) if _is_ours(pid, folder)]
    for pid in left:
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _ENDED_WITHIN
    while any(_is_ours(pid, folder) for pid in left) and time.monotonic() < deadline:
        time.sleep(0.05)


def _is_ours(pid: int, folder: Path) -> bool:
    """Whether ``pid`` is a program of ours on data in ``folder``; a pid may belong to another by now."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return False
    return "stillopen" in command and any(part.startswith(str(folder)) for part in command)
