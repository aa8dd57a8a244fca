"""Deactivation: a device gives its register back, once all that it made has arrived."""

import secrets
from datetime import datetime

from stillopen.backoffice.devices.models import Register
from stillopen.backoffice.feed.publish import beat
from stillopen.backoffice.ingest import store
from stillopen.backoffice.ingest.fact import place_of
from stillopen.backoffice.ingest.limits import canonical_id
from stillopen.backoffice.ingest.refused import Refused, bad_message
from stillopen.backoffice.ingest.sql import Cursor, engine
from stillopen.domain.errors import DomainError
from stillopen.sync import proof
from stillopen.sync.codec import BadMessage, pack, unpack
from stillopen.sync.messages import DeactivateAnswer, DeactivateRequest

NONCE_BYTES = 16


def deactivate(register_id: str, body: bytes, signature: bytes, now: datetime) -> bytes:
    """Free the register for another device; a new License Key is needed then. Asked again by the same
    device (the answer was lost) it answers again.

    :class:`Refused`: 400 ``bad_message``; 401 ``unknown_register``, ``bad_proof``; 409 ``not_synced`` (something
    has not arrived), ``stale_nonce`` (details ``nonce``, hex: sign again with it); 410 ``revoked``.
    """
    try:
        request = unpack(body, DeactivateRequest)
        register = canonical_id(register_id)
    except (BadMessage, DomainError) as error:
        raise bad_message(str(error)) from error
    with engine().transaction() as cursor:
        device = _proven(cursor, register, request, body, signature)
        if device.state == Register.State.ACTIVE:
            nonce = _nonce(cursor, device, request)
            if nonce is None:
                _require_all_here(cursor, device, request)
                _free(cursor, device)
        elif device.state == Register.State.REVOKED:
            raise Refused(
                410, "revoked", "This register was revoked; there is nothing to give back."
            )
        else:
            nonce = None
    if nonce is not None:
        message = "Another exchange came in between."
        raise Refused(409, "stale_nonce", message, None, nonce=nonce.hex())
    return pack(DeactivateAnswer(server_time=now))


def _proven(
    cursor: Cursor, register: str, request: DeactivateRequest, body: bytes, signature: bytes
) -> store.Device:
    device = store.lock_device(cursor, register)
    if device is None or not device.public_key or request.register != register:
        raise Refused(401, "unknown_register", "This register is not known here.")
    if not proof.verify(device.public_key, signature, proof.DEACTIVATE, request.nonce, body):
        raise Refused(401, "bad_proof", "The signature is not that of this register's device.")
    if device.machine and request.machine and device.machine != request.machine:
        raise Refused(
            409, "another_machine", "This register is in use on another machine; revoke it instead."
        )
    return device


def _nonce(cursor: Cursor, device: store.Device, request: DeactivateRequest) -> bytes | None:
    """The nonce to come again with, where the request has not the one in force: no replay takes effect."""
    if device.nonce and request.nonce == device.nonce:
        return None
    nonce = device.nonce or secrets.token_bytes(NONCE_BYTES)
    store.set_register(cursor, place_of(device.source), {"nonce": nonce})
    return nonce


def _require_all_here(cursor: Cursor, device: store.Device, request: DeactivateRequest) -> None:
    cursor.execute(
        """SELECT acked_seq, acked_hash FROM devices_epoch
        WHERE account_id = %s AND register_id = %s AND epoch = %s""",
        (*place_of(device.source).ids, request.epoch),
    )
    held = {(seq, bytes(value)) for seq, value in cursor.fetchall()}
    if request.head_seq and (request.head_seq, request.head_hash) not in held:
        raise Refused(409, "not_synced", "Not all of this register's journal has arrived here yet.")


def _free(cursor: Cursor, device: store.Device) -> None:
    """Its key stays known: should it hold anything yet, it may hand that in, and gets nothing."""
    source = device.source
    changes = {
        "state": Register.State.NEW.value,
        "license_digest": secrets.token_hex(32),
        "nonce": None,
        "unsent_count": 0,
        "unsent_value": 0,
        "unsent_oldest_at": None,
    }
    store.set_register(cursor, place_of(source), changes)
    beat(source.account)  # type: ignore[arg-type]
