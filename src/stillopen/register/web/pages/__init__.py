"""The screens of the till. ``routes`` is all that the app needs; handlers find ``app.state.till``."""

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from stillopen.design import DIRECTORY as DESIGN
from stillopen.register.web import events
from stillopen.register.web.pages import (
    login,
    operations,
    receipts,
    scan,
    sell,
    settings,
    shift,
    start,
    synchronization,
    tender,
)
from stillopen.register.web.view import HTMX, STATIC


class Files(StaticFiles):
    """Static files that the browser asks about each time: an upgrade is seen at once.

    Those whose address carries a mark of their content never change.
    """

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        marked = scope["query_string"].startswith(b"v=")
        response.headers["Cache-Control"] = "max-age=31536000, immutable" if marked else "no-cache"
        return response


async def _htmx(request: Request) -> Response:
    return FileResponse(HTMX, media_type="text/javascript", headers={"Cache-Control": "no-cache"})


routes: list[BaseRoute] = [
    *scan.routes,  # first: routes are tried in order, and this one must be the quickest
    *start.routes,
    *login.routes,
    *sell.routes,
    *tender.routes,
    *receipts.routes,
    *shift.routes,
    *operations.routes,
    *synchronization.routes,
    *settings.routes,
    *events.routes,
    Route("/static/htmx.js", _htmx),
    Mount("/static/design", Files(directory=DESIGN)),
    Mount("/static/till", Files(directory=STATIC)),
    *start.lost_routes,
]
