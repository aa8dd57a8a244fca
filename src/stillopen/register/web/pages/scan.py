"""The other end of the browser's queue: commands for the cart, in order, each with its own id.

A command that was answered before changes nothing; one that a rule refuses stops no other.
"""

from collections.abc import Callable

import msgspec
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from stillopen.domain.cart import find_line
from stillopen.domain.discount import Discount
from stillopen.domain.errors import DomainError
from stillopen.register.usecases import change_cart, park
from stillopen.register.usecases.cart_view import CartView
from stillopen.register.usecases.scan import Added, add_product, scan
from stillopen.register.web.pages.frame import Ui, page
from stillopen.register.web.view import render
from stillopen.register.web.view_sale import cart_context, fresh_of

MAX_COMMANDS = 50


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """``do`` is a key of :data:`VERBS`; the other fields are what that verb takes, as typed."""

    id: str
    do: str
    code: str = ""
    product: str = ""
    quantity: str = "1"
    line: str = ""
    kind: str = ""  # percent | amount | none
    value: str = ""
    note: str = ""
    parked: str = ""


class Batch(msgspec.Struct, frozen=True):
    commands: list[Command]


def _discount(ui: Ui, c: Command) -> Discount | None:
    if c.kind == "none":
        return None
    return change_cart.make_discount(c.kind, c.value, ui.currency)


def _line_discount(ui: Ui, c: Command) -> CartView:
    return change_cart.set_line_discount(ui.till, ui.who, c.line, _discount(ui, c))


def _remove(ui: Ui, c: Command) -> CartView | None:
    """Repeated after an answer that got lost, the line is simply gone already."""
    try:
        return change_cart.remove_line(ui.till, ui.who, c.line)
    except DomainError as error:
        if error.code == "no_such_line":
            return None
        raise


#: What the queue may ask for.
VERBS: dict[str, Callable[[Ui, Command], Added | CartView | None]] = {
    "scan": lambda ui, c: scan(ui.till, ui.who, c.code, c.quantity, c.id),
    "add": lambda ui, c: add_product(ui.till, ui.who, c.product, c.quantity, c.id),
    "back": lambda ui, c: change_cart.take_back_last(ui.till, ui.who, c.id),
    "quantity": lambda ui, c: change_cart.set_quantity(ui.till, ui.who, c.line, c.quantity),
    "discount": _line_discount,
    "note": lambda ui, c: change_cart.set_line_note(ui.till, ui.who, c.line, c.note),
    "remove": _remove,
    "sale_discount": lambda ui, c: change_cart.set_sale_discount(ui.till, ui.who, _discount(ui, c)),
    "customer": lambda ui, c: change_cart.set_customer(ui.till, ui.who, c.code),
    "sale_note": lambda ui, c: change_cart.set_note(ui.till, ui.who, c.note),
    "discard": lambda ui, c: change_cart.discard(ui.till, ui.who),
    "park": lambda ui, c: park.park(ui.till, ui.who),
    "resume": lambda ui, c: park.resume(ui.till, ui.who, c.parked),
}


async def commands(ui: Ui) -> Response:
    """``{"commands": […]}`` → ``{"results": […], "cart": html}``, one result per command, in order."""
    try:
        batch = msgspec.json.decode(await ui.request.body(), type=Batch)
    except msgspec.DecodeError:
        raise DomainError("bad_request", "These are no commands for the cart.") from None
    results: list[dict[str, object]] = []
    view: CartView | None = None  # as the last command left it; None: look it up
    for command in batch.commands[:MAX_COMMANDS]:
        result, view = _carry_out(ui, command)
        results.append(result)
        if ui.till.session(ui.who.token) is None:  # parking signs out where several share the till
            return _json({"results": results, "go": "/login"})
    context = cart_context(ui.till, fresh_of(ui.request.app), view)
    return _json({"results": results, "cart": render("parts/cart.html", **context)})


def _json(answer: dict[str, object]) -> Response:
    return Response(msgspec.json.encode(answer), media_type="application/json")


def _carry_out(ui: Ui, command: Command) -> tuple[dict[str, object], CartView | None]:
    answer: dict[str, object] = {"id": command.id, "do": command.do}
    verb = VERBS.get(command.do)
    try:
        if verb is None:
            raise DomainError("bad_request", "The till does not know this command.")
        done = verb(ui, command)
    except DomainError as error:
        return answer | _refusal(error, command), None
    answer["ok"] = True
    if isinstance(done, Added):
        return answer | {"line": done.line, "name": _name(done)}, done.view
    return answer, done


def _name(added: Added) -> str:
    """Empty where the line is gone again: the request was repeated late."""
    try:
        return find_line(added.view.cart, added.line).name
    except DomainError:
        return ""


def _refusal(error: DomainError, command: Command) -> dict[str, object]:
    said: dict[str, object] = {"ok": False, "code": error.code, "message": error.message}
    if error.code == "unknown_code":
        said["html"] = render("parts/unknown.html", code=command.code)
    return said


routes: list[BaseRoute] = [Route("/ui/scan", page(commands, "open"), methods=["POST"])]
