"""The registers' door as one ASGI application: ping, activate, exchange, poke."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from stillopen.backoffice.ingest.refused import Refused
from stillopen.backoffice.sync_api import calls, poke
from stillopen.backoffice.sync_api.http import Gone, Receive, Scope, Send, header, read_body, refuse
from stillopen.backoffice.sync_api.http import answer as respond
from stillopen.backoffice.sync_api.hub import Hub
from stillopen.sync.codec import CONTENT_TYPE
from stillopen.sync.proof import HEADER

PREFIX = "/sync/"
_PROOF = HEADER.lower().encode()
_TYPE = CONTENT_TYPE.encode()

Endpoint = Callable[[Scope, Receive, Send], Awaitable[None]]


class SyncApi:
    """``threads`` run what touches the database; ping and the idle streams never wait for one."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self.hub = Hub()
        self._threads = threads
        self._endpoints: dict[tuple[str, str], Endpoint] = {
            ("GET", "/sync/v1/ping"): self._ping,
            ("POST", "/sync/v1/activate"): self._activate,
            ("POST", "/sync/v1/exchange"): self._exchange,
            ("GET", "/sync/v1/poke"): self._poke,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._find(scope)(scope, receive, send)
        except Refused as refused:
            await refuse(send, refused)
        except Gone:
            return

    def _find(self, scope: Scope) -> Endpoint:
        method, path = scope["method"], scope["path"]
        endpoint = self._endpoints.get((method, path))
        if endpoint is not None:
            return endpoint
        if any(known == path for _, known in self._endpoints):
            raise Refused(405, "method_not_allowed", f"{path} does not take {method}.")
        raise Refused(404, "not_found", "There is no such call in the sync API.")

    async def _in_thread(self, call: Callable[..., bytes], *arguments: object) -> bytes:
        run = functools.partial(calls.on_connection, call, *arguments)
        return await asyncio.get_running_loop().run_in_executor(self._threads, run)

    async def _ping(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, 200, b'{"status":"ok"}')

    async def _activate(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await self._in_thread(calls.activate, await read_body(receive))
        await respond(send, 200, body, _TYPE)

    async def _exchange(self, scope: Scope, receive: Receive, send: Send) -> None:
        proof = header(scope, _PROOF)
        body = await self._in_thread(calls.exchange, proof, await read_body(receive))
        await respond(send, 200, body, _TYPE)

    async def _poke(self, scope: Scope, receive: Receive, send: Send) -> None:
        check = functools.partial(calls.on_connection, poke.check, header(scope, _PROOF))
        stream = await asyncio.get_running_loop().run_in_executor(self._threads, check)
        await poke.stream_events(stream, self.hub, receive, send)
