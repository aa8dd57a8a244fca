"""The way to the Back Office, hop by hop: own network, name, connection, encryption, health, sign-in.

Each hop is really tried, in order; what a failure means is told in words, with one sentence of advice.
"""

import asyncio
import os
import secrets
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import certifi
import httpx
import msgspec

from stillopen.register.syncer.wire import LOOPBACK
from stillopen.register.till import Till
from stillopen.sync.proof import HEADER, POKE, sign

_PATIENCE = 3.0  # seconds per hop
#: A device whose clock is further off than this is told so (seconds).
_CLOCK = 300
_INTERFACES = Path("/sys/class/net")
#: Reserved for documentation: a route to it is the default route. Nothing is sent.
_FAR = "192.0.2.1"

_NO_NETWORK = "This device has no network: check the cable or the wireless connection."
_NO_NAME = (
    "Check the address, then the internet connection: the name of the Back Office is not found."
)
_NO_ADDRESS = "Type the whole address of the Back Office, beginning with https://."
_NO_ANSWER = "Check that the Back Office runs and that no firewall is in the way."
_NO_TLS = "Ask whoever runs the Back Office to check its certificate and the address."
_NO_OFFICE = "Check the address, and whether this network asks for a sign-in of its own first."
_CLOCK_ADVICE = (
    "Check the date and time of this device; if they are right, the certificate must be renewed."
)

#: OpenSSL's verdict on a certificate → what is wrong with it, what to do.
_CERTIFICATE = {
    7: ("the certificate is signed by nobody known", _NO_TLS),
    9: ("the certificate is not valid yet", _CLOCK_ADVICE),
    10: ("the certificate has expired", _CLOCK_ADVICE),
    18: ("the certificate is signed by nobody known", _NO_TLS),
    19: ("the certificate is signed by nobody known", _NO_TLS),
    20: ("the certificate is signed by nobody known", _NO_TLS),
    21: ("the certificate is signed by nobody known", _NO_TLS),
    62: ("the certificate is for another name", _NO_TLS),
    64: ("the certificate is for another address", _NO_TLS),
}
#: Code of a refusal → what it means for this device, what to do; a nonce of ours is stale by its nature.
_SIGN_IN = {
    "revoked": (
        "this register was revoked",
        "Ask an administrator; a new License Key activates it again, and nothing sold is lost.",
    ),
    "unknown_register": (
        "this register is not known here: another Back Office, or another account's",
        "Check the address, or activate this register again with a License Key of this account.",
    ),
    "bad_proof": (
        "the register is bound to another device",
        "Activate this device with a new License Key, or go on with the other one.",
    ),
}


class Hop(msgspec.Struct, frozen=True):
    """``ok`` is None when a hop before it failed and it was not tried; ``seconds`` that it took."""

    name: str
    ok: bool | None
    detail: str = ""
    seconds: float | None = None
    advice: str = ""

    @property
    def took(self) -> str:
        if self.seconds is None:
            return ""
        if self.seconds >= 1:
            return f"{self.seconds:.1f} s"
        return f"{max(self.seconds * 1000, 1):.0f} ms"


class _Failed(Exception):
    def __init__(self, detail: str, advice: str) -> None:
        super().__init__(detail)
        self.detail, self.advice = detail, advice


def advice_for(hops: list[Hop]) -> str:
    """What to do about the first hop that failed; empty when all are fine."""
    return next((hop.advice for hop in hops if hop.ok is False), "")


async def probe_hops(url: str, till: Till | None = None) -> list[Hop]:
    """Try each hop to the Back Office at ``url`` in order; after a failure the rest is not tried.

    With an activated ``till`` its sign-in is the last hop.
    """
    parts = _split(url)
    if parts is None:
        wrong = "this is not an address"
        return [
            await _try("Network", _network, urlsplit("http://192.0.2.1")),
            Hop("Name", False, wrong, None, _NO_ADDRESS),
            *(Hop(name, None) for name in ("Connection", "Back Office")),
        ]
    steps: list[tuple[str, Step]] = [
        ("Network", _network),
        ("Name", _name),
        ("Connection", _connection),
    ]
    if parts.scheme == "https":
        steps.append(("Encryption", _encryption))
    steps.append(("Back Office", _health))
    if till is not None and till.identity is not None:
        steps.append(("Sign-in of this register", _sign_in(till)))
    hops: list[Hop] = []
    for name, step in steps:
        tried = not hops or hops[-1].ok
        hops.append(await _try(name, step, parts) if tried else Hop(name, None))
    return hops


Step = Callable[[SplitResult], Awaitable[str]]


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url.strip().rstrip("/"))
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None


async def _try(name: str, step: Step, parts: SplitResult) -> Hop:
    began = time.monotonic()
    try:
        async with asyncio.timeout(_PATIENCE):
            detail = await step(parts)
        return Hop(name, True, detail, time.monotonic() - began)
    except TimeoutError:
        why = _Failed(f"no answer within {_PATIENCE:.0f} s", _SILENT.get(name, _NO_ANSWER))
    except _Failed as failed:
        why = failed
    except httpx.HTTPError as error:
        why = _Failed(f"no proper answer ({type(error).__name__})", _NO_OFFICE)
    except OSError as error:
        why = _Failed(_words(error), _NO_ANSWER)
    return Hop(name, False, why.detail, time.monotonic() - began, why.advice)


