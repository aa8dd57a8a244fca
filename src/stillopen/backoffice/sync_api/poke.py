"""``GET /sync/v1/poke``: an event stream with a heartbeat, pokes, and an end when the device is revoked.

Raw ASGI, a few hundred bytes of state per stream. The header ``Stillopen-Proof`` is
``<register id>:<hex signature>:<hex nonce>``: signed like an exchange, with the nonce in force.
"""

import asyncio
import contextlib

from stillopen.backoffice.devices.models import Register
from stillopen.backoffice.feed.models import Head
from stillopen.backoffice.feed.pages import scopes_of
from stillopen.backoffice.ingest.limits import canonical_id
from stillopen.backoffice.ingest.refused import Refused
from stillopen.backoffice.sync_api.calls import unhex
from stillopen.backoffice.sync_api.http import Receive, Send
from stillopen.backoffice.sync_api.hub import Hub, Stream
from stillopen.domain.errors import DomainError
from stillopen.sync import proof

HEARTBEAT = 2.0  # seconds

_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"text/event-stream"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),  # asks a proxy not to collect the events
    ],
}


def check(header: str) -> Stream:
    """The stream that ``header`` may open. Runs in a thread. Raises :class:`Refused` 401.

    A register whose cursors, as it last said, are not at the heads is poked at once: a publication may
    have come between its last exchange and this moment.
    """
    name, _, rest = header.partition(":")
    signature, _, nonce = rest.partition(":")
    register = _find(name)
    key = bytes(register.public_key or b"")
    in_force = bytes(register.nonce or b"")
    if register.state != Register.State.ACTIVE or not in_force or unhex(nonce) != in_force:
        raise _refused()
    if not proof.verify(key, unhex(signature), proof.POKE, in_force, b""):
        raise _refused()
    scopes = scopes_of(str(register.store_id), str(register.id))
    heads = dict(
        Head.objects.filter(account_id=register.account_id, scope__in=scopes).values_list(
            "scope", "seq"
        )
    )
    stream = Stream(
        account=str(register.account_id),
        register=str(register.id),
        public_key=key,
        heads={scope: heads.get(scope, 0) for scope in scopes},
    )
    if any(register.cursors.get(scope, 0) != seq for scope, seq in heads.items()):
        stream.events.put_nowait("poke")
    return stream


def _find(name: str) -> Register:
    try:
        return Register.objects.get(id=canonical_id(name))
    except (Register.DoesNotExist, DomainError):
        raise _refused() from None


def _refused() -> Refused:
    return Refused(401, "bad_proof", "The stream is not signed with the nonce in force.")


async def stream_events(stream: Stream, hub: Hub, receive: Receive, send: Send) -> None:
    """Serve ``stream`` until the device hangs up, is revoked, or the server ends."""
    hub.add(stream)
    gone = asyncio.create_task(_gone(receive))
    try:
        await send(_START)
        await _event(send, "hb")
        while not gone.done():
            event = await _next(stream)
            if event == "end":
                break
            await _event(send, event)
            if event == "revoked":
                break
        with contextlib.suppress(OSError):
            await send({"type": "http.response.body", "body": b""})
    finally:
        hub.remove(stream)
        gone.cancel()


async def _next(stream: Stream) -> str:
    try:
        return await asyncio.wait_for(stream.events.get(), HEARTBEAT)
    except TimeoutError:
        return "hb"


async def _event(send: Send, name: str) -> None:
    body = f"event: {name}\ndata:\n\n".encode()
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
