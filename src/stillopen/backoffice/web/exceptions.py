"""Exceptions: what could not be booked or does not add up, why, and what can be done about it."""

import json
from contextlib import suppress
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from stillopen.backoffice.catalogue.models import Product, TaxRate
from stillopen.backoffice.catalogue.values import read_price
from stillopen.backoffice.catalogue.verbs import ProductValues
from stillopen.backoffice.ingest import fixes
from stillopen.backoffice.ingest.resolve import Decider, settle
from stillopen.backoffice.ingest.retry import Retried, retry_register, together
from stillopen.backoffice.ingest.unknown import create, map_to
from stillopen.backoffice.reports.exceptions import (
    LAST_SETTLED,
    OPEN,
    SETTLED,
    STATES,
    URGENT,
    Filed,
    come_after_revocation,
    count_open,
    find_exceptions,
    get_exception,
    history,
    read_cases,
    settled_by,
)
from stillopen.backoffice.reports.health import entries_not_applied
from stillopen.backoffice.reports.paging import read_page
from stillopen.backoffice.reports.stock import find_products
from stillopen.backoffice.web.access import Viewer, back, page
from stillopen.backoffice.web.fields import parse_id, point_for_comma, typed
from stillopen.backoffice.web.frame import show
from stillopen.backoffice.web.render import render
from stillopen.backoffice.web.words import count
from stillopen.domain.errors import DomainError
from stillopen.domain.money import format_plain
from stillopen.domain.permission import Permission

ROWS = 50
_SHOWN = 20_000  # characters of a raw fact
_SUGGESTED = 8  # products offered for an unknown one


