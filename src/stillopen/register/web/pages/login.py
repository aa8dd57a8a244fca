"""Signing in and out, and the screen of a blocked register."""

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from stillopen.domain.errors import DomainError
from stillopen.register.usecases.cart_view import current_cart
from stillopen.register.usecases.pay import pending_payments
from stillopen.register.usecases.receipts import last_receipt, last_sale_sentence
from stillopen.register.usecases.sign_in import employee_tiles, sign_in, sign_out
from stillopen.register.web.pages.frame import Ui, cookie_name, page
from stillopen.register.web.view_sale import fresh_of


async def show(ui: Ui) -> Response:
    """Who is here; after a sale with its change still shown, after a power cut with the last sale."""
    return ui.go("/") if ui.session else _screen(ui)


def _screen(ui: Ui, chosen: str = "", problem: str = "") -> Response:
    paid = fresh_of(ui.request.app).shown_with(current_cart(ui.till))
    return ui.page(
        "login.html",
        people=employee_tiles(ui.till),
        paid=paid,
        last=None if paid else _last_sale(ui),
        pending=bool(pending_payments(ui.till)),
        chosen=chosen,
        problem=problem,
    )


def _last_sale(ui: Ui) -> dict[str, str] | None:
    sentence, last = last_sale_sentence(ui.till), last_receipt(ui.till)
    return {"sentence": sentence, "number": last.receipt.number} if sentence and last else None


async def submit(ui: Ui) -> Response:
    form = await ui.form()
    employee, pin = str(form.get("employee", "")), str(form.get("pin", ""))
    if not employee:
        return _screen(ui, problem="Choose your name first.")
    try:
        session = await run_in_threadpool(sign_in, ui.till, employee, pin)
    except DomainError as error:
        if error.code == "register_blocked":
            return ui.go("/blocked")
        return _screen(ui, employee, error.message)
    response = ui.go("/")
    name = cookie_name(ui.request, "session")
    response.set_cookie(name, session.token, httponly=True, samesite="strict")
    return response


async def leave(ui: Ui) -> Response:
    if ui.session is not None:
        sign_out(ui.till, ui.session)
    fresh_of(ui.request.app).forget()
    response = ui.go("/login")
    response.delete_cookie(cookie_name(ui.request, "session"), samesite="strict")
    return response


async def blocked(ui: Ui) -> Response:
    return ui.page("blocked.html") if ui.stage == "blocked" else ui.go("/")


routes: list[BaseRoute] = [
    Route("/login", page(show, "login"), methods=["GET"]),
    Route("/login", page(submit, "login"), methods=["POST"]),
    Route("/sign-out", page(leave, "login"), methods=["POST"]),
    Route("/blocked", page(blocked, "blocked")),
]
