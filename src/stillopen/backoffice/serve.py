"""One port for everything: the sync API and its poke stream as raw ASGI, Django behind it in threads."""

import contextlib
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import uvicorn
from a2wsgi import WSGIMiddleware
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.utils import timezone

from stillopen.backoffice.backups.commands import say_swapped
from stillopen.backoffice.backups.restoring import serving
from stillopen.backoffice.backups.starts import Keeper, prove_start
from stillopen.backoffice.memory import settle
from stillopen.backoffice.sync_api.http import PREFIX, Receive, Scope, Send, SyncApi
from stillopen.backoffice.sync_api.hub import Hub
from stillopen.backoffice.sync_api.poke import PokeStream
from stillopen.backoffice.sync_api.snapshots import SnapshotFiles
from stillopen.backoffice.worker.service import WorkerThread
from stillopen.listening import listen

#: Threads, each with a database connection of its own.
SYNC_THREADS = 8
WEB_THREADS = 8
_DRAIN = 8  # seconds that running requests are given to finish
_KEEP_ALIVE = 75  # registers speak every half minute: let them keep their connection
#: Seconds after which a thread that computes must let another have its turn: a poke is not to wait behind
#: the rest of the request that published.
_FAIR_SHARE = 0.001
#: A till that vanishes without a word is noticed after so many milliseconds of unanswered bytes.
_USER_TIMEOUT = 20_000


class Application:
    """The ASGI application: ``/sync/v1/…`` and, for everything else, Django."""

    def __init__(self) -> None:
        self.hub = Hub()
        pool = ThreadPoolExecutor(SYNC_THREADS, thread_name_prefix="sync")
        self._sync = SyncApi(pool, PokeStream(self.hub, pool), SnapshotFiles(pool))
        wsgi: Any = get_wsgi_application()
        self._django: Any = WSGIMiddleware(wsgi, workers=WEB_THREADS)
        settle()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            await self._sync(scope, receive, send)
        else:
            await self._django(scope, receive, send)


class _Server(uvicorn.Server):
    """Says when it is ready; on SIGTERM ends its streams, lets requests finish, and exits with 0."""

    def __init__(self, config: uvicorn.Config, hub: Hub, ready: str) -> None:
        super().__init__(config)
        self._hub = hub
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(self._ready, flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._hub.stop()  # an open stream would hold the shutdown up for ever
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's own, but a SIGTERM that was obeyed is not raised again at the end."""
        signals = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve(host: str, port: int) -> None:
    """Serve until SIGTERM or Ctrl-C; port 0 takes a free one. Django is set up and its database migrated
    (bootstrap.open_existing). Errors: ``port_in_use``, ``bad_host``.

    TLS is a proxy's work; from one on this machine (or in ``FORWARDED_ALLOW_IPS``) X-Forwarded-Proto
    and X-Forwarded-For are believed.
    """
    sys.setswitchinterval(_FAIR_SHARE)
    _allow_many_connections()
    listener = listen(host, port, backlog=2048)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # accepted connections inherit it
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT)
    with serving(settings.DIR):
        say_swapped(prove_start(timezone.now()))
        _serve(host, listener)


def _serve(host: str, listener: socket.socket) -> None:
    application, keeper, worker = Application(), Keeper(), WorkerThread()
    config = uvicorn.Config(
        application,
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=True,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_DRAIN,
    )
    shown = f"[{host}]" if ":" in host else host
    ready = f"Back Office ready on http://{shown}:{listener.getsockname()[1]}"
    keeper.start()
    worker.start()
    try:
        _Server(config, application.hub, ready).run(sockets=[listener])
    finally:
        worker.stop()
        keeper.end()


def _allow_many_connections() -> None:
    """As many open files as the system lets this process have: each register holds a stream."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