@page(Permission.BO_REPORTS)
def exceptions(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    state = typed(request, "state")
    state = state if state in STATES else OPEN
    register, cursor = typed(request, "register"), typed(request, "cursor")
    rows = find_exceptions(viewer.scope, state, register)
    found = read_page(rows, LAST_SETTLED if state == SETTLED else URGENT, cursor, ROWS)
    return show(
        request,
        viewer,
        "exceptions",
        rows=[(filed, settled_by(filed.item)) for filed in read_cases(found.rows)],
        together=come_after_revocation(found.rows),
        next=found.next,
        state=state,
        register=register,
        counts=count_open(viewer.scope),
        held=entries_not_applied(viewer.scope),
        may_settle=viewer.may(Permission.BO_REGISTERS),
        page_address=lambda at: _address(request, at),
    )


def _address(request: HttpRequest, cursor: str) -> str:
    """The same list at another place."""
    query = request.GET.copy()
    query["cursor"] = cursor
    return f"/exceptions?{query.urlencode()}"


@page(Permission.BO_REPORTS)
def exception(request: HttpRequest, viewer: Viewer, exception_id: UUID) -> HttpResponse:
    filed = get_exception(viewer.sight, exception_id)
    return _show(request, viewer, filed)


def _show(
    request: HttpRequest, viewer: Viewer, filed: Filed, problem: str = "", status: int = 200
) -> HttpResponse:
    unknown = fixes.MAP_PRODUCT in filed.fixes
    return show(
        request,
        viewer,
        "exception",
        status=status,
        filed=filed,
        fact=readable(bytes(filed.entry.body)) if filed.entry else "",
        together=come_after_revocation([filed.item]).get(filed.item.id),
        tries=history(filed.item),
        problem=problem,
        may_settle=viewer.may(Permission.BO_REGISTERS),
        may_products=viewer.may(Permission.BO_CATALOGUE),
        products=_suggested(viewer, filed) if unknown else [],
        taxes=TaxRate.objects.filter(account=viewer.account) if unknown else [],
        draft=_draft(request, viewer, filed) if unknown else {},
    )


def readable(body: bytes) -> str:
    """A raw fact indented for people; what is no JSON as it is."""
    text = body.decode("utf-8", "replace")
    with suppress(ValueError, RecursionError):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _suggested(viewer: Viewer, filed: Filed) -> list[Product]:
    """Products that may be meant: the same SKU, then the same words in the name."""
    sku, name = (str(filed.item.details.get(key, "")) for key in ("sku", "name"))
    found = {p.id: p for p in find_products(viewer.account, sku)[:1]} if sku else {}
    for words in (name, *name.split()):
        if words and len(found) < _SUGGESTED:
            found |= {p.id: p for p in find_products(viewer.account, q=words)[:_SUGGESTED]}
    return list(found.values())[:_SUGGESTED]


def _draft(request: HttpRequest, viewer: Viewer, filed: Filed) -> dict[str, str]:
    """What the form of a new product begins with: the line that was sold, or what was typed."""
    if request.method == "POST":
        return {key: typed(request, key) for key in ("sku", "name", "price", "tax")}
    sold = filed.item.details
    price = sold.get("price")
    return {
        "sku": str(sold.get("sku", "")),
        "name": str(sold.get("name", "")),
        "price": format_plain(price, viewer.currency) if isinstance(price, int) else "",
        "tax": str(sold.get("tax", "")),
    }


@page(Permission.BO_CATALOGUE)
def products(request: HttpRequest, viewer: Viewer, exception_id: UUID) -> HttpResponse:
    """For the search on the page: the products that fit what is typed."""
    get_exception(viewer.sight, exception_id)
    q = typed(request, "q")
    found = find_products(viewer.account, q=q).order_by("name")[:_SUGGESTED] if q else []
    return render(
        request, "exception_products", products=list(found), q=q, currency=viewer.currency
    )


@require_POST
@page(Permission.BO_REGISTERS)
def resolve(request: HttpRequest, viewer: Viewer, exception_id: UUID) -> HttpResponse:
    """Carry out the fix that was chosen; a form with a mistake comes back as it was typed."""
    filed = get_exception(viewer.sight, exception_id)
    by = Decider(viewer.user.get_username(), viewer.user, typed(request, "note"))
    fix = typed(request, "fix")
    try:
        words = _carry_out(request, viewer, filed, fix, by)
    except DomainError as error:
        if error.code == "not_permitted":
            raise
        filed = get_exception(viewer.sight, exception_id)
        return _show(request, viewer, filed, error.message, 422)
    messages.success(request, words)
    return HttpResponseRedirect(f"/exceptions/{exception_id}")


def _carry_out(request: HttpRequest, viewer: Viewer, filed: Filed, fix: str, by: Decider) -> str:
    account, item, now = viewer.account, filed.item, timezone.now()
    if fix == fixes.MAP_PRODUCT:
        product = parse_id(typed(request, "product"))
        if product is None:
            raise DomainError("bad_value", "Choose the product that was meant.")
        target = map_to(account, item.id, product, by, now)
        return f"It is “{target.name}” from now on; its stock was put right."
    if fix == fixes.CREATE_PRODUCT:
        made = create(account, item.id, _values(request, viewer), by, now)
        return f"“{made.name}” was created. Registers get it when you publish."
    done = settle(account.id, item.id, fix, by, now)
    if fix in (fixes.SET_ASIDE, fixes.SEEN):
        aside = "Set aside. It is kept here and not in the figures."
        return aside if fix == fixes.SET_ASIDE else "Marked as seen."
    if done.left:
        raise DomainError("still_held", told(done))
    return told(done)


def _values(request: HttpRequest, viewer: Viewer) -> ProductValues:
    values = ProductValues(
        sku=typed(request, "sku"),
        name=typed(request, "name"),
        price=read_price(point_for_comma(typed(request, "price")), viewer.currency),
    )
    chosen = parse_id(typed(request, "tax"))
    rates = TaxRate.objects.filter(account=viewer.account)
    tax = rates.filter(id=chosen).first() if chosen else None
    if tax is not None:
        values["tax"] = tax
    return values


@require_POST
@page(Permission.BO_REGISTERS)
def retry(request: HttpRequest, viewer: Viewer, exception_id: UUID) -> HttpResponse:
    """From the list: try it again, or mark it as seen."""
    filed = get_exception(viewer.sight, exception_id)
    by = Decider(viewer.user.get_username(), viewer.user)
    fix = fixes.RETRY if fixes.RETRY in filed.fixes else fixes.SEEN
    done = settle(viewer.account.id, exception_id, fix, by, timezone.now())
    if fix == fixes.SEEN:
        messages.success(request, "Marked as seen.")
    else:
        _tell(request, done)
    return back(request, "/exceptions")


@require_POST
@page(Permission.BO_REGISTERS)
def retry_everything(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Of the registers in view; what arrived after a revocation needs its own yes."""
    now, by = timezone.now(), viewer.user.get_username()
    _tell(request, together([retry_register(r, now, by) for r in viewer.scope.registers]))
    return back(request, "/exceptions")


def _tell(request: HttpRequest, done: Retried) -> None:
    (messages.error if done.left else messages.success)(request, told(done))


def told(done: Retried) -> str:
    """What a retry did, and why not more."""
    if not done.left:
        return f"{count(done.applied, 'entry', 'entries')} applied."
    left = f"{count(done.left, 'entry', 'entries')} could still not be applied"
    applied = f"{count(done.applied, 'entry', 'entries')} applied. " if done.applied else ""
    return f"{applied}{left}: {' '.join(done.why[:3])}" if done.why else f"{applied}{left}."