_SILENT = {"Name": _NO_NAME}


def _words(error: OSError) -> str:
    """What the system calls it; name look-ups carry numbers of their own, and their words with them."""
    code = error.errno or 0
    return os.strerror(code) if code > 0 else error.strerror or str(error)


async def _network(parts: SplitResult) -> str:
    """An address of this device from which the other side could be reached; nothing is sent."""
    host = parts.hostname or ""
    if host in LOOPBACK:
        return "the other end is on this device"
    goal = host if _is_address(host) else _FAR
    family = socket.AF_INET6 if ":" in goal else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((goal, 9))
            return f"this device is {probe.getsockname()[0]}"
    except OSError:
        raise _Failed(_why_no_route(), _NO_NETWORK) from None


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _why_no_route() -> str:
    """Whether no interface is up, or one is and has no way out."""
    up = [
        place.name
        for place in (_INTERFACES.iterdir() if _INTERFACES.exists() else ())
        if place.name != "lo" and (place / "operstate").read_text().strip() == "up"
    ]
    if up:
        return f"{', '.join(sorted(up))} is connected, but has no address or no default route"
    return "no network interface is connected"


async def _name(parts: SplitResult) -> str:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(parts.hostname, _port(parts), type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        words = error.strerror if isinstance(error, socket.gaierror) else "not a name"
        raise _Failed(f"{parts.hostname}: {words}", _NO_NAME) from None
    if _is_address(parts.hostname or ""):
        return f"{parts.hostname} needs no look-up"
    return f"{parts.hostname} is {found[0][4][0]}"


async def _connection(parts: SplitResult) -> str:
    try:
        _, writer = await asyncio.open_connection(parts.hostname, _port(parts))
    except ConnectionRefusedError:
        why = f"port {_port(parts)}: connection refused, nothing listens there"
        raise _Failed(why, _NO_ANSWER) from None
    writer.close()
    return f"port {_port(parts)} answers"


async def _encryption(parts: SplitResult) -> str:
    context = ssl.create_default_context(cafile=certifi.where())  # as the exchanges use it
    try:
        _, writer = await asyncio.open_connection(parts.hostname, _port(parts), ssl=context)
    except ssl.SSLCertVerificationError as error:
        wrong, advice = _CERTIFICATE.get(error.verify_code, (error.verify_message, _NO_TLS))
        today = datetime.now(UTC).strftime("%-d %B %Y")
        raise _Failed(f"{wrong} (this device says it is {today})", advice) from None
    except (ssl.SSLError, ConnectionError) as error:
        reason = (getattr(error, "reason", "") or "it hung up").replace("_", " ").lower()
        raise _Failed(f"this port does not speak TLS properly: {reason}", _NO_TLS) from None
    secured = writer.get_extra_info("ssl_object")
    version, until = secured.version(), secured.getpeercert().get("notAfter", "")
    writer.close()
    return f"{version}, the certificate is valid until {until}"


def _client(parts: SplitResult) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=parts.geturl(), timeout=_PATIENCE, trust_env=parts.hostname not in LOOPBACK
    )


async def _health(parts: SplitResult) -> str:
    async with _client(parts) as client:
        ping = await client.get("/sync/v1/ping")
        if ping.status_code != httpx.codes.OK or b'"stillopen"' not in ping.content[:200]:
            raise _Failed(
                f"something answers ({ping.status_code}) that is no Back Office", _NO_OFFICE
            )
        health = await client.get("/api/v1/healthz")
    if health.status_code != httpx.codes.OK:
        why = f"it is there, but not healthy ({health.status_code})"
        raise _Failed(why, "Whoever runs the Back Office finds the reason in its log.")
    version = health.json().get("version", "")
    return f"healthy, version {version}{_clock(ping)}"


def _clock(answer: httpx.Response) -> str:
    """A word on this device's clock when it is off."""
    try:
        theirs = parsedate_to_datetime(answer.headers.get("Date", ""))
    except ValueError:
        return ""
    off = (datetime.now(UTC) - theirs).total_seconds()
    if abs(off) < _CLOCK:
        return ""
    return f"; the clock of this device is {abs(off) / 60:.0f} min {'fast' if off > 0 else 'slow'}"


def _sign_in(till: Till) -> Step:
    """Asks with a nonce of its own, which is never the one in force: the refusal tells what the Back Office
    makes of the device, and no stream of it is touched."""
    identity, nonce = till.require_identity(), secrets.token_bytes(16)
    signature = sign(till.device.key, POKE, nonce, b"").hex()
    proof = {HEADER: f"{identity.register}:{signature}:{nonce.hex()}"}

    async def step(parts: SplitResult) -> str:
        async with _client(parts) as client:
            answer = await client.get("/sync/v1/poke", params={"wait": "0"}, headers=proof)
        try:
            code = str(answer.json().get("code", ""))
        except (ValueError, AttributeError):
            code = ""
        if code == "stale_nonce":
            return f"{identity.register_name} of {identity.account} is accepted"
        if code in _SIGN_IN:
            raise _Failed(*_SIGN_IN[code])
        raise _Failed(f"an answer nobody expected ({answer.status_code})", _NO_OFFICE)

    return step


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)
