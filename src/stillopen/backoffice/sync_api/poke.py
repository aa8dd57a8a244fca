"""``GET /sync/v1/poke``: server-sent events for a register. ``hb`` at once and every 2 s, ``poke`` when there is
something to pull, ``revoked`` at the end when the device is no longer welcome.

``GET /sync/v1/poke?wait=SECONDS`` is for a register behind a proxy that holds streams back: one complete answer
with the events that are due, as soon as there are any, or ``hb`` after the wait (at most 30 s).

The header ``Stillopen-Proof: <register>:<hex signature>:<hex nonce>`` signs the nonce in force, so that an
overheard one opens nothing after the next exchange.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs

import django.db
import msgspec

from stillopen.backoffice.feed.pages import scopes_of
from stillopen.backoffice.ingest.limits import canonical_id
from stillopen.backoffice.ingest.receive import TROUBLE
from stillopen.backoffice.ingest.refused import Refused, try_again
from stillopen.backoffice.ingest.sql import canonical, engine
from stillopen.backoffice.sync_api.http import (
    Receive,
    Scope,
    Send,
    in_thread,
    read_proof,
    send_answer,
)
from stillopen.backoffice.sync_api.hub import Hub, Stream
from stillopen.backoffice.sync_api.watch import Ticket
from stillopen.domain.errors import DomainError
from stillopen.sync import proof
from stillopen.sync.live import live_scopes

_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # a proxy that buffers would hold the heartbeat back
]
_START = {"type": "http.response.start", "status": 200, "headers": _HEADERS}
_END = {"type": "http.response.body", "body": b""}


#: Seconds that a long-poll is held at most: proxies give up on silent answers after a minute.
MAX_WAIT = 30.0


class PokeStream:
    """The ASGI handler; all streams of the process share one :class:`Hub`."""

    def __init__(self, hub: Hub, pool: ThreadPoolExecutor) -> None:
        self._hub, self._pool = hub, pool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wait = read_wait(scope)
        register, signature, nonce = read_proof(scope)
        ticket = await in_thread(self._pool, lambda: admit(register, signature, nonce))
        stream = self._hub.join(ticket, beating=wait is None)
        hung_up = asyncio.ensure_future(_hung_up(receive))
        hung_up.add_done_callback(lambda _: stream.end())
        try:
            if wait is None:
                await _stream(stream, send)
            else:
                await _answer_once(stream, wait, send)
        finally:
            self._hub.leave(stream)
            hung_up.cancel()


async def _stream(stream: Stream, send: Send) -> None:
    await send(_START)
    while events := await stream.due():
        await send({"type": "http.response.body", "body": _frames(events), "more_body": True})
    await send(_END)


async def _answer_once(stream: Stream, wait: float, send: Send) -> None:
    try:
        async with asyncio.timeout(wait):
            events = await stream.due()
    except TimeoutError:
        events = []
    await send_answer(send, 200, _frames(events or ["hb"]), b"text/event-stream")


def _frames(events: Sequence[str]) -> bytes:
    return "".join(f"event: {event}\ndata:\n\n" for event in events).encode()


def read_wait(scope: Scope) -> float | None:
    """Seconds of a long-poll; None where a stream is asked for. ``Refused 400 bad_request``."""
    told = parse_qs(scope["query_string"].decode("latin-1")).get("wait")
    if told is None:
        return None
    try:
        wait = float(told[-1])
    except ValueError:
        wait = -1.0
    if not 0 <= wait < float("inf"):
        raise Refused(400, "bad_request", "The wait of a long-poll is a number of seconds.")
    return min(wait, MAX_WAIT)


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def admit(
    register_id: str,
    signature: bytes,
    nonce: bytes,
    purpose: bytes = proof.POKE,
    subject: bytes = b"",
) -> Ticket:
    """The register that signed ``subject`` for ``purpose`` with the nonce in force.

    ``Refused`` 401: ``unknown_register``, ``bad_proof``, ``revoked``, ``stale_nonce``.
    """
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
    if not proof.verify(bytes(key), signature, purpose, nonce, subject):
        raise Refused(401, "bad_proof", "The signature is not that of this register's device.")
    if state != "active":
        raise Refused(401, "revoked", "This register was revoked.")
    if not held or bytes(held) != nonce:
        raise Refused(401, "stale_nonce", "Another exchange came between; sign its nonce.")
    account, store = canonical(account), canonical(store)
    said = _seqs(cursors)
    seqs = {scope: said.get(scope, 0) for scope in scopes_of(store, register)}
    live = [said[scope] for scope in live_scopes(store) if scope in said]
    return Ticket(register, account, bytes(key), seqs, sum(live) if live else None)


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
