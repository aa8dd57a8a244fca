"""Activating a register: a device proves that it was given the license key, and leaves its public key."""

import secrets
from datetime import datetime
from uuid import UUID

from django.db import transaction

from stillopen.backoffice.accounts.lookup import account_by_public_id
from stillopen.backoffice.backups import outside
from stillopen.backoffice.devices.again import device_facts
from stillopen.backoffice.devices.epochs import open_epoch
from stillopen.backoffice.devices.licensing import license_digest
from stillopen.backoffice.devices.models import FormerDevice, Register
from stillopen.backoffice.feed.epoch import server_epoch
from stillopen.domain.errors import DomainError
from stillopen.sync.messages import ActivateAnswer, ActivateRequest

NONCE_BYTES = 16


def activate(request: ActivateRequest, now: datetime) -> ActivateAnswer:
    """Bind the register of the license key to the device's public key.

    Asked again by the same device (the answer was lost) it answers again. Errors: ``bad_request``,
    ``bad_epoch``, ``unknown_license``, ``license_in_use`` (details ``device``, ``last_contact``),
    ``already_activated`` (the device is another register), ``revoked``.
    """
    if len(request.public_key) != 32:
        raise DomainError("bad_request", "The public key of a device is 32 bytes long.")
    with transaction.atomic():
        register = _register_of(request)
        _refuse_another(register, request)
        _refuse_unless_free(register, request)
        epoch = open_epoch(register, request.epoch, now, request.label, request.receipts)
        _bind(register, request, now)
        facts = device_facts(register)
        outside.note(outside.ACTIVATED, register.account_id, register.id, str(register), "", facts)
    account, store = register.account, register.store
    return ActivateAnswer(
        register=str(register.id),
        register_name=register.name,
        store=str(store.id),
        store_code=store.code,
        store_name=store.name,
        account=account.public_id,
        account_name=account.name,
        currency=account.currency,
        epoch_label=epoch.label,
        pepper=bytes(account.pepper),
        nonce=bytes(register.nonce or b""),
        server_epoch=server_epoch(),
        server_time=now,
    )


def _register_of(request: ActivateRequest) -> Register:
    account = account_by_public_id(request.account)
    found = (
        account
        and Register.objects.select_for_update(of=("self",))
        .select_related("account", "store")
        .filter(account=account, license_digest=license_digest(request.license_key))
        .first()
    )
    if not found:
        raise DomainError(
            "unknown_license",
            "This Account ID and License Key do not belong together; check both for mistyped letters.",
        )
    return found


def _refuse_another(register: Register, request: ActivateRequest) -> None:
    """The device would refuse the answer; the license must stay free for the one that it is meant for."""
    if request.register in ("", str(register.id)):
        return
    try:
        present = Register.objects.filter(
            account=register.account, id=UUID(request.register)
        ).first()
    except ValueError:
        present = None
    name = str(present) if present else "another one"
    raise DomainError("already_activated", f"This device is register {name} already.")


def _refuse_unless_free(register: Register, request: ActivateRequest) -> None:
    if register.state == Register.State.REVOKED:
        raise DomainError(
            "revoked", f"{register} was revoked. Make a new License Key for it in the Back Office."
        )
    same_device = bytes(register.public_key or b"") == request.public_key
    if register.state == Register.State.ACTIVE and not same_device:
        last = register.last_seen_at or register.activated_at
        device = register.device_name or "another device"
        when = f", last heard of {last:%Y-%m-%d %H:%M} UTC" if last else ""
        raise DomainError(
            "license_in_use",
            f"This License Key is in use on {device} as {register}{when}.",
            device=register.device_name,
            register=str(register),
            last_contact=last.isoformat() if last else None,
        )


def _bind(register: Register, request: ActivateRequest, now: datetime) -> None:
    _remember_former(register, request, now)
    register.state = Register.State.ACTIVE
    register.public_key = request.public_key
    register.fingerprint = request.fingerprint[:100]
    register.device_name = request.device[:120]
    register.software = request.software[:40]
    register.activated_at = register.last_seen_at = now
    register.revoked_at = None
    register.nonce = secrets.token_bytes(NONCE_BYTES)
    register.save(
        update_fields=[
            "state", "public_key", "fingerprint", "device_name", "software",
            "activated_at", "last_seen_at", "revoked_at", "nonce",
        ]
    )  # fmt: skip


def _remember_former(register: Register, request: ActivateRequest, now: datetime) -> None:
    """The device that was bound before may still hand in what it sold."""
    key = bytes(register.public_key or b"")
    devices = FormerDevice.objects.filter(account_id=register.account_id, register_id=register.id)
    devices.filter(public_key=request.public_key).delete()
    if key and key != request.public_key:
        FormerDevice.objects.create(
            account_id=register.account_id,
            register_id=register.id,
            public_key=key,
            name=register.device_name,
            nonce=None,
            replaced_at=now,
            last_seen_at=register.last_seen_at,
        )
