"""Employees: the list, a new person, a new PIN, switching off. All of it takes effect at once."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_POST

from stillopen.backoffice.accounts import people
from stillopen.backoffice.accounts.models import Employee, Role
from stillopen.backoffice.web.access import Viewer, page
from stillopen.backoffice.web.fields import parse_id, required, typed
from stillopen.backoffice.web.frame import show
from stillopen.domain.errors import DomainError
from stillopen.domain.permission import Permission


@page(Permission.BO_PEOPLE)
def employees(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Those of the stores in view; who is switched off comes last."""
    rows = Employee.objects.filter(account=viewer.account, stores__in=viewer.scope.stores)
    found = rows.distinct().select_related("role").prefetch_related("stores")
    return show(request, viewer, "employees", rows=found.order_by("-active", "name", "last_name"))


@page(Permission.BO_PEOPLE)
def new_employee(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    roles = list(Role.objects.filter(account=viewer.account))
    form = {name: typed(request, name) for name in ("name", "last_name", "code", "role")}
    chosen = {parse_id(x) for x in request.POST.getlist("stores")} if request.POST else set()
    problem = ""
    if request.method == "POST":
        try:
            made = people.create_employee(
                viewer.account,
                name=required(form["name"], "The name"),
                last_name=required(form["last_name"], "The last name"),
                pin=typed(request, "pin"),
                role=_role(roles, form["role"]),
                stores=[s for s in viewer.stores if s.id in chosen],
                user=viewer.user,
                code=form["code"],
            )
            messages.success(request, f"{made} can sign in with code {made.code}.")
            return HttpResponseRedirect("/employees")
        except DomainError as error:
            problem = error.message
    return show(
        request,
        viewer,
        "employee_new",
        status=422 if problem else 200,
        form=form,
        chosen=chosen or {s.id for s in viewer.scope.stores},
        roles=roles,
        problem=problem,
    )


def _role(roles: list[Role], chosen: str) -> Role:
    for role in roles:
        if str(role.id) == chosen:
            return role
    raise DomainError("unknown_role", "Choose a role.")


@page(Permission.BO_PEOPLE)
def employee(request: HttpRequest, viewer: Viewer, employee_id: UUID) -> HttpResponse:
    return show(request, viewer, "employee", employee=_employee(viewer, employee_id), problem="")


def _employee(viewer: Viewer, employee_id: UUID) -> Employee:
    rows = Employee.objects.filter(account=viewer.account, stores__in=viewer.stores).distinct()
    found = rows.select_related("role", "account").filter(id=employee_id).first()
    if found is None:
        raise DomainError("not_found", "There is no such employee in your stores.")
    return found


@require_POST
@page(Permission.BO_PEOPLE)
def new_pin(request: HttpRequest, viewer: Viewer, employee_id: UUID) -> HttpResponse:
    person = _employee(viewer, employee_id)
    try:
        people.set_pin(person, typed(request, "pin"), viewer.user)
    except DomainError as error:
        return show(request, viewer, "employee", status=422, employee=person, problem=error.message)
    messages.success(request, f"{person} has a new PIN.")
    return HttpResponseRedirect("/employees")


@require_POST
@page(Permission.BO_PEOPLE)
def switch(request: HttpRequest, viewer: Viewer, employee_id: UUID) -> HttpResponse:
    person = _employee(viewer, employee_id)
    if typed(request, "active") == "on":
        people.switch_on(person, viewer.user)
        messages.success(request, f"{person} can sign in again.")
    else:
        people.switch_off(person, viewer.user)
        messages.success(request, f"{person} is switched off at every connected register.")
    return HttpResponseRedirect("/employees")
