"""One server on one port: the registers' door (sync_api) and Django, in one process.

A cut line, a firewall or a TLS proxy then treats everything alike; see docs/decisions/0002.
"""

import socket
from concurrent.futures import ThreadPoolExecutor

import uvicorn
from a2wsgi import WSGIMiddleware
from django.core.wsgi import get_wsgi_application

from stillopen.backoffice.sync_api.app import PREFIX, SyncApi
from stillopen.backoffice.sync_api.http import Receive, Scope, Send
from stillopen.domain.errors import DomainError

THREADS = 8  # for the sync API, and as many for the pages
DRAIN = 10  # seconds that running requests get when the server is told to stop


class Door:
    """The ASGI application: registers to the sync API, people and scripts to Django."""

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="sync")
        self.sync = SyncApi(self.threads)
        self._django = WSGIMiddleware(get_wsgi_application(), workers=THREADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"].startswith(PREFIX):
            await self.sync(scope, receive, send)
        else:
            await self._django(scope, receive, send)  # type: ignore[arg-type]


class _Server(uvicorn.Server):
    """Ends the open streams before it waits for connections, and says when it is ready."""

    def __init__(self, config: uvicorn.Config, door: Door, ready: str) -> None:
        super().__init__(config)
        self._door = door
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(self._ready, flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._door.sync.hub.close()
        await super().shutdown(sockets)


def serve(host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is running. ``DomainError port_taken``."""
    listening = _listen(host, port)
    address = f"http://{host}:{listening.getsockname()[1]}"
    door = Door()
    config = uvicorn.Config(
        door,
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=DRAIN,
        server_header=False,
    )
    server = _Server(config, door, f"The Back Office serves on {address}")
    try:
        server.run(sockets=[listening])
    finally:
        door.threads.shutdown(cancel_futures=True)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise DomainError(
            "port_taken", f"Port {port} of {host} cannot be used: {error.strerror or error}."
        ) from error
