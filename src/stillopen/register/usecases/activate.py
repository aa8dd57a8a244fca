"""Activation: Account ID and License Key make this device a register. Online only, safe to repeat."""

import ipaddress
from urllib.parse import urlsplit

import httpx
import msgspec

from stillopen import __version__
from stillopen.domain.errors import DomainError
from stillopen.register.asking import NoAnswer, Short, TooLong, ask
from stillopen.register.keys import save_device
from stillopen.register.store.identity import Identity
from stillopen.register.till import Till
from stillopen.register.usecases.new_epoch import name_former, take_label
from stillopen.sync.codec import BadMessage, pack, unpack
from stillopen.sync.messages import ActivateAnswer, ActivateRequest, Refusal

PATH = "/sync/v1/activate"


def check_url(url: str, insecure_http: bool = False) -> str:
    """The base URL without a slash at its end. ``bad_url``; ``tls_required`` off loopback."""
    url = url.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise DomainError("bad_url", "The Back Office's address looks like https://shop.example.")
    if parts.scheme == "http" and not is_loopback(host) and not insecure_http:
        raise DomainError(
            "tls_required",
            "The Back Office's address must begin with https:// unless it is on this machine.",
        )
    return url


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def activate(
    till: Till,
    backoffice: str,
    account: str,
    license_key: str,
    insecure_http: bool = False,
) -> Identity:
    """Ask the Back Office at ``backoffice`` (base URL) to take this device's key for the license.

    Errors: ``bad_url``, ``tls_required``, ``offline``, ``not_a_backoffice``, ``already_activated`` (as another
    register), and what the Back Office says: ``license_in_use``, ``unknown_license``, ``revoked`` …
    """
    url = check_url(backoffice, insecure_http)
    request = activation_request(till, account, license_key)
    return take_activation(till, url, await _ask(url, request), insecure_http)


def activation_request(till: Till, account: str, license_key: str) -> ActivateRequest:
    """What this device asks with."""
    epoch = till.journal.identity.epoch()
    return ActivateRequest(
        account=account.strip(),
        license_key=license_key.strip(),
        public_key=till.device.public_key,
        fingerprint=till.device.fingerprint,
        device=till.device.name,
        epoch=epoch.id if epoch else "",
        label=epoch.label if epoch else "",
        receipts=till.journal.receipts_made(),
        software=__version__,
        register=till.identity.register if till.identity else "",
    )


async def _ask(url: str, request: ActivateRequest) -> ActivateAnswer:
    loopback = is_loopback(urlsplit(url).hostname or "")
    try:
        answer = await ask(url + PATH, pack(request), loopback)
    except NoAnswer as error:
        raise DomainError(
            "offline",
            f"The Back Office at {url} does not answer. Activation needs the line.",
            cause=str(error),
        ) from error
    except TooLong:
        raise _not_a_backoffice(url) from None
    if answer.status != httpx.codes.OK:
        raise _refused(url, answer)
    try:
        return unpack(answer.content, ActivateAnswer)
    except BadMessage:
        raise _not_a_backoffice(url) from None


def _refused(url: str, answer: Short) -> DomainError:
    try:
        refusal = msgspec.json.decode(answer.content, type=Refusal)
    except msgspec.DecodeError:
        return _not_a_backoffice(url)
    return DomainError(refusal.code, refusal.message, **refusal.details)


def _not_a_backoffice(url: str) -> DomainError:
    return DomainError("not_a_backoffice", f"What answers at {url} is not a Stillopen Back Office.")


def take_activation(till: Till, url: str, answer: ActivateAnswer, insecure_http: bool) -> Identity:
    """Write down who this register is. Repeated, only the address may differ."""
    present = till.identity
    if present is not None and present.register != answer.register:
        raise DomainError(
            "already_activated",
            f"This device is register {present.store_code}-{present.register_name} already.",
        )
    till.device = msgspec.structs.replace(till.device, pepper=answer.pepper)
    save_device(till.data_dir, till.device)
    identity = Identity(
        register=answer.register,
        register_name=answer.register_name,
        store=answer.store,
        store_code=answer.store_code,
        store_name=answer.store_name,
        account=answer.account,
        account_name=answer.account_name,
        currency=answer.currency,
        backoffice=url,
        activated_at=answer.server_time,
        insecure_http=insecure_http,
    )
    till.clock.heard_server(answer.server_time)
    with till.change("link", "activated"):
        if epoch := till.journal.identity.epoch():
            take_label(till, epoch.id, answer.epoch_label)
        name_former(till, f"{answer.store_code}-{answer.register_name}")
        till.journal.identity.save(identity)
        till.journal.sending.update(
            nonce=answer.nonce, server_epoch=answer.server_epoch, stopped=""
        )
    return identity
