"""Registers and what each said last."""

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router

from stillopen.backoffice.reports.registers import LiveRegister, live_registers
from stillopen.backoffice.reports.scope import Scope
from stillopen.backoffice.rest_api.auth import scope_of
from stillopen.backoffice.rest_api.schemas import (
    ListOut,
    PositionOut,
    RegisterOut,
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
