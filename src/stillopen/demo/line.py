"""A line that can be cut: a TCP proxy that stands for the wire between a register and its Back Office.

A cut line is not a closed port. Nothing arrives any more, and nobody is told: no reset, no error.
Connections stay open, new ones are accepted, and what is sent meanwhile is gone. A connection that
has lost bytes like that is never used again; it ends some time after the line is back.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from enum import Enum
from typing import Any, TypeVar

T = TypeVar("T")

_CHUNK = 64 * 1024
_NO_LINGER = struct.pack("ii", 1, 0)  # close() sends a reset
#: Seconds after which a connection from the time of the cut is reset, once the line is back.
LATE = 20.0


class LineState(Enum):
    OPEN = "open"
    CUT = "cut"
    REFUSING = "refusing"


class Connection:
    """One connection through the line; ``dead`` once the line was cut during its life."""

    def __init__(self, near: asyncio.StreamWriter) -> None:
        self.near = near
        self.far: asyncio.StreamWriter | None = None
        self.dead = False

    def writers(self) -> list[asyncio.StreamWriter]:
        return [self.near] if self.far is None else [self.near, self.far]

    def reset(self) -> None:
        """End it so that both sides see a reset."""
        for writer in self.writers():
            sock = writer.get_extra_info("socket")
            if sock is not None and sock.fileno() >= 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            writer.transport.abort()

    def close(self) -> None:
        """End it after what is still to be written."""
        for writer in self.writers():
            writer.close()


class Line:
    """Forwards ``host:port`` to ``target``; all methods belong to one event loop."""

    def __init__(self, target: tuple[str, int], host: str = "127.0.0.1", port: int = 0) -> None:
        self.target = target
        self.host = host
        self.port = port
        self.state = LineState.OPEN
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen; ``port`` is known afterwards. OSError when it is taken."""
        self._server = await asyncio.start_server(self._accepted, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        await self._stop_listening()
        self._reset(list(self._connections))
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """From now on nothing arrives, in either direction, and nobody is told."""
        self.state = LineState.CUT
        for connection in self._connections:
            connection.dead = True

    async def refuse(self) -> None:
        """The other kind of outage: connections are reset, and new ones refused."""
        self.state = LineState.REFUSING
        await self._stop_listening()
        self._reset(list(self._connections))

    async def mend(self) -> None:
        """New connections work again; those from before the cut are reset after :data:`LATE`."""
        self.state = LineState.OPEN
        if self._server is None:
            await self.start()
        dead = [c for c in self._connections if c.dead]
        asyncio.get_running_loop().call_later(LATE, self._reset, dead)

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _reset(self, connections: list[Connection]) -> None:
        for connection in connections:
            connection.reset()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(writer)
        connection.dead = self.state is LineState.CUT
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(connection)
        self._tasks.add(task)
        try:
            await self._carry(connection, reader)
            connection.close()
        except (OSError, asyncio.CancelledError):
            connection.reset()
        finally:
            self._connections.discard(connection)
            self._tasks.discard(task)

    async def _carry(self, connection: Connection, reader: asyncio.StreamReader) -> None:
        if connection.dead:
            await self._pump(connection, reader, None)
            return
        far_reader, connection.far = await asyncio.open_connection(*self.target)
        await asyncio.gather(
            self._pump(connection, reader, connection.far),
            self._pump(connection, far_reader, connection.near),
        )

    async def _pump(
        self,
        connection: Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter | None,
    ) -> None:
        """Carry bytes one way until they end; on a dead connection they are dropped, the end too."""
        try:
            while data := await reader.read(_CHUNK):
                if writer is not None and not connection.dead:
                    writer.write(data)
                    await writer.drain()
            if writer is not None and not connection.dead:
                writer.write_eof()
        except OSError:
            if not connection.dead:
                raise  # a reset passes through a line that works; through a cut one nothing does


class LineThread:
    """A :class:`Line` (or ``line``, of another kind) on an event loop of its own, for callers that have none
    (the tests)."""

    def __init__(self, target: tuple[str, int], port: int = 0, line: Line | None = None) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.line = line or Line(target, port=port)
        self._run(self.line.start())

    @property
    def port(self) -> int:
        return self.line.port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        self._call(self.line.cut)

    blackhole = cut

    def refuse(self) -> None:
        self._run(self.line.refuse())

    def mend(self) -> None:
        self._run(self.line.mend())

    def close(self) -> None:
        self._run(self.line.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    def _call(self, what: Callable[[], None]) -> None:
        async def call() -> None:
            what()

        self._run(call())

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=10)
