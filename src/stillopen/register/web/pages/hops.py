"""The way to the Back Office, hop by hop: own network, name, connection, encryption, health."""

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from urllib.parse import SplitResult, urlsplit

import httpx
import msgspec

Step = Callable[[SplitResult], Awaitable[str]]
_PATIENCE = 3.0  # seconds per hop
_ADVICE = {
    "Network": "This device has no network. Check the cable or the wireless connection.",
    "Name": "The name of the Back Office is not found. Check the address, then the internet connection.",
    "Connection": "Nothing answers at this address. Check that the Back Office runs, and the firewall.",
    "Encryption": "The secure connection is refused. Check the date of this device and the certificate.",
    "Back Office": "Something answers, but it is no healthy Back Office. Check the address and the server.",
}


class Hop(msgspec.Struct, frozen=True):
    """``ok`` is None when a hop before it failed and it was not tried."""

    name: str
    ok: bool | None
    detail: str = ""


def advice_for(hops: list[Hop]) -> str:
    """What to do about the first hop that failed; empty when all are fine."""
    return next((_ADVICE[hop.name] for hop in hops if hop.ok is False), "")


async def probe_hops(url: str) -> list[Hop]:
    """Try each hop to the Back Office at ``url`` in order; after a failure the rest is not tried."""
    parts = _split(url)
    steps = [("Network", _network), ("Name", _name), ("Connection", _connection)]
    if parts is not None and parts.scheme == "https":
        steps.append(("Encryption", _encryption))
    steps.append(("Back Office", _health))
    hops: list[Hop] = []
    for name, step in steps:
        if hops and not hops[-1].ok:
            hops.append(Hop(name, None))
        elif parts is None and name == "Name":
            hops.append(Hop(name, False, "this is not an address"))
        else:
            hops.append(await _try(name, step, parts or urlsplit("http://localhost")))
    return hops


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url.strip().rstrip("/"))
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None


async def _try(name: str, step: Step, parts: SplitResult) -> Hop:
    try:
        return Hop(name, True, await asyncio.wait_for(step(parts), _PATIENCE))
    except TimeoutError:
        return Hop(name, False, f"no answer within {_PATIENCE:.0f} s")
    except ssl.SSLError as error:
        return Hop(name, False, error.reason or "refused")
    except OSError as error:
        return Hop(name, False, _words(error))
    except (httpx.HTTPError, _Unhealthy) as error:
        return Hop(name, False, str(error) or "failed")


def _words(error: OSError) -> str:
    """What the system calls it; name look-ups carry numbers of their own, and their words with them."""
    code = error.errno or 0
    return os.strerror(code) if code > 0 else error.strerror or str(error)


class _Unhealthy(Exception):
    """The answer is not that of a healthy Back Office."""


async def _network(parts: SplitResult) -> str:
    """An address of this device from which the other side could be reached; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        loopback = parts.hostname in ("localhost", "127.0.0.1", "::1")
        probe.connect(("127.0.0.1" if loopback else "192.0.2.1", 9))
        return f"this device is {probe.getsockname()[0]}"


async def _name(parts: SplitResult) -> str:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(parts.hostname, _port(parts), type=socket.SOCK_STREAM)
    return f"{parts.hostname} is {found[0][4][0]}"


async def _connection(parts: SplitResult) -> str:
    _, writer = await asyncio.open_connection(parts.hostname, _port(parts))
    writer.close()
    return f"port {_port(parts)} answers"


async def _encryption(parts: SplitResult) -> str:
    context = ssl.create_default_context()
    _, writer = await asyncio.open_connection(parts.hostname, _port(parts), ssl=context)
    version = writer.get_extra_info("ssl_object").version()
    writer.close()
    return f"{version}, the certificate is valid"


async def _health(parts: SplitResult) -> str:
    loopback = parts.hostname in ("localhost", "127.0.0.1", "::1")
    async with httpx.AsyncClient(timeout=_PATIENCE, trust_env=not loopback) as client:
        answer = await client.get(f"{parts.geturl()}/healthz")
    if answer.status_code != 200:
        raise _Unhealthy(f"it answers {answer.status_code}")
    return f"healthy, {answer.elapsed.total_seconds() * 1000:.0f} ms"


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)
