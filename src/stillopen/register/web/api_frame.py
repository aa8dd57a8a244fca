"""What all calls of the local API share: bodies, sessions, and how an error is said."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from stillopen.domain.errors import DomainError
from stillopen.register.session import Session
from stillopen.register.till import Till

T = TypeVar("T")

MAX_BODY = 1024 * 1024  # bytes; a sale of 1 000 lines has about a tenth
_log = logging.getLogger(__name__)
_encoder = msgspec.json.Encoder(decimal_format="string")

#: error code → HTTP status; whatever is not named here is 422.
STATUS: dict[str, int] = {
    "bad_json": 400,
    "signed_out": 401,
    "wrong_pin": 401,
    "name_not_unique": 401,
    "not_permitted": 403,
    "no_such_receipt": 404,
    "receipt_purged": 404,
    "unknown_license": 404,
    "not_found": 404,
    "method_not_allowed": 405,
    "already_activated": 409,
    "cart_changed": 409,
    "cart_open": 409,
    "id_reused": 409,
    "license_in_use": 409,
    "never_synced": 409,
    "not_activated": 409,
    "not_synced": 409,
    "payment_pending": 409,
    "receipt_damaged": 409,
    "another_machine": 409,
    "shift_already_open": 409,
    "shift_open": 409,
    "shift_not_open": 409,
    "software_too_old": 409,
    "revoked": 410,
    "body_too_large": 413,
    "register_blocked": 423,
    "offline": 503,
    "disk_full": 507,
}


class Json(Response):
    """JSON by msgspec: decimals as strings, times as RFC 3339."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return _encoder.encode(content)


def error(
    code: str, message: str, details: Mapping[str, object] | None = None, status: int | None = None
) -> Json:
    body = {"code": code, "message": message, "details": dict(details or {})}
    headers = {"WWW-Authenticate": "Bearer"} if code == "signed_out" else None
    return Json(body, status or STATUS.get(code, HTTPStatus.UNPROCESSABLE_ENTITY), headers)


async def on_domain_error(_: Request, raised: Exception) -> Response:
    assert isinstance(raised, DomainError)
    return error(raised.code, raised.message, raised.details)


async def on_http_error(request: Request, raised: Exception) -> Response:
    """Starlette's own refusals: no such path, no such method."""
    assert isinstance(raised, HTTPException)
    if raised.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        answer = error("method_not_allowed", f"{request.method} is not possible here.")
    elif raised.status_code == HTTPStatus.NOT_FOUND:
        answer = error("not_found", "There is nothing at this address.")
    else:
        answer = error("bad_request", str(raised.detail), status=raised.status_code)
    answer.headers.update(raised.headers or {})
    return answer


async def on_mistake(request: Request, raised: Exception) -> Response:
    """A mistake of ours: the log has the details, the caller a sentence."""
    _log.error("%s %s failed", request.method, request.url.path, exc_info=raised)
    return error(
        "internal_error", "Something went wrong in the till; it is in its log.", status=500
    )


def till_of(request: Request) -> Till:
    till = request.app.state.till
    assert isinstance(till, Till)
    return till


def current_session(request: Request) -> Session | None:
    """The session of the Bearer token, if it is alive."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return till_of(request).session(token.strip()) if scheme.lower() == "bearer" else None


def require_session(request: Request) -> Session:
    session = current_session(request)
    if session is None:
        raise DomainError("signed_out", "Sign in first: this call needs a session.")
    return session


async def body_of(request: Request, kind: type[T]) -> T:
    """The body as ``kind``; ``bad_json``, ``bad_field`` (which one is wrong, and how), ``body_too_large``."""
    raw = await _read(request)
    try:
        content = msgspec.json.decode(raw or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise DomainError("bad_json", "The body is not JSON.") from None
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as wrong:
        raise DomainError("bad_field", f"{wrong}.") from None


async def _read(request: Request) -> bytes:
    too_large = DomainError("body_too_large", f"A body has at most {MAX_BODY} bytes.")
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > MAX_BODY:
        raise too_large
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > MAX_BODY:
                raise too_large
            parts.append(part)
    except ClientDisconnect:
        raise DomainError("bad_json", "The body was cut off.") from None
    return b"".join(parts)
