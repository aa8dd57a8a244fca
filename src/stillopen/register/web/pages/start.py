"""The way to the first sale: where "/" leads, readiness and activation, and what is missing."""

from http import HTTPStatus

from starlette.datastructures import FormData
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from stillopen.domain.errors import DomainError
from stillopen.register.usecases.activate import activate
from stillopen.register.web.pages.frame import Ui, page, say_error
from stillopen.register.web.pages.hops import advice_for, probe_hops

_FIELDS = ("backoffice", "account", "license_key")

#: stage → the screen that comes next.
FIRST = {
    "activate": "/activate",
    "readiness": "/activate",
    "blocked": "/blocked",
    "login": "/login",
    "open": "/open",
    "work": "/sell",
}


async def home(ui: Ui) -> Response:
    return ui.go(FIRST[ui.stage])


async def show(ui: Ui) -> Response:
    """Activation, and after it what is still missing before the first sale."""
    if ui.stage not in ("activate", "readiness"):
        return ui.go("/")
    return _screen(ui)


def _screen(ui: Ui, form: FormData | None = None, problem: str = "") -> Response:
    values = {name: str(form.get(name, "")) if form else "" for name in _FIELDS}
    if ui.till.identity is not None:
        values["backoffice"] = ui.till.identity.backoffice
    return ui.page("activate.html", values=values, problem=problem, **_missing(ui))


async def submit(ui: Ui) -> Response:
    form = await ui.form()
    address, account, key = (str(form.get(name, "")) for name in _FIELDS)
    try:
        await activate(ui.till, address, account, key)
    except DomainError as error:
        return _screen(ui, form, error.message)
    return ui.go("/")


def _missing(ui: Ui) -> dict[str, object]:
    catalogue, link = ui.till.catalogue, ui.till.link
    here = [
        ("Activation", ui.till.identity is not None),
        ("Settings of the account, with its tax rules", catalogue.account_settings() is not None),
        ("Settings of the store", catalogue.store_settings() is not None),
        ("Employees who may sign in", bool(catalogue.employees())),
        ("Products", catalogue.count("product") > 0),
    ]
    return {"missing": here, "staged": link.staged, "total": link.staged + link.incoming}


async def missing(ui: Ui) -> Response:
    return ui.part("parts/missing.html", **_missing(ui))


async def hops(ui: Ui) -> Response:
    """Try each step of the way to the Back Office anew."""
    identity = ui.till.identity
    typed = ui.request.query_params.get("backoffice", "")
    found = await probe_hops(identity.backoffice if identity else typed, ui.till)
    return ui.part("parts/hops.html", hops=found, advice=advice_for(found))


async def lost(ui: Ui) -> Response:
    """An address that leads nowhere: a page with the way back to the till."""
    response = say_error(ui, DomainError("not_found", "There is no such page."))
    response.status_code = HTTPStatus.NOT_FOUND
    return response


#: Comes after all other routes.
lost_routes: list[BaseRoute] = [Route("/{path:path}", page(lost, "activate"))]

routes: list[BaseRoute] = [
    Route("/", page(home, "activate")),
    Route("/activate", page(show, "activate"), methods=["GET"]),
    Route("/activate", page(submit, "activate"), methods=["POST"]),
    Route("/ui/missing", page(missing, "activate")),
    Route("/ui/hops", page(hops, "activate")),
]
