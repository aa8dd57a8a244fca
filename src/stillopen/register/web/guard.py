"""Who may talk to the till: requests that name it as it is really called.

A web page on the internet can make a browser on the till send requests here, under a name of its own
that it lets point to 127.0.0.1 (DNS rebinding). Such a request carries that name as its Host. An
address literal cannot be rebound; names must be ours.
"""

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

_UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


class Guard:
    """Refuses foreign hosts (421) and changes that come from another site's page (403)."""

    def __init__(self, app: ASGIApp, names: tuple[str, ...] = ()) -> None:
        self._app = app
        self._names = {"localhost", *(name.lower() for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            host = _header(scope, b"host")
            if not self._is_ours(host):
                await _refuse(send, 421, "bad_host", "This till is not called that.")
                return
            origin = _header(scope, b"origin") if scope["method"] in _UNSAFE else ""
            if origin and not _same(origin, host):
                await _refuse(send, 403, "foreign_origin", "This came from another page.")
                return
        await self._app(scope, receive, send)

    def _is_ours(self, host: str) -> bool:
        name, is_address = _name_in(host)
        return is_address or name in self._names


def _header(scope: Scope, name: bytes) -> str:
    """The first header of that name, or ""."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return ""


@lru_cache(maxsize=64)
def _name_in(host: str) -> tuple[str, bool]:
    """The name inside a Host header ("" if there is none), and whether it is an address."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return "", False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name, False
    return name, True


def _same(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


async def _refuse(send: Send, status: int, code: str, message: str) -> None:
    body = msgspec.json.encode({"code": code, "message": message, "details": {}})
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
