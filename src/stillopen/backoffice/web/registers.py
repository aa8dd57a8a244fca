"""Registers: live state, and what can be done to one."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from stillopen.backoffice.devices import verbs
from stillopen.backoffice.devices.models import Register
from stillopen.backoffice.reports.journals import (
    former_devices,
    journals,
    settle_machine,
    strange_machine,
)
from stillopen.backoffice.reports.paging import read_page
from stillopen.backoffice.reports.registers import LiveRegister, live_registers
from stillopen.backoffice.reports.shifts import NEWEST_SHIFTS, find_shifts
from stillopen.backoffice.web.access import Viewer, page
from stillopen.backoffice.web.fields import parse_id, required, typed
from stillopen.backoffice.web.frame import show
from stillopen.domain.errors import DomainError
from stillopen.domain.permission import Permission


@page(Permission.BO_REPORTS)
def registers(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    tills = live_registers(viewer.scope, timezone.now())
    may_manage = viewer.may(Permission.BO_REGISTERS)
    return show(request, viewer, "registers", tills=tills, may_manage=may_manage)


@page(Permission.BO_REPORTS)
def register(request: HttpRequest, viewer: Viewer, register_id: UUID) -> HttpResponse:
    till = _till(viewer, register_id)
    recent = read_page(find_shifts(viewer.sight, str(register_id)), NEWEST_SHIFTS, None, 5)
    return show(
        request,
        viewer,
        "register",
        till=till,
        register=till.register,
        shifts=recent.rows,
        journals=journals(till.register),
        formers=former_devices(till.register),
        strange=strange_machine(till.register),
        may_manage=viewer.may(Permission.BO_REGISTERS),
    )


def _till(viewer: Viewer, register_id: UUID) -> LiveRegister:
    for till in live_registers(viewer.sight, timezone.now()):
        if till.register.id == register_id:
            return till
    raise DomainError("not_found", "There is no such register.")


def _register(viewer: Viewer, register_id: UUID) -> Register:
    return _till(viewer, register_id).register


@page(Permission.BO_REGISTERS)
def add(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """The form, and after it the License Key, which is never shown again."""
    if request.method != "POST":
        return show(request, viewer, "register_new", name="", problem="")
    name = typed(request, "name")
    store = next((s for s in viewer.stores if s.id == parse_id(typed(request, "store"))), None)
    try:
        required(name, "The name")
        if store is None:
            raise DomainError("not_found", "There is no such store among yours.")
        made, key = verbs.add_register(store, name, viewer.user)
    except DomainError as error:
        return show(request, viewer, "register_new", status=422, name=name, problem=error.message)
    return _show_license(request, viewer, made, key)


def _show_license(
    request: HttpRequest, viewer: Viewer, register: Register, key: str
) -> HttpResponse:
    """All that the till asks for, once."""
    address = request.build_absolute_uri("/").rstrip("/")
    return show(request, viewer, "license_key", register=register, license_key=key, address=address)


@require_POST
@page(Permission.BO_REGISTERS)
def unblock(request: HttpRequest, viewer: Viewer, register_id: UUID) -> HttpResponse:
    register = _register(viewer, register_id)
    verbs.unblock(register, viewer.user)
    messages.success(request, f"{register} is unblocked as soon as it is connected.")
    return HttpResponseRedirect(f"/registers/{register_id}")


@page(Permission.BO_REGISTERS)
def revoke(request: HttpRequest, viewer: Viewer, register_id: UUID) -> HttpResponse:
    """A page of its own says what revoking means; its button does it."""
    till = _till(viewer, register_id)
    if request.method != "POST":
        return show(request, viewer, "register_revoke", till=till, register=till.register)
    verbs.revoke(till.register, viewer.user)
    messages.success(request, f"{till.register} is revoked.")
    return HttpResponseRedirect(f"/registers/{register_id}")


@require_POST
@page(Permission.BO_REGISTERS)
def accept_machine(request: HttpRequest, viewer: Viewer, register_id: UUID) -> HttpResponse:
    """The till was moved: the machine that was last seen to speak for it is the right one."""
    register = _register(viewer, register_id)
    verbs.accept_machine(register, strange_machine(register), viewer.user)
    settle_machine(register, timezone.now())
    messages.success(request, f"{register} gets prices and people again with its next contact.")
    return HttpResponseRedirect(f"/registers/{register_id}")


@require_POST
@page(Permission.BO_REGISTERS)
def new_license(request: HttpRequest, viewer: Viewer, register_id: UUID) -> HttpResponse:
    register = _register(viewer, register_id)
    key = verbs.new_license_key(register, viewer.user)
    return _show_license(request, viewer, register, key)


@require_POST
@page(Permission.BO_REGISTERS)
def options(request: HttpRequest, viewer: Viewer, register_id: UUID) -> HttpResponse:
    register = _register(viewer, register_id)
    several = typed(request, "several_employees") == "on"
    verbs.change_options(register, several_employees=several, user=viewer.user)
    messages.success(request, f"The options of {register} are on their way to it.")
    return HttpResponseRedirect(f"/registers/{register_id}")
