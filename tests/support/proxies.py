"""Proxies of the kind that shops and hotels put in front of a till, small and real."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class HttpProxy:
    """A reverse proxy: one request per connection to ``target``; keeps none alive.

    ``buffering``: an answer is handed on when it is complete, as nginx does with proxy_buffering and a
    small answer. ``close_after``: seconds after which an answer that is still going on is broken off.
    """

    def __init__(
        self, target: tuple[str, int], buffering: bool = False, close_after: float = 3600
    ) -> None:
        self.target, self.buffering, self.close_after = target, buffering, close_after
        self.seen: list[str] = []  # request lines
        self._tasks: set[asyncio.Task[None]] = set()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._carry(reader, writer)
        except (OSError, EOFError, TimeoutError, asyncio.CancelledError):
            pass  # either end left, or the test is over
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.seen.append(head.split(b"\r\n", 1)[0].decode())
        length = next(
            (int(x[15:]) for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")),
            0,
        )
        body = await reader.readexactly(length)
        far, out = await asyncio.open_connection(*self.target)
        try:
            lines = [
                x for x in head.split(b"\r\n")[:-2] if not x.lower().startswith(b"connection:")
            ]
            out.write(b"\r\n".join([*lines, b"Connection: close", b"", b""]) + body)
            async with asyncio.timeout(self.close_after):
                await self._answer(far, writer)
        finally:
            out.close()

    async def _answer(self, far: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.buffering:
            writer.write(await far.read())
        else:
            while data := await far.read(4096):
                writer.write(data)
                await writer.drain()
        await writer.drain()

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def http_proxy(
    target: tuple[str, int], buffering: bool = False, close_after: float = 3600
) -> AsyncIterator[tuple[HttpProxy, int]]:
    """The proxy and the port it listens on."""
    proxy = HttpProxy(target, buffering, close_after)
    server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
    try:
        yield proxy, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await proxy.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(server.wait_closed(), 1)
