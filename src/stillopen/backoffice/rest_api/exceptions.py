"""Exceptions: what a person should look at, trying again, and settling."""

from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router

from stillopen.backoffice.catalogue.models import Product
from stillopen.backoffice.catalogue.verbs import ProductValues
from stillopen.backoffice.ingest import fixes
from stillopen.backoffice.ingest.models import Decision
from stillopen.backoffice.ingest.resolve import Decider, settle
from stillopen.backoffice.ingest.retry import Retried, retry_exception
from stillopen.backoffice.ingest.unknown import create, map_to
from stillopen.backoffice.reports.exceptions import (
    OPEN,
    SETTLED,
    STATES,
    Filed,
    find_exceptions,
    get_exception,
    history,
    read_cases,
)
from stillopen.backoffice.reports.paging import DEFAULT_LIMIT, NEWEST_EXCEPTIONS, read_page
from stillopen.backoffice.reports.scope import Scope
from stillopen.backoffice.rest_api.auth import scope_of, token_of
from stillopen.backoffice.rest_api.products import read_values
from stillopen.backoffice.rest_api.schemas import (
    DecisionOut,
    ExceptionFull,
    ExceptionOut,
    ListOut,
    ProductChange,
    ResolveIn,
    RetriedOut,
)
from stillopen.domain.errors import DomainError

router = Router(tags=["exceptions"], by_alias=True)


@router.get("/exceptions", response=ListOut[ExceptionOut], summary="Open exceptions")
def list_exceptions(
    request: HttpRequest,
    state: str = OPEN,
    till: str = Query("", alias="register"),
    code: str = "",
    cursor: str = "",
    limit: int = DEFAULT_LIMIT,
) -> ListOut[ExceptionOut]:
    """What a person should look at, newest first: entries that are not applied, figures that do not add up.
    ``state``: ``open`` or ``settled``."""
    if state not in STATES:
        raise DomainError("bad_request", f"A state is “{OPEN}” or “{SETTLED}”.", parameter="state")
    scope = scope_of(request)
    page = read_page(find_exceptions(scope, state, till, code), NEWEST_EXCEPTIONS, cursor, limit)
    return ListOut(results=[_exception(scope, x) for x in read_cases(page.rows)], next=page.next)


@router.get("/exceptions/{exception_id}", response=ExceptionFull, summary="One exception")
def one_exception(request: HttpRequest, exception_id: UUID) -> ExceptionFull:
    """With the raw fact and what was tried and decided."""
    scope = scope_of(request)
    filed = get_exception(scope, exception_id)
    entry = filed.entry
    return ExceptionFull(
        **_exception(scope, filed).dict(),
        epoch=entry.branch if entry else "",
        seq=entry.seq if entry else None,
        hash=bytes(entry.hash).hex() if entry else "",
        fact=bytes(entry.body).decode("utf-8", "replace") if entry else "",
        history=[_decision(d) for d in history(filed.item)],
    )


@router.post(
    "/exceptions/{exception_id}/retry", response=RetriedOut, summary="Apply the entry again"
)
def retry(request: HttpRequest, exception_id: UUID) -> RetriedOut:
    """Tries the held entry and what waits behind it; ``resolved_at`` says whether it worked, ``outcome`` why
    not. An exception without a held entry (a difference to look at) is marked as seen."""
    scope, token = scope_of(request), token_of(request)
    get_exception(scope, exception_id)
    done = retry_exception(scope.account.id, exception_id, timezone.now(), token.name)
    return _retried(scope, exception_id, done)


@router.post(
    "/exceptions/{exception_id}/resolve", response=RetriedOut, summary="Settle an exception"
)
def resolve(request: HttpRequest, exception_id: UUID, wanted: ResolveIn) -> RetriedOut:
    """``fix`` is one of the exception's ``fixes``: ``retry``, ``accept`` (book it as it is), ``set_aside`` (keep
    it, book nothing), ``seen``, ``map_product``, ``create_product``. It is kept who decided what. Errors: 404
    ``not_found``; 409 ``settled``, ``fix_not_possible`` (details ``fixes``); 422 those of a new product."""
    scope, token = scope_of(request), token_of(request)
    filed = get_exception(scope, exception_id)
    by, now = Decider(token.name, note=wanted.note), timezone.now()
    done = Retried(0, 0)
    if wanted.fix == fixes.MAP_PRODUCT:
        map_to(scope.account, exception_id, _meant(scope, wanted.product), by, now)
    elif wanted.fix == fixes.CREATE_PRODUCT:
        create(scope.account, exception_id, _values(scope, filed, wanted.new), by, now)
    else:
        done = settle(scope.account.id, exception_id, wanted.fix, by, now)
    return _retried(scope, exception_id, done)


def _meant(scope: Scope, name: str) -> UUID:
    products = Product.objects.filter(account=scope.account)
    found = products.filter(sku=name).first()
    if found is not None:
        return found.id
    try:
        return UUID(name)
    except ValueError:
        raise DomainError("not_found", "There is no such product.", product=name) from None


def _values(scope: Scope, filed: Filed, given: ProductChange | None) -> ProductValues:
    sold = filed.item.details
    values = ProductValues()
    if isinstance(sold.get("price"), int):
        values["price"] = sold["price"]
    values["sku"], values["name"] = str(sold.get("sku", "")), str(sold.get("name", ""))
    if given is not None:
        values.update(read_values(scope.account, given))
    return values


def _retried(scope: Scope, exception_id: UUID, done: Retried) -> RetriedOut:
    row = _exception(scope, get_exception(scope, exception_id))
    return RetriedOut(
        **row.dict(), applied=done.applied, left=done.left, outcome=_outcome(row, done)
    )


def _outcome(row: ExceptionOut, done: Retried) -> str:
    if done.left:
        did = f"{done.applied} applied; " if done.applied else "Nothing was applied; "
        return f"{did}{done.left} still held: {' '.join(done.why[:3])} {row.todo}".strip()
    if done.applied:
        return f"{done.applied} applied."
    return "Settled; nothing had to be applied."


def _exception(scope: Scope, filed: Filed) -> ExceptionOut:
    item, register = filed.item, scope.registers[filed.item.register_id]
    return ExceptionOut(
        id=item.id,
        till=register.name,
        store=register.store.code,
        code=item.code,
        message=item.message,
        reason=filed.reason.title,
        todo=filed.todo,
        severity=filed.reason.severity,
        details=item.details,
        entry=item.entry_id,
        state=filed.state,
        receipt=filed.said.receipt,
        amount=filed.said.amount,
        currency=scope.currency,
        fixes=list(filed.fixes),
        created_at=item.created_at,
        resolved_at=item.resolved_at,
    )


def _decision(decision: Decision) -> DecisionOut:
    return DecisionOut(
        at=decision.at,
        by=decision.by,
        fix=decision.fix,
        code=decision.code,
        result=decision.result,
        details=decision.details,
    )
