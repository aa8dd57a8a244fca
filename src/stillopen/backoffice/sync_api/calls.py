"""What the calls of the sync API do: from bytes to bytes, in a thread, on that thread's connection."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from django.db import close_old_connections

from stillopen.backoffice.devices.activation import activate as bind_device
from stillopen.backoffice.ingest.receive import TROUBLE
from stillopen.backoffice.ingest.receive import exchange as receive_exchange
from stillopen.backoffice.ingest.refused import Refused, bad_message, try_again
from stillopen.domain.errors import DomainError
from stillopen.sync.codec import BadMessage, pack, unpack
from stillopen.sync.messages import ActivateRequest

T = TypeVar("T")

#: code of an activation that is refused → HTTP status.
_STATUS = {"unknown_license": 404, "license_in_use": 409, "revoked": 410}


def on_connection(call: Callable[..., T], *arguments: object) -> T:
    """Run ``call`` with a healthy connection: one that broke (a restarted PostgreSQL) is dropped
    before and after, so that only the request that met the break is lost."""
    close_old_connections()
    try:
        return call(*arguments)
    finally:
        close_old_connections()


def exchange(proof: str, body: bytes) -> bytes:
    """``proof`` is the header, ``<register id>:<hex signature>``. Raises :class:`Refused`."""
    register, _, signature = proof.partition(":")
    return receive_exchange(register, body, unhex(signature), datetime.now(UTC))


def activate(body: bytes) -> bytes:
    """Raises :class:`Refused`."""
    try:
        return pack(bind_device(unpack(body, ActivateRequest), datetime.now(UTC)))
    except BadMessage as error:
        raise bad_message(str(error)) from error
    except DomainError as error:
        status = _STATUS.get(error.code, 400)
        raise Refused(status, error.code, error.message, None, **error.details) from error
    except TROUBLE as error:
        raise try_again() from error


def unhex(text: str) -> bytes:
    """Empty for anything that is not hexadecimal: no proof fits it."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""
