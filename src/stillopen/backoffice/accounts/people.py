"""Employees and roles. New people, PINs and people switched off reach the registers at once."""

import re
from collections.abc import Iterable

from argon2 import PasswordHasher
from django.db import transaction

from stillopen.backoffice.accounts.access import BACK_OFFICE, name_of, require
from stillopen.backoffice.accounts.models import Account, Employee, Role, Store, User
from stillopen.backoffice.backups import outside
from stillopen.backoffice.catalogue import kinds
from stillopen.backoffice.catalogue.drafts import record_change
from stillopen.backoffice.catalogue.editing import (
    check,
    check_may_edit,
    delete_draft,
    save_draft,
    storing,
)
from stillopen.backoffice.catalogue.publishing import publish_now
from stillopen.domain.errors import DomainError
from stillopen.domain.permission import Permission
from stillopen.sync.pin import ARGON2_LANES, ARGON2_MEMORY_KIB, ARGON2_TIME, pin_digest

_PIN = re.compile(r"[0-9]{4,8}")
_FIRST_CODE = 101
_hasher = PasswordHasher(
    time_cost=ARGON2_TIME, memory_cost=ARGON2_MEMORY_KIB, parallelism=ARGON2_LANES
)


def hash_pin(account: Account, pin: str) -> str:
    """What registers check a PIN against. Error: ``bad_pin``."""
    if not _PIN.fullmatch(pin):
        raise DomainError("bad_pin", "A PIN has 4 to 8 digits.")
    return _hasher.hash(pin_digest(bytes(account.pepper), pin))


def role_by_name(account: Account, name: str) -> Role:
    """Case makes no difference. Error: ``unknown_role`` with the names there are."""
    roles = list(Role.objects.filter(account=account))
    for role in roles:
        if role.name.casefold() == name.strip().casefold():
            return role
    names = ", ".join(role.name for role in roles)
    raise DomainError("unknown_role", f"There is no role “{name}”; there are: {names}.")


def create_employee(
    account: Account,
    *,
    name: str,
    last_name: str,
    pin: str,
    role: Role,
    stores: Iterable[Store],
    user: User | None,
    code: str = "",
    colour: str = "",
) -> Employee:
    """A new person, known at the registers of ``stores`` at once; ``code`` is given if it is empty.

    Errors: ``bad_pin``, ``bad_value``, ``taken`` (the code), ``not_permitted``, ``no_store``,
    ``unknown_role``.
    """
    require(user, Permission.BO_PEOPLE)
    if role.account_id != account.id:
        raise DomainError("unknown_role", "There is no such role in your account.")
    chosen = [store for store in stores if store.account_id == account.id]
    if not chosen:
        raise DomainError("no_store", "An employee works in at least one store.")
    employee = Employee(
        account=account,
        code=code.strip() or next_code(account),
        name=name.strip(),
        last_name=last_name.strip(),
        role=role,
        pin_hash=hash_pin(account, pin),
        colour=colour,
    )
    check_may_edit(user, employee)
    with storing(employee):
        employee.save()
        employee.stores.set(chosen)
        record_change(account, kinds.EMPLOYEE, employee.id, "new employee", user)
    take_effect(employee, user)
    return employee


def next_code(account: Account) -> str:
    """The number after the highest: 101, 102, …"""
    codes = Employee.objects.filter(account=account).values_list("code", flat=True)
    numbers = [int(code) for code in codes if code.isascii() and code.isdigit()]
    return str(max([_FIRST_CODE - 1, *numbers]) + 1)


def set_pin(employee: Employee, pin: str, user: User | None) -> None:
    """A new PIN, at once. Errors: ``bad_pin``, ``not_permitted``, ``not_found``."""
    check_may_edit(user, employee)
    employee.pin_hash = hash_pin(employee.account, pin)
    note_outside(employee, ["pin"], user)
    _save_at_once(employee, ["pin_hash"], "new PIN", user)


def switch_off(employee: Employee, user: User | None) -> None:
    """The person can no longer sign in at any register, at once; sales made stay as they are."""
    _switch(employee, False, "switched off", user)


def switch_on(employee: Employee, user: User | None) -> None:
    _switch(employee, True, "switched on", user)


def _switch(employee: Employee, active: bool, what: str, user: User | None) -> None:
    check_may_edit(user, employee)
    employee.active = active
    note_outside(employee, ["active"], user)
    _save_at_once(employee, ["active"], what, user)


def change_employee(
    employee: Employee, stores: Iterable[Store] | None, what: str, user: User | None
) -> None:
    """Keep an edited name, role, colour, code or set of ``stores`` (None: as they are) as a draft."""
    check_may_edit(user, employee)
    with transaction.atomic():
        save_draft(employee, what, user)
        if stores is not None:
            employee.stores.set([s for s in stores if s.account_id == employee.account_id])


def save_role(role: Role, what: str, user: User | None) -> None:
    """Keep a new or edited role as a draft. Errors: those of check_may_grant and ``taken``, ``not_found``."""
    before = Role.objects.filter(id=role.id).first()
    check_may_grant(user, before.permissions if before else (), role.permissions)
    role.permissions = sorted(role.permissions)
    save_draft(role, what, user)


def check_may_grant(user: User | None, before: Iterable[str], after: Iterable[str]) -> None:
    """Nobody hands out a permission of the Back Office that they do not have themselves.

    Errors: ``not_permitted``, ``bad_value`` (no such permission).
    """
    wanted = set(after)
    if not wanted <= {p.value for p in Permission}:
        raise DomainError("bad_value", "A role consists of known permissions.")
    for added in sorted(wanted - set(before)):
        if Permission(added) in BACK_OFFICE:
            require(user, Permission(added))


def delete_role(role: Role, user: User | None) -> None:
    """Error: ``in_use`` while an employee or a user has it."""
    delete_draft(role, "deleted", user)


def _save_at_once(employee: Employee, fields: list[str], what: str, user: User | None) -> None:
    check(employee)
    with transaction.atomic():
        employee.save(update_fields=fields)
        record_change(employee.account, kinds.EMPLOYEE, employee.id, what, user)
    take_effect(employee, user)


def note_outside(employee: Employee, changed: Iterable[str], user: User | None) -> None:
    """Keep a new PIN (``pin``), and that the person was switched off (``active``), where a restored
    database cannot undo it unnoticed."""
    noted = {"pin": outside.NEW_PIN}
    if not employee.active:
        noted["active"] = outside.SWITCHED_OFF
    for field in changed:
        if field in noted:
            name, by = str(employee), name_of(user)
            outside.note(noted[field], employee.account_id, employee.id, name, by)


def take_effect(employee: Employee, user: User | None) -> None:
    """Publish what does not wait: that the person is new or switched off, and the PIN."""
    publish_now(employee.account, [(kinds.EMPLOYEE, employee.id)], name_of(user))
