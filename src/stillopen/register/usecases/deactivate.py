"""Deactivation: this device gives its register back. Online, with the register closed and all of it sent.

The journal stays in its file, readable; what is sold after the next activation is numbered anew.
"""

import httpx
import msgspec

from stillopen.domain.errors import DomainError
from stillopen.domain.permission import Permission
from stillopen.register.asking import NoAnswer, TooLong, ask
from stillopen.register.keys import new_device, save_device
from stillopen.register.session import Session
from stillopen.register.store.identity import Identity
from stillopen.register.till import Till
from stillopen.register.usecases.activate import is_loopback
from stillopen.register.usecases.new_epoch import begin_epoch
from stillopen.sync.codec import BadMessage, pack, unpack
from stillopen.sync.messages import DeactivateAnswer, DeactivateRequest, Refusal
from stillopen.sync.proof import DEACTIVATE, HEADER, sign

PATH = "/sync/v1/deactivate"
_TRIES = 4  # an exchange may come in between and change the nonce


async def deactivate(till: Till, session: Session | None) -> Identity:
    """Give the register back; returns who this device was. ``session`` None: the command line.

    Errors: ``not_activated``, ``not_permitted``, ``shift_open``, ``cart_open``, ``offline``, ``not_synced``, and
    what the Back Office says (``revoked``, ``another_machine``).
    """
    identity = till.require_identity()
    if session is not None:
        session.require(Permission.SETTINGS)
    _require_idle(till)
    await till.sync_now()
    _require_sent(till)
    await _ask(till, identity)
    _require_sent(till)  # nothing can be made meanwhile that the Back Office would not know of
    forget(till)
    return identity


def _require_idle(till: Till) -> None:
    if till.journal.shift_is_open():
        raise DomainError("shift_open", "Close the register first, then deactivate it.")
    if till.journal.carts.open_cart() is not None or till.journal.carts.parked():
        raise DomainError("cart_open", "Finish or discard the open and parked sales first.")


def _require_sent(till: Till) -> None:
    unsent = till.journal.sending.unsent().count
    if unsent:
        raise DomainError(
            "not_synced",
            "Not everything has been sent yet; this register stays as it is.",
            unsent=unsent,
        )


async def _ask(till: Till, identity: Identity) -> None:
    nonce = b""
    loopback = is_loopback(httpx.URL(identity.backoffice).host)
    try:
        for _ in range(_TRIES):
            body, proof = _signed(till, identity, nonce)
            answer = await ask(identity.backoffice + PATH, body, loopback, **{HEADER: proof})
            if answer.status == httpx.codes.OK:
                unpack(answer.content, DeactivateAnswer)
                return
            refusal = msgspec.json.decode(answer.content, type=Refusal)
            if refusal.code != "stale_nonce":
                raise DomainError(refusal.code, refusal.message, **refusal.details)
            nonce = bytes.fromhex(str(refusal.details["nonce"]))
    except (NoAnswer, TooLong, msgspec.DecodeError, BadMessage) as error:
        raise _offline() from error
    raise _offline()


def _offline() -> DomainError:
    return DomainError("offline", "The Back Office cannot be reached; deactivating needs the line.")


def _signed(till: Till, identity: Identity, nonce: bytes) -> tuple[bytes, str]:
    """The request, and what proves it."""
    head = till.journal.head()
    body = pack(
        DeactivateRequest(
            register=identity.register,
            nonce=nonce,
            epoch=head.epoch,
            head_seq=head.seq,
            head_hash=head.hash,
            machine=till.machine,
        )
    )
    signature = sign(till.device.key, DEACTIVATE, nonce, body)
    return body, f"{identity.register}:{signature.hex()}"


def forget(till: Till) -> None:
    """This device is nobody's register: no prices, no people, a key of its own for the next time. The
    entries of the old one stay readable, and are never sent as another's."""
    with till.change("link", "session", "journal"):
        till.journal.identity.leave()
        till.journal.sending.begin_anew()
        begin_epoch(till)
    till.catalogue.begin(True)
    till.catalogue.switch((), "")
    till.live.forget()
    till.device = new_device()
    save_device(till.data_dir, till.device)
    for session in till.sessions.all():
        till.sessions.end(session.token)
    till.notify("session")
