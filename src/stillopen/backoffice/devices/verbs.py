"""What people do to registers in the Back Office. Each takes effect at once."""

import secrets
from uuid import uuid4

from django.db import transaction
from django.utils import timezone

from stillopen.backoffice.accounts.access import name_of, require, require_store
from stillopen.backoffice.accounts.models import Store, User
from stillopen.backoffice.backups import outside
from stillopen.backoffice.catalogue import kinds
from stillopen.backoffice.catalogue.drafts import record_change
from stillopen.backoffice.catalogue.editing import storing
from stillopen.backoffice.catalogue.publishing import publish_now
from stillopen.backoffice.devices import licensing
from stillopen.backoffice.devices.line_times import LineTimes, check_line_times, set_line_times
from stillopen.backoffice.devices.models import Register
from stillopen.backoffice.feed.publish import beat
from stillopen.domain.errors import DomainError
from stillopen.domain.ids import check_code
from stillopen.domain.permission import Permission

_OPTIONS = ("several_employees", *LineTimes.__struct_fields__)


def add_register(store: Store, name: str, user: User | None) -> tuple[Register, str]:
    """A new register of ``store`` and its License Key, which is shown once.

    Errors: ``not_permitted``, ``not_found``, ``bad_code``, ``register_exists``.
    """
    require(user, Permission.BO_REGISTERS)
    require_store(user, store.id)
    check_code(name, "register")
    if Register.objects.filter(store=store, name=name).exists():
        raise DomainError("register_exists", f"{store.code} has a register {name} already.")
    register = Register(
        account=store.account, store=store, name=name, license_digest=secrets.token_hex(32)
    )
    with storing(register):
        register.save()
        key = licensing.new_license_key(register)
        _note(register, "new register", user)
        _note_outside(outside.LICENSED, register, user)
    _at_once(register, user)
    return register, key


def new_license_key(register: Register, user: User | None) -> str:
    """A License Key for another device, shown once. Errors: ``register_active``, ``not_permitted``."""
    _check(register, user)
    with transaction.atomic():
        key = licensing.new_license_key(_locked(register))
        _note_outside(outside.LICENSED, register, user)
    return key


def revoke(register: Register, user: User | None) -> None:
    """The register's device gets nothing more, and its poke stream ends.

    Its key stays known, so that it may still hand in what it sold, until another device takes its place.
    """
    _check(register, user)
    with transaction.atomic():
        row = _locked(register)
        row.state = Register.State.REVOKED
        row.revoked_at = timezone.now()
        row.save(update_fields=["state", "revoked_at"])
        _note_outside(outside.REVOKED, row, user)
        beat(row.account_id)
    register.refresh_from_db()


def accept_machine(register: Register, machine: str, user: User | None) -> None:
    """The till was moved to another machine, which speaks for it from now on; ``machine`` is its fingerprint.

    Should the former one speak again, it is the one that is not activated.
    """
    _check(register, user)
    if not machine:
        raise DomainError("not_found", f"No other machine has spoken as {register}.")
    with transaction.atomic():
        row = _locked(register)
        row.fingerprint = machine[:100]
        row.save(update_fields=["fingerprint"])
        beat(row.account_id)
    register.fingerprint = machine[:100]


def unblock(register: Register, user: User | None) -> None:
    """Lift a block by wrong PINs: a new value reaches the register's settings at once."""
    _check(register, user)
    with transaction.atomic():
        row = _locked(register)
        row.unblock = uuid4()
        row.save(update_fields=["unblock"])
        _note(row, "unblocked", user)
    register.unblock = row.unblock
    _at_once(register, user)


def change_options(
    register: Register,
    *,
    several_employees: bool,
    times: LineTimes | None = None,
    user: User | None,
) -> None:
    """The options of one register; they reach it at once. Without ``times`` those of its indicator stay.

    Errors: ``bad_seconds``, ``not_permitted``.
    """
    _check(register, user)
    if times is not None:
        check_line_times(times)
    with transaction.atomic():
        row = _locked(register)
        row.several_employees = several_employees
        if times is not None:
            set_line_times(row, times)
        row.save(update_fields=_OPTIONS)
        _note(row, "options changed", user)
    register.refresh_from_db(fields=_OPTIONS)
    _at_once(register, user)


def _check(register: Register, user: User | None) -> None:
    require(user, Permission.BO_REGISTERS)
    require_store(user, register.store_id)


def _locked(register: Register) -> Register:
    rows = Register.objects.select_for_update(of=("self",)).select_related("account", "store")
    return rows.get(id=register.id)


def _note(register: Register, what: str, user: User | None) -> None:
    record_change(register.account, kinds.REGISTER_SETTINGS, register.id, what, user)


def _note_outside(kind: str, register: Register, user: User | None) -> None:
    """Where a restored database cannot undo it unnoticed."""
    outside.note(kind, register.account_id, register.id, str(register), name_of(user))


def _at_once(register: Register, user: User | None) -> None:
    publish_now(register.account, [(kinds.REGISTER_SETTINGS, register.id)], name_of(user))
