"""Operations: pay-in, pay-out, drop and no sale, each with its reason; Sync Back Office at the bottom."""

import msgspec
from starlette.datastructures import FormData
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from stillopen.domain.errors import DomainError
from stillopen.domain.money import minor_digits, parse_major
from stillopen.domain.shift import CashKind
from stillopen.register.usecases.move_cash import move_cash
from stillopen.register.usecases.open_drawer import open_drawer
from stillopen.register.web.pages.frame import Signed, Ui, page
from stillopen.register.web.pages.shift import last_taken
from stillopen.register.web.view import cash


class Movement(msgspec.Struct, frozen=True, kw_only=True):
    """The words of one screen; ``kind`` is None for No sale, which moves no money."""

    kind: CashKind | None
    title: str
    amount: str  # label of the amount, or ""
    verb: str
    done: str
    icon_name: str
    reasons: tuple[str, ...]
    text: str = ""


MOVEMENTS: dict[str, Movement] = {
    "pay_in": Movement(
        kind=CashKind.PAY_IN,
        title="Pay in",
        amount="Cash put in",
        verb="Pay in",
        done="paid in",
        icon_name="plus",
        reasons=("Change from the bank", "More float", "Correction"),
    ),
    "pay_out": Movement(
        kind=CashKind.PAY_OUT,
        title="Pay out",
        amount="Cash taken out",
        verb="Pay out",
        done="paid out",
        icon_name="minus",
        reasons=("Supplier", "Small purchase", "Postage", "Correction"),
    ),
    "drop": Movement(
        kind=CashKind.DROP,
        title="Drop",
        amount="Cash moved to the safe",
        verb="Drop",
        done="dropped to the safe",
        icon_name="safe",
        reasons=("Safe", "Bank deposit"),
    ),
    "no-sale": Movement(
        kind=None,
        title="No sale",
        amount="",
        verb="Open the drawer",
        done="The drawer was opened",
        icon_name="drawer",
        reasons=("Give change", "Count", "Test"),
        text="The drawer opens without a sale. It is written down with your name and the reason.",
    ),
}


async def menu(ui: Ui) -> Response:
    return ui.page("operations.html", last_z=last_taken(ui))


async def show(ui: Ui) -> Response:
    return _screen(ui)


def _movement(ui: Ui) -> Movement:
    """``no_such_page`` for an address that is none of ours."""
    movement = MOVEMENTS.get(ui.request.path_params["what"])
    if movement is None:
        raise DomainError("no_such_page", "The till has no such page.")
    return movement


def _screen(ui: Ui, form: FormData | None = None, problem: str = "") -> Response:
    movement = _movement(ui)
    values = {n: str(form.get(n, "")) if form else "" for n in ("reason", "words", "amount")}
    return ui.page(
        "cash.html",
        problem=problem,
        values=values,
        digits=minor_digits(ui.currency),
        **{name: getattr(movement, name) for name in movement.__struct_fields__ if name != "kind"},
    )


async def submit(ui: Ui) -> Response:
    form, movement = await ui.form(), _movement(ui)
    try:
        title = _carry_out(ui, movement, form)
    except DomainError as error:
        return _screen(ui, form, error.message)
    return ui.go("/operations", Signed("green", title))


def _carry_out(ui: Ui, movement: Movement, form: FormData) -> str:
    """What was done, in words for the toast."""
    reason = str(form.get("words", "")).strip() or str(form.get("reason", "")).strip()
    if not reason:
        raise DomainError("reason_missing", "Choose a reason, or write one.")
    if movement.kind is None:
        open_drawer(ui.till, ui.who, reason)
        return movement.done
    text = str(form.get("amount", "")).strip()
    if not text:
        raise DomainError("bad_amount", "Type the amount.")
    amount = parse_major(text, ui.currency)
    move_cash(ui.till, ui.who, movement.kind, amount, reason)
    return f"{cash(amount, ui.currency)} {movement.done}"


routes: list[BaseRoute] = [
    Route("/operations", page(menu, "open")),
    Route("/operations/{what}", page(show), methods=["GET"]),
    Route("/operations/{what}", page(submit), methods=["POST"]),
]
