"""A question to the Back Office beside the syncer. What answers may be anything, and may never end."""

import asyncio

import httpx
import msgspec

from stillopen.sync.codec import CONTENT_TYPE

TIMEOUT = 15.0  # seconds of silence
#: Seconds for all of it: what comes byte by byte is no answer either.
WITHIN = 30.0
#: What goes on beyond is no Back Office, and must not fill the till's memory.
MAX_SHORT = 64 * 1024


class NoAnswer(Exception):
    """Nothing came, or not all of it in time."""


class TooLong(Exception):
    """What answers is no Back Office."""


class Short(msgspec.Struct, frozen=True):
    status: int
    content: bytes


async def ask(url: str, content: bytes, loopback: bool, **headers: str) -> Short:
    """Post ``content`` to ``url``. Loopback is never reached through a proxy. Raises the two above."""
    try:
        async with (
            asyncio.timeout(WITHIN),
            httpx.AsyncClient(timeout=TIMEOUT, trust_env=not loopback) as client,
            client.stream(
                "POST", url, content=content, headers={"Content-Type": CONTENT_TYPE} | headers
            ) as answer,
        ):
            return Short(answer.status_code, await read_short(answer))
    except (httpx.HTTPError, TimeoutError) as error:
        raise NoAnswer(type(error).__name__) from error


async def read_short(answer: httpx.Response) -> bytes:
    """The whole body; :class:`TooLong` beyond :data:`MAX_SHORT` bytes."""
    body = b""
    async for part in answer.aiter_bytes():
        body += part
        if len(body) > MAX_SHORT:
            raise TooLong
    return body
