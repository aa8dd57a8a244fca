"""``/sync/v1/…`` as one small ASGI application in front of Django: no sessions, no cookies, no middleware.

What needs the database runs in threads, each with its own connection. Every refusal is JSON
``{"code", "message", "details"}``.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any, TypeVar

import django.db
import msgspec

from stillopen.backoffice.connections import refresh
from stillopen.backoffice.devices.activation import activate
from stillopen.backoffice.ingest.deactivate import deactivate
from stillopen.backoffice.ingest.receive import TROUBLE, exchange
from stillopen.backoffice.ingest.refused import Refused, bad_message, try_again
from stillopen.domain.errors import DomainError
from stillopen.sync.codec import CONTENT_TYPE, MAX_MESSAGE, BadMessage, pack, unpack
from stillopen.sync.messages import ActivateRequest
from stillopen.sync.proof import HEADER

T = TypeVar("T")
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Stream = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger(__name__)

PREFIX = "/sync/v1/"
#: A packed message is at most a little larger than what it unpacks to.
MAX_BODY = MAX_MESSAGE + 1024 * 1024
#: From this size on (bytes as sent: some hundred sales) exchanges take turns: one computes while another
#: waits for the disk. More at once only get in each other's way, and the threads are there for the rest.
BIG, BIG_AT_ONCE = 32 * 1024, 2
_JSON = b"application/json"
_HEADER = HEADER.lower().encode()

#: HTTP status of what activation can refuse; 422 for the rest.
_ACTIVATION = {
    "unknown_license": 404,
    "license_in_use": 409,
    "already_activated": 409,
    "revoked": 410,
    "bad_request": 400,
    "bad_epoch": 400,
}


class Gone(Exception):
    """The other end hung up before its message was complete."""


class SyncApi:
    """``stream`` serves the poke stream, see poke.py, and ``snapshots`` the files below ``snapshot/``;
    ``pool`` is where the database is used."""

    def __init__(self, pool: ThreadPoolExecutor, stream: Stream, snapshots: Stream) -> None:
        self._pool = pool
        self._big = asyncio.Semaphore(BIG_AT_ONCE)
        self._stream = stream
        self._routes: dict[str, tuple[str, Stream]] = {
            "ping": ("GET", self._ping),
            "exchange": ("POST", self._exchange),
            "activate": ("POST", self._activate),
            "deactivate": ("POST", self._deactivate),
            "poke": ("GET", self._stream),
            "snapshot/": ("GET", snapshots),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._find(scope)(scope, receive, send)
        except Refused as refused:
            await send_refusal(send, refused)
        except Gone:
            log.info("a request to %s was cut off", scope["path"])
        except Exception:
            log.exception("%s failed", scope["path"])
            message = "Something is wrong in the Back Office; it was written to its log."
            await send_refusal(send, Refused(500, "internal_error", message))

    def _find(self, scope: Scope) -> Stream:
        name, slash, _ = scope["path"].removeprefix(PREFIX).partition("/")
        route = self._routes.get(name + slash)
        if route is None:
            raise Refused(404, "not_found", "There is nothing at this address of the sync API.")
        method, handler = route
        if scope["method"] != method:
            raise Refused(405, "method_not_allowed", f"This address takes {method} only.")
        return handler

    async def _ping(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_answer(send, 200, b'{"stillopen":1}', _JSON)

    async def _exchange(self, scope: Scope, receive: Receive, send: Send) -> None:
        register, signature = read_proof(scope)[:2]
        body = await read_body(scope, receive)
        async with self._big if len(body) > BIG else nullcontext():
            now = datetime.now(UTC)
            answer = await in_thread(self._pool, lambda: exchange(register, body, signature, now))
        await send_answer(send, 200, answer)

    async def _activate(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(scope, receive)
        now = datetime.now(UTC)
        answer = await in_thread(self._pool, lambda: _activate(body, now))
        await send_answer(send, 200, answer)

    async def _deactivate(self, scope: Scope, receive: Receive, send: Send) -> None:
        register, signature = read_proof(scope)[:2]
        body = await read_body(scope, receive)
        now = datetime.now(UTC)
        answer = await in_thread(self._pool, lambda: _deactivate(register, body, signature, now))
        await send_answer(send, 200, answer)


def _deactivate(register: str, body: bytes, signature: bytes, now: datetime) -> bytes:
    try:
        return deactivate(register, body, signature, now)
    except TROUBLE as error:
        log.warning("a deactivation was aborted: %s", error)
        raise try_again() from error


def _activate(body: bytes, now: datetime) -> bytes:
    try:
        return pack(activate(unpack(body, ActivateRequest), now))
    except BadMessage as error:
        raise bad_message(str(error)) from error
    except DomainError as error:
        status = _ACTIVATION.get(error.code, 422)
        raise Refused(status, error.code, error.message, None, **error.details) from error
    except TROUBLE as error:
        log.warning("an activation was aborted: %s", error)
        raise try_again() from error


async def in_thread(pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    """Run ``work`` with the database connection of a thread; a connection that died is replaced."""

    def run() -> T:
        refresh()
        try:
            return work()
        finally:
            django.db.close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(pool, run)


def header(scope: Scope, name: bytes) -> bytes:
    """The first header ``name`` (small letters), or nothing."""
    return next((value for key, value in scope["headers"] if key == name), b"")


def read_proof(scope: Scope) -> tuple[str, bytes, bytes]:
    """Register id, signature, and the nonce where the header names one; ``Refused 401 bad_proof``."""
    parts = header(scope, _HEADER).decode("latin-1").split(":")
    try:
        register, signature, nonce = (*parts, "")[:3]
        return register, bytes.fromhex(signature), bytes.fromhex(nonce)
    except ValueError:
        message = f"The header {HEADER} is missing or is not <register>:<hex signature>."
        raise Refused(401, "bad_proof", message) from None


async def read_body(scope: Scope, receive: Receive) -> bytes:
    """All of the body; ``Refused 413 too_large`` as soon as it is known to be too long."""
    length = header(scope, b"content-length")
    _check_length(int(length) if length.isdigit() else 0)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        part: bytes = message.get("body", b"")
        size += len(part)
        _check_length(size)
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


def _check_length(size: int) -> None:
    if size > MAX_BODY:
        limit = MAX_BODY // 1024 // 1024
        raise Refused(413, "too_large", f"A message has at most {limit} MiB; send less at a time.")


async def send_refusal(send: Send, refused: Refused) -> None:
    extra = []
    if refused.retry_after is not None:
        extra.append((b"retry-after", str(max(1, round(refused.retry_after))).encode()))
    body = msgspec.json.encode(refused.refusal)
    await send_answer(send, refused.status, body, _JSON, extra)


async def send_answer(
    send: Send,
    status: int,
    body: bytes,
    content_type: bytes = CONTENT_TYPE.encode(),
    extra: list[tuple[bytes, bytes]] | None = None,
) -> None:
    headers = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *(extra or []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
