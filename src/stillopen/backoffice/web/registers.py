"""Registers: live state, and what can be done to one."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from stillopen.backoffice.devices import verbs
from stillopen.backoffice.devices.line_times import LineTimes, line_times
from stillopen.backoffice.devices.models import Register
from stillopen.backoffice.reports.journals import (
    former_devices,
    journals,
    settle_machine,
    strange_machine,
)
from stillopen.backoffice.reports.paging import read_page
from stillopen.backoffice.reports.registers import LiveRegister, live_registers
from stillopen.backoffice.reports.shifts import (
    NEWEST_SHIFTS,
    continued,
    find_shifts,
    key_of,
    labels_of,
)
from stillopen.backoffice.web.access import Viewer, page
from stillopen.backoffice.web.fields import parse_id, required, typed, typed_seconds
from stillopen.backoffice.web.frame import show
from stillopen.backoffice.web.shifts import shift_address
from stillopen.domain.errors import DomainError
from stillopen.domain.permission import Permission


@page(Permission.BO_REPORTS)
def registers(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    tills = live_registers(viewer.scope, timezone.now())
    may_manage = viewer.may(Permission.BO_REGISTERS)
    return show(request, viewer, "registers", tills=tills, may_manage=may_manage)


@page(Permission.BO_REPORTS)
def register(request: HttpRequest, viewer: Viewer, register_id: UUID) -> HttpResponse:
    return _show(request, viewer, _till(viewer, register_id))


def _show(
    request: HttpRequest, viewer: Viewer, till: LiveRegister, problem: str = "", status: int = 200
) -> HttpResponse:
    """The page; a form of options with a mistake in it comes back as it was typed."""
    recent = read_page(find_shifts(viewer.sight, str(till.register.id)), NEWEST_SHIFTS, None, 5)
    return show(
        request,
        viewer,
        "register",
        status=status,
        till=till,
        register=till.register,
        shifts=recent.rows,
        others=continued(viewer.sight, recent.rows),
        labels=labels_of(viewer.sight, recent.rows),
        key_of=key_of,
        shift_address=shift_address,
        journals=journals(till.register),
        formers=former_devices(till.register),
        strange=strange_machine(till.register),
        may_manage=viewer.may(Permission.BO_REGISTERS),
        form=_typed_options(request) if problem else _options_of(till.register),
        usual=_seconds(LineTimes()),
        problem=problem,
    )


def _options_of(register: Register) -> dict[str, str]:
    several = "on" if register.several_employees else ""
    return {"several_employees": several, **_seconds(line_times(register))}


def _typed_options(request: HttpRequest) -> dict[str, str]:
    names = ("several_employees", *LineTimes.__struct_fields__)
    return {name: typed(request, name) for name in names}


def _seconds(times: LineTimes) -> dict[str, str]:
    """As they are typed: ``2.6``."""
    return {name: f"{getattr(times, name):g}" for name in LineTimes.__struct_fields__}


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
    till = _till(viewer, register_id)
    register, form = till.register, _typed_options(request)
    several = form.pop("several_employees") == "on"
    chosen = {name: typed_seconds(text) for name, text in form.items() if text}
    try:
        verbs.change_options(
            register, several_employees=several, times=LineTimes(**chosen), user=viewer.user
        )
    except DomainError as error:
        if error.code != "bad_seconds":
            raise
        return _show(request, viewer, till, error.message, 422)
    messages.success(request, f"The options of {register} are on their way to it.")
    return HttpResponseRedirect(f"/registers/{register_id}")
