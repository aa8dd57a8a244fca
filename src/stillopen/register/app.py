"""The till's web application: local API, screens, and the syncer beside them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount

from stillopen.register.till import Till
from stillopen.register.web.api import build_api
from stillopen.register.web.api_frame import on_http_error
from stillopen.register.web.guard import Guard
from stillopen.register.web.pages import routes as pages

#: Seconds that the syncer gets to finish what it is about when the program ends.
FAREWELL = 3.0


class SyncerLike(Protocol):
    """What the application needs of a syncer: ``run`` until ``stop``."""

    async def run(self) -> None: ...

    def stop(self) -> None: ...


def build_app(till: Till, syncer: SyncerLike | None, names: tuple[str, ...] = ()) -> Starlette:
    """The application; it closes ``till`` when it ends. ``names``: host names it may be called by."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        running = asyncio.create_task(syncer.run()) if syncer else None
        try:
            yield
        finally:
            till.notify("stop")
            if syncer and running:
                await _end(syncer.stop, running)
            till.close()

    # The second: another version of the API is told so in JSON, not by the screens' page for lost addresses.
    mounts: list[BaseRoute] = [Mount("/api/v1", app=build_api(till)), Mount("/api", routes=[])]
    app = Starlette(
        routes=[*mounts, *pages],
        lifespan=lifespan,
        middleware=[Middleware(Guard, names=names)],
        exception_handlers={HTTPException: _on_http_error},
    )
    app.state.till = till
    return app


async def _end(stop: Callable[[], None], running: "asyncio.Task[None]") -> None:
    stop()
    done, _ = await asyncio.wait([running], timeout=FAREWELL)
    if not done:
        running.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await running


async def _on_http_error(request: Request, raised: Exception) -> Response:
    """JSON below ``/api``, a plain line elsewhere."""
    if request.url.path.startswith("/api"):
        return await on_http_error(request, raised)
    error: Any = raised
    return PlainTextResponse(error.detail, error.status_code, error.headers)
