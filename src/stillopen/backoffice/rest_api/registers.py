"""Registers and what each said last; exceptions and trying them again."""

from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router

from stillopen.backoffice.ingest.models import ExceptionItem
from stillopen.backoffice.ingest.retry import retry_exception
from stillopen.backoffice.reports.health import open_exceptions
from stillopen.backoffice.reports.paging import DEFAULT_LIMIT, NEWEST_EXCEPTIONS, read_page
from stillopen.backoffice.reports.registers import LiveRegister, live_registers
from stillopen.backoffice.reports.scope import Scope
from stillopen.backoffice.rest_api.auth import scope_of
from stillopen.backoffice.rest_api.schemas import (
    ExceptionOut,
    ListOut,
    PositionOut,
    RegisterOut,
    RetriedOut,
    UnsentOut,
)

router = Router(tags=["registers"], by_alias=True)


@router.get("/registers", response=ListOut[RegisterOut], summary="Live state of all registers")
def list_registers(request: HttpRequest) -> ListOut[RegisterOut]:
    """``state``: ``connected``, ``off`` (not heard of, nothing missed), ``not_heard`` (not heard of with an
    open shift or something unsent), ``never_synced``, ``not_activated``, ``revoked``."""
    scope = scope_of(request)
    rows = [_register(scope, x) for x in live_registers(scope, timezone.now())]
    return ListOut(results=rows, next=None)


def _register(scope: Scope, live: LiveRegister) -> RegisterOut:
    r = live.register
    return RegisterOut(
        id=r.id,
        till=r.name,
        store=r.store.code,
        state=live.state,
        blocked=r.blocked,
        last_seen_at=r.last_seen_at,
        head=PositionOut(epoch=r.head_epoch, seq=r.head_seq),
        acked=PositionOut(epoch=r.head_epoch, seq=live.acked),
        not_received=live.not_received,
        unsent=UnsentOut(
            count=live.unsent_count, value=live.unsent_value, oldest_at=live.unsent_oldest_at
        ),
        currency=scope.currency,
        receipts_made=r.receipts_made,
        shift_open=r.shift_open,
        applied=live.applied,
        behind=live.behind,
        software=r.software,
        clock_offset=r.clock_offset,
    )


@router.get("/exceptions", response=ListOut[ExceptionOut], summary="Open exceptions")
def list_exceptions(
    request: HttpRequest, cursor: str = "", limit: int = DEFAULT_LIMIT
) -> ListOut[ExceptionOut]:
    """What a person should look at, newest first: entries that are not applied, figures that do not add up."""
    scope = scope_of(request)
    page = read_page(open_exceptions(scope), NEWEST_EXCEPTIONS, cursor, limit)
    return ListOut(results=[_exception(scope, x) for x in page.rows], next=page.next)


@router.post(
    "/exceptions/{exception_id}/retry", response=RetriedOut, summary="Apply the entry again"
)
def retry(request: HttpRequest, exception_id: UUID) -> RetriedOut:
    """Tries the held entry and what waits behind it; ``resolved_at`` says whether it worked. An exception
    without a held entry (a difference to look at) is marked as seen."""
    scope = scope_of(request)
    done = retry_exception(scope.account.id, exception_id, timezone.now())
    item = ExceptionItem.objects.get(account_id=scope.account.id, id=exception_id)
    row = _exception(scope, item)
    return RetriedOut(**row.dict(), applied=done.applied, left=done.left)


def _exception(scope: Scope, item: ExceptionItem) -> ExceptionOut:
    register = scope.registers[item.register_id]
    return ExceptionOut(
        id=item.id,
        till=register.name,
        store=register.store.code,
        code=item.code,
        message=item.message,
        details=item.details,
        entry=item.entry_id,
        created_at=item.created_at,
        resolved_at=item.resolved_at,
    )
