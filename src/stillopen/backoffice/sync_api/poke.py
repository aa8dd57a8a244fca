"""``GET /sync/v1/poke``: server-sent events for a register. ``hb`` at once and every 2 s, ``poke`` when there is
something to pull, ``revoked`` at the end when the device is no longer welcome.

The header ``Stillopen-Proof: <register>:<hex signature>:<hex nonce>`` signs the nonce in force, so that an
overheard one opens nothing after the next exchange.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import django.db
import msgspec

from stillopen.backoffice.feed.pages import scopes_of
from stillopen.backoffice.ingest.limits import canonical_id
from stillopen.backoffice.ingest.receive import TROUBLE
from stillopen.backoffice.ingest.refused import Refused, try_again
from stillopen.backoffice.ingest.sql import canonical, engine
from stillopen.backoffice.sync_api.http import Receive, Scope, Send, in_thread, read_proof
from stillopen.backoffice.sync_api.hub import Hub, Ticket
from stillopen.domain.errors import DomainError
from stillopen.sync import proof

_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # a proxy that buffers would hold the heartbeat back
]
_START = {"type": "http.response.start", "status": 200, "headers": _HEADERS}
_END = {"type": "http.response.body", "body": b""}


class PokeStream:
    """The ASGI handler; all streams of the process share one :class:`Hub`."""

    def __init__(self, hub: Hub, pool: ThreadPoolExecutor) -> None:
        self._hub, self._pool = hub, pool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        register, signature, nonce = read_proof(scope)
        ticket = await in_thread(self._pool, lambda: admit(register, signature, nonce))
        stream = self._hub.join(ticket)
        hung_up = asyncio.ensure_future(_hung_up(receive))
        hung_up.add_done_callback(lambda _: stream.end())
        try:
            await send(_START)
            while events := await stream.due():
                body = "".join(f"event: {event}\ndata:\n\n" for event in events).encode()
                await send({"type": "http.response.body", "body": body, "more_body": True})
            await send(_END)
        finally:
            self._hub.leave(stream)
            hung_up.cancel()


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def admit(register_id: str, signature: bytes, nonce: bytes) -> Ticket:
    """``Refused`` 401: ``unknown_register``, ``bad_proof``, ``revoked``, ``stale_nonce``."""
    try:
        register = canonical_id(register_id)
        row = _row(register)
    except DomainError:
        row = None
    except TROUBLE as error:
        raise try_again() from error
    if row is None or row[3] is None:
        raise Refused(401, "unknown_register", "This register is not known here.")
    account, store, state, key, held, cursors = row
    if not proof.verify(bytes(key), signature, proof.POKE, nonce, b""):
        raise Refused(401, "bad_proof", "The signature is not that of this register's device.")
    if state != "active":
        raise Refused(401, "revoked", "This register was revoked.")
    if not held or bytes(held) != nonce:
        raise Refused(401, "stale_nonce", "Another exchange came between; sign its nonce.")
    account, store = canonical(account), canonical(store)
    said = _seqs(cursors)
    seqs = {scope: said.get(scope, 0) for scope in scopes_of(store, register)}
    return Ticket(register, account, bytes(key), seqs)


def _row(register: str) -> Any:
    with django.db.connection.cursor() as cursor:
        cursor.execute(
            """SELECT account_id, store_id, state, public_key, nonce, cursors
            FROM devices_register WHERE id = %s""",
            (engine().uid(register),),
        )
        return cursor.fetchone()


def _seqs(cursors: object) -> dict[str, int]:
    """JSON as either engine returns it."""
    if isinstance(cursors, str | bytes):
        return msgspec.json.decode(cursors, type=dict[str, int])
    return dict(cursors) if isinstance(cursors, dict) else {}
