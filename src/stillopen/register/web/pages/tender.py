"""Taking the money: exact, likely notes, any amount, an external card, and all of these together."""

import json
from collections.abc import Sequence

import msgspec
from starlette.datastructures import FormData
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from stillopen.domain.errors import DomainError
from stillopen.domain.money import minor_digits, parse_major
from stillopen.domain.policy import Capability
from stillopen.domain.tender import Tender, TenderType, cash_due, likely_notes
from stillopen.register.usecases.cart_view import CartView, current_cart
from stillopen.register.usecases.pay import (
    Paid,
    PendingPayment,
    answer_card_payment,
    begin_card_payment,
    pay,
    pending_payments,
)
from stillopen.register.web.pages.frame import Ui, cookie_name, page
from stillopen.register.web.view import render
from stillopen.register.web.view_sale import cart_context, fresh_of, tiles_view

#: A typed amount above this many times what is due is asked about once.
SURE_FACTOR = 10
_TYPES = {TenderType.CASH: "Cash", TenderType.EXTERNAL_CARD: "External card"}


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What was handed over so far for the sale on the screen; ``due`` is what is still missing."""

    view: CartView
    tenders: tuple[Tender, ...]
    step: int  # cash rounding

    @property
    def others(self) -> int:
        return sum(t.amount for t in self.tenders if t.type is not TenderType.CASH)

    @property
    def due(self) -> int:
        return self.view.totals.total - sum(t.amount for t in self.tenders)

    @property
    def cash_due(self) -> int:
        """What would be asked for if all the rest were cash, rounded as cash is."""
        cash = sum(t.amount for t in self.tenders) - self.others
        return cash_due(self.view.totals.total, self.others, self.step) - cash


def given_so_far(ui: Ui, form: FormData | None = None) -> Given:
    """Cash as the panel carries it along; a card that was accepted stands in the journal."""
    view = current_cart(ui.till)
    cards = [p for p in pending_payments(ui.till) if p.cart == view.cart.id and p.confirmed]
    notes = [str(x) for x in form.getlist("given")] if form else []
    cash = [int(x) for x in notes if x.isascii() and x.isdigit() and int(x) > 0]
    tenders = [
        Tender(type=TenderType.EXTERNAL_CARD, amount=p.amount, reference=_reference(ui, p.id))
        for p in cards
    ]
    tenders += [Tender(type=TenderType.CASH, amount=amount) for amount in cash]
    return Given(view=view, tenders=tuple(tenders), step=ui.till.rules.cash_rounding)


def _references(ui: Ui) -> dict[str, str]:
    """Slip references of accepted cards until their sale is made; lost with a restart, which harms nothing."""
    state = ui.request.app.state
    if not hasattr(state, "references"):
        state.references = {}
    references = state.references
    assert isinstance(references, dict)
    return references


def _reference(ui: Ui, attempt: str) -> str:
    return _references(ui).get(attempt, "")


def _names(ui: Ui) -> dict[str, str]:
    """Ways of paying that this till offers: type → its name."""
    configured = {p.type: p.name for p in ui.till.catalogue.payment_types()}
    names = configured or {t.value: name for t, name in _TYPES.items()}
    return {t.value: names[t.value] for t in _TYPES if t.value in names}


def tender_context(ui: Ui, given: Given, problem: str = "", sure: int = 0) -> dict[str, object]:
    """What parts/tender.html needs."""
    currency = given.view.currency
    return {
        "view": given.view,
        "currency": currency,
        "digits": minor_digits(currency),
        "given": given.tenders,
        "cash_given": [t.amount for t in given.tenders if t.type is TenderType.CASH],
        "due": given.due,
        "cash_due": given.cash_due,
        "rounding": given.cash_due - given.due,
        "step": given.step,
        "notes": likely_notes(given.cash_due, minor_digits(currency)),
        "card": _names(ui).get(TenderType.EXTERNAL_CARD, ""),
        "card_problem": _card_problem(ui, given),
        "problem": problem,
        "sure": sure,
    }


def _card_problem(ui: Ui, given: Given) -> str:
    if given.others:
        return "One card per sale: take the rest in cash."
    try:
        ui.till.require_capability(Capability.EXTERNAL_CARD)
    except DomainError as error:
        return error.message
    return ""


def card_context(
    ui: Ui,
    attempt: PendingPayment,
    interrupted: bool = False,
    cash_given: Sequence[int] = (),
    problem: str = "",
) -> dict[str, object]:
    """What parts/card.html needs."""
    return {
        "attempt": attempt,
        "currency": ui.currency,
        "card": _names(ui).get(TenderType.EXTERNAL_CARD, _TYPES[TenderType.EXTERNAL_CARD]),
        "interrupted": interrupted,
        "cash_given": list(cash_given),
        "problem": problem,
    }


async def show(ui: Ui) -> Response:
    given = given_so_far(ui)
    if given.view.cart.is_empty:
        raise DomainError("empty_cart", "There is nothing to pay yet.")
    asked = _unanswered(ui, given.view.cart.id)
    if asked is not None:
        return ui.part("parts/card.html", **card_context(ui, asked))
    return _panel(ui, given)


def _panel(ui: Ui, given: Given, problem: str = "", sure: int = 0) -> Response:
    return ui.part("parts/tender.html", **tender_context(ui, given, problem, sure))


def _unanswered(ui: Ui, cart: str) -> PendingPayment | None:
    return next((p for p in pending_payments(ui.till) if p.cart == cart and not p.confirmed), None)


async def submit(ui: Ui) -> Response:
    """One more tender; with it the sale is paid, or the panel asks for the rest."""
    form = await ui.form()
    given = given_so_far(ui, form)
    try:
        if form.get("cart") == given.view.cart.id:
            return _take(ui, form, given)
        # The sale was paid and its answer got lost: the same cart answers the same receipt.
        return _paid(ui, pay(ui.till, ui.who, str(form.get("cart", "")), 0, []))
    except DomainError as error:
        return _panel(ui, given_so_far(ui, form), error.message)


def _take(ui: Ui, form: FormData, given: Given) -> Response:
    by_card, amount = _asked(form, given)
    version = _version(form)
    if by_card:
        attempt = begin_card_payment(
            ui.till, ui.who, given.view.cart.id, version, min(amount, given.due)
        )
        cash = [t.amount for t in given.tenders if t.type is TenderType.CASH]
        return ui.part("parts/card.html", **card_context(ui, attempt, cash_given=cash))
    typed = "cash" not in form
    if typed and amount > SURE_FACTOR * max(given.cash_due, 0):
        return _panel(ui, given, sure=amount)
    more = Tender(type=TenderType.CASH, amount=amount)
    return _settle(ui, msgspec.structs.replace(given, tenders=(*given.tenders, more)), version)


def _settle(ui: Ui, given: Given, version: int) -> Response:
    """Paid when nothing is due any more, else the panel with the rest."""
    short = given.cash_due if any(t.type is TenderType.CASH for t in given.tenders) else given.due
    if short > 0:
        return _panel(ui, given)
    return _paid(ui, pay(ui.till, ui.who, given.view.cart.id, version, given.tenders))


def _version(form: FormData) -> int:
    text = str(form.get("version", ""))
    return int(text) if text.isascii() and text.isdigit() else -1


def _asked(form: FormData, given: Given) -> tuple[bool, int]:
    """(by card, minor units) of the button that was pressed."""
    if form.get("card") == "due":
        return True, given.due
    fixed = str(form.get("cash", ""))
    if fixed.isascii() and fixed.isdigit():
        return False, int(fixed)
    typed = str(form.get("amount", "")).strip()
    if not typed:
        raise DomainError("bad_tender", "Type what was handed over, or choose Exact.")
    amount = parse_major(typed, given.view.currency)
    if amount <= 0:
        raise DomainError("bad_tender", "A tender is an amount above zero.")
    return form.get("take") == "card", amount


async def card(ui: Ui) -> Response:
    """What the card terminal said."""
    form = await ui.form()
    attempt, paid = ui.request.path_params["attempt"], form.get("paid") == "yes"
    reference = str(form.get("reference", "")).strip()[:40]
    given = given_so_far(ui, form)
    if paid:
        _references(ui)[attempt] = reference
    made = answer_card_payment(ui.till, ui.who, attempt, paid, reference, reference)
    if made is not None:
        return _paid(ui, made)
    given = given_so_far(ui, form)
    if given.view.cart.is_empty:
        return ui.go("/sell")
    if not paid:
        return _panel(ui, given, "The card was not charged. Choose another way to pay.")
    return _settle(ui, given, given.view.cart.version)


def _paid(ui: Ui, made: Paid) -> Response:
    """Tiles again, and the change where the cart was, until the next sale starts."""
    fresh_of(ui.request.app).paid(made.receipt)
    _references(ui).clear()
    if made.signed_out:
        response = ui.go("/login")
        response.delete_cookie(cookie_name(ui.request, "session"), samesite="strict")
        return response
    tiles = ui.context(view_tiles=tiles_view(ui.till))
    cart = ui.context(**cart_context(ui.till, fresh_of(ui.request.app)))
    html = render("parts/tiles.html", **tiles)
    html += render("parts/cart_column.html", **cart)
    return HTMLResponse(html, headers={"HX-Trigger": json.dumps({"paid": made.receipt.number})})


routes: list[BaseRoute] = [
    Route("/ui/tender", page(show)),
    Route("/ui/pay", page(submit), methods=["POST"]),
    Route("/ui/card/{attempt}", page(card), methods=["POST"]),
]
