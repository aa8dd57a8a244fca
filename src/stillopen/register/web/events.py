"""``/ui/events``: what the till says to an open page by itself, as server-sent events.

``line``  state of the line, counts, stage, cart version and mark of the goods, whenever they differ from
          the last one; a page compares them with what it shows, so it misses nothing before it listens
``beat``  every two seconds, so that a page notices a till that went silent
"""

import asyncio
import json
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from stillopen.register.till import Till
from stillopen.register.usecases.cart_view import current_cart
from stillopen.register.web.pages.frame import BOOT, cookie_name, stage_of
from stillopen.register.web.view_line import line_parts

_BEAT = 2.0  # seconds
_GATHER = 0.05  # seconds: changes that come together are told together


class Listener:
    """Gathers the till's topics for one open page; may be called from any thread."""

    def __init__(self, till: Till) -> None:
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._topics: set[str] = set()
        self._unsubscribe = till.subscribe(self._hear)

    def _hear(self, topic: str) -> None:
        self._loop.call_soon_threadsafe(self._note, topic)

    def _note(self, topic: str) -> None:
        self._topics.add(topic)
        self._news.set()

    async def wait(self) -> set[str]:
        """The topics since the last call; empty after :data:`_BEAT` seconds of silence."""
        try:
            async with asyncio.timeout(_BEAT):
                await self._news.wait()
        except TimeoutError:
            return set()
        if "stop" not in self._topics:
            await asyncio.sleep(_GATHER)
        self._news.clear()
        topics, self._topics = self._topics, set()
        return topics

    def close(self) -> None:
        self._unsubscribe()


async def events(request: Request) -> Response:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_stream(request), media_type="text/event-stream", headers=headers)


async def _stream(request: Request) -> AsyncIterator[str]:
    till: Till = request.app.state.till
    token = request.cookies.get(cookie_name(request, "session"))
    listener = Listener(till)
    said = ""
    try:
        yield "retry: 500\n\n"
        while True:
            now = json.dumps(_news(till, token))
            if now != said:
                yield f"event: line\ndata: {now}\n\n"
                said = now
            topics = await listener.wait()
            if "stop" in topics:
                return
            if not topics:
                yield "event: beat\ndata: {}\n\n"
    finally:
        listener.close()


def _news(till: Till, token: str | None) -> dict[str, object]:
    stage = stage_of(till, till.session(token))
    selling = stage in ("open", "work")
    return {
        "boot": BOOT,
        "stage": stage,
        "parts": line_parts(till, selling),
        "cart": _cart(till) if stage == "work" else None,
        "goods": till.goods_mark(),
    }


def _cart(till: Till) -> dict[str, object]:
    cart = current_cart(till).cart
    return {"id": cart.id, "version": cart.version}


routes: list[BaseRoute] = [Route("/ui/events", events)]
