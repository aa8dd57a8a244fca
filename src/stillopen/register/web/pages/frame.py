"""What all pages share: who asks, what the till's state lets them see, and how an error is said."""

import json
import secrets
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import NamedTuple

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from stillopen.domain.errors import DomainError
from stillopen.register.session import Session
from stillopen.register.till import Till
from stillopen.register.usecases.sign_in import is_blocked
from stillopen.register.web.view import in_store, render, when
from stillopen.register.web.view_line import line_parts, line_view

#: Changes with every start of the program; a page from before a restart finds out by it.
BOOT = secrets.token_hex(8)

#: How far the till is, in order; a page names the first stage at which it may be seen.
STAGES = ("activate", "readiness", "blocked", "login", "open", "work")

POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self'; "
    "frame-ancestors 'self'; form-action 'self'; base-uri 'none'"
)


class Signed(NamedTuple):
    """Flash message of the next page: tone is green, yellow or red."""

    tone: str
    title: str
    text: str = ""


def stage_of(till: Till, session: Session | None) -> str:
    """Which of :data:`STAGES` the till is at for this browser."""
    if till.identity is None:
        return "activate"
    if till.catalogue.account_settings() is None or till.catalogue.store_settings() is None:
        return "readiness"
    if session is None:
        return "blocked" if is_blocked(till) else "login"
    return "work" if till.journal.shift_is_open() else "open"


class Ui:
    """One request of a screen."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.till: Till = request.app.state.till
        self.session = self.till.session(request.cookies.get(cookie_name(request, "session")))
        self.stage = stage_of(self.till, self.session)

    @property
    def by_htmx(self) -> bool:
        return self.request.headers.get("hx-request") == "true"

    @property
    def wants_json(self) -> bool:
        return "application/json" in self.request.headers.get("accept", "")

    @property
    def who(self) -> Session:
        """The signed-in employee, on pages that need one."""
        if self.session is None:
            raise DomainError("signed_out", "Sign in first.")
        return self.session

    @property
    def currency(self) -> str:
        return self.till.rules.currency

    async def form(self) -> FormData:
        return await self.request.form()

    def context(self, **values: object) -> dict[str, object]:
        """What base templates and components need."""
        return {"line": line_view(self.till), **self.basics(), **values}

    def basics(self) -> dict[str, object]:
        """The same without the state of the line, for parts that are drawn with every scan."""
        theme = self.request.cookies.get("theme", "")
        return {
            "till": self.till,
            "session": self.session,
            "stage": self.stage,
            "boot": BOOT,
            "theme": theme if theme in ("light", "dark") else "",
            "path": self.request.url.path,
            "when": lambda moment: when(self.till, moment),
            "in_store": lambda moment: in_store(self.till, moment),
        }

    def page(self, template: str, **values: object) -> Response:
        """A whole page; one that says a ``problem`` is no success (422)."""
        selling = self.stage in ("open", "work")
        context = self.context(parts=line_parts(self.till, selling), **values)
        status = HTTPStatus.UNPROCESSABLE_ENTITY if values.get("problem") else HTTPStatus.OK
        return HTMLResponse(render(template, **context), status)

    def part(self, template: str, **values: object) -> Response:
        return HTMLResponse(render(template, **self.context(**values)))

    def go(self, path: str, flash: Signed | None = None) -> Response:
        """Show ``path`` next, with a message there."""
        response: Response
        if self.by_htmx:
            response = Response(headers={"HX-Redirect": path})
        else:
            response = RedirectResponse(path, HTTPStatus.SEE_OTHER)
        if flash is not None:
            self.flash(response, flash)
        return response

    def flash(self, response: Response, message: Signed) -> None:
        """The next page shows the message and takes the cookie away (static/live.js)."""
        text = json.dumps(message._asdict()).encode().hex()
        response.set_cookie(cookie_name(self.request, "flash"), text, max_age=20, samesite="strict")


def cookie_name(request: Request, name: str) -> str:
    """Cookies know no ports, and two tills may run on one machine."""
    port = request.headers.get("host", "").rpartition(":")[2]
    return f"till_{name}_{port if port.isdigit() else 80}"


Handler = Callable[[Ui], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


def page(handler: Handler, needs: str = "work") -> Endpoint:
    """Make ``handler`` an endpoint that is reached only from stage ``needs`` on.

    A till that is not so far answers with the way to the screen that comes first.
    """
    least = STAGES.index(needs)

    async def endpoint(request: Request) -> Response:
        ui = Ui(request)
        if STAGES.index(ui.stage) < least:
            return _too_early(ui)
        try:
            response = await handler(ui)
        except DomainError as error:
            response = say_error(ui, error)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        return response

    return endpoint


def _too_early(ui: Ui) -> Response:
    if ui.wants_json:
        return JSONResponse(_error("signed_out", "Sign in first.", stage=ui.stage), 401)
    return ui.go("/")


def say_error(ui: Ui, error: DomainError) -> Response:
    """One sentence: as JSON, as a toast of the page that is open, or as a page of its own."""
    body = _error(error.code, error.message, **error.details)
    if ui.wants_json:
        return JSONResponse(body, 422)
    if ui.by_htmx:
        toast = {"toast": {"tone": "red", "title": error.message, "text": ""}}
        return Response(status_code=422, headers={"HX-Trigger": json.dumps(toast)})
    return ui.page("error.html", error=error, problem=error.message)


def _error(code: str, message: str, **details: object) -> dict[str, object]:
    return {"code": code, "message": message, "details": details}
