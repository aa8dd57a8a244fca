"""The little HTTP that the sync API needs on raw ASGI: reading a bounded body, answering, refusing."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import msgspec

from stillopen.backoffice.ingest.refused import Refused
from stillopen.sync.codec import MAX_MESSAGE

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

JSON = b"application/json"


class Gone(Exception):
    """The other end hung up before its request was complete: there is nobody to answer."""


def header(scope: Scope, name: bytes) -> str:
    """The value of one request header (``name`` in lower case), or ""."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return ""


async def read_body(receive: Receive) -> bytes:
    """The whole body; :class:`Refused` 413 beyond the protocol's bound, :class:`Gone` when it is cut off."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_MESSAGE:
            raise Refused(413, "too_large", "This message is larger than the protocol allows.")
        if not message.get("more_body", False):
            return b"".join(parts)


async def answer(
    send: Send, status: int, body: bytes, content_type: bytes = JSON, headers: Headers = ()
) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", content_type),
                (b"content-length", str(len(body)).encode()),
                (b"cache-control", b"no-store"),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, refused: Refused) -> None:
    """``{"code", "message", "details"}`` with the refusal's status."""
    headers = []
    if refused.retry_after is not None:
        headers.append((b"retry-after", str(max(1, round(refused.retry_after))).encode()))
    await answer(send, refused.status, msgspec.json.encode(refused.refusal), headers=headers)
