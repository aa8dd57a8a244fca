"""Doing again what a restored database has undone: a revocation, a device that was let in, a register."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import transaction

from stillopen.backoffice.accounts.access import require
from stillopen.backoffice.accounts.models import Store, User
from stillopen.backoffice.catalogue import kinds
from stillopen.backoffice.catalogue.publishing import publish_now
from stillopen.backoffice.devices.models import FormerDevice, Register
from stillopen.backoffice.devices.verbs import revoke
from stillopen.domain.errors import DomainError
from stillopen.domain.ids import check_code
from stillopen.domain.permission import Permission


def device_facts(register: Register) -> dict[str, str]:
    """What :func:`bind_again` needs of a register whose device was let in just now."""
    at = register.activated_at
    return {
        "store": str(register.store_id),
        "name": register.name,
        "license": register.license_digest,
        "key": bytes(register.public_key or b"").hex(),
        "fingerprint": register.fingerprint,
        "device": register.device_name,
        "at": at.isoformat() if at else "",
    }


def revoke_again(account_id: UUID, register_id: UUID, user: User | None) -> None:
    """Nothing happens where it is revoked, or gone."""
    register = Register.objects.filter(account_id=account_id, id=register_id).first()
    if register is not None and register.state == Register.State.ACTIVE:
        revoke(register, user)


def bind_again(
    account_id: UUID, register_id: UUID, facts: Mapping[str, str], user: User | None
) -> None:
    """Let the device of ``facts`` (:func:`device_facts`) in as this register, which is made again where
    the restored database does not know it. It then goes on where it was.

    Errors: ``not_found`` (its store is not known either), ``register_exists``, ``not_permitted``.
    """
    require(user, Permission.BO_REGISTERS)
    with transaction.atomic():
        rows = Register.objects.select_for_update(of=("self",)).select_related("account", "store")
        register = rows.filter(account_id=account_id, id=register_id).first()
        if register is None:
            register = _made_again(account_id, register_id, facts)
        _let_in(register, facts)
    publish_now(register.account, [(kinds.REGISTER_SETTINGS, register.id)], "restore")


def revive(store: Store, name: str, register_id: UUID, now: datetime) -> Register:
    """A register that this database does not know, under the id that its journal bears.

    It is revoked: what it made waits for a yes, and its device needs a new License Key.
    Errors: ``bad_code``, ``register_exists``.
    """
    check_code(name, "register")
    if Register.objects.filter(store=store, name=name).exists():
        raise DomainError("register_exists", f"{store.code} has another register {name}.")
    register = Register(
        id=register_id,
        account=store.account,
        store=store,
        name=name,
        license_digest=secrets.token_hex(32),
        state=Register.State.REVOKED,
        revoked_at=now,
        labels_lost=True,
    )
    with transaction.atomic():
        register.save(force_insert=True)
    publish_now(store.account, [(kinds.REGISTER_SETTINGS, register.id)], "restore")
    return register


def _made_again(account_id: UUID, register_id: UUID, facts: Mapping[str, str]) -> Register:
    store = Store.objects.filter(account_id=account_id, id=facts["store"]).first()
    if store is None:
        raise DomainError("not_found", "The store of this register is not known any more: add it.")
    if Register.objects.filter(store=store, name=facts["name"]).exists():
        raise DomainError("register_exists", f"{store.code} has another register {facts['name']}.")
    return Register(id=register_id, account_id=account_id, store=store, name=facts["name"])


def _let_in(register: Register, facts: Mapping[str, str]) -> None:
    key = bytes.fromhex(facts["key"])
    before = bytes(register.public_key or b"")
    former = FormerDevice.objects.filter(account_id=register.account_id, register_id=register.id)
    former.filter(public_key=key).delete()
    if before and before != key:
        former.create(
            account_id=register.account_id,
            register_id=register.id,
            public_key=before,
            name=register.device_name,
            replaced_at=datetime.fromisoformat(facts["at"]),
            last_seen_at=register.last_seen_at,
        )
    register.state = Register.State.ACTIVE
    register.license_digest = facts["license"]
    register.public_key = key
    register.fingerprint, register.device_name = facts["fingerprint"], facts["device"]
    register.activated_at = datetime.fromisoformat(facts["at"])
    register.revoked_at = register.nonce = None
    register.save()
