"""HTTP to the Back Office: exchanges, probes, the poke stream, and what a failure means."""

import errno
import fcntl
import socket
import ssl
import struct
import termios
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import certifi
import httpx
import msgspec

from stillopen.register.asking import MAX_SHORT, TooLong, read_short
from stillopen.register.syncer.engine import Prepared
from stillopen.sync.codec import CONTENT_TYPE, MAX_MESSAGE
from stillopen.sync.link import Cause
from stillopen.sync.proof import HEADER
from stillopen.sync.quality import Timing

_NO_NETWORK = {errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL}
#: A connection that says nothing for this long is given up (seconds); the heartbeat notices sooner.
_READ_TIMEOUT = 60.0
_PROBE_TIMEOUT = 5.0
_PIECE = 256 * 1024  # of a snapshot file, written at a time
LOOPBACK = ("127.0.0.1", "localhost", "::1")
#: Of an HTTP message besides its body, about.
_HEAD = 400
#: No answer to an exchange is longer: packed it is at most a little larger than what it unpacks to. Of those of
#: any other kind register/asking.py says how long they are.
_MAX_ANSWER = MAX_MESSAGE + 1024 * 1024
_PULSE = 256  # bytes; what drips more slowly than this in some seconds is no line


class WireError(Exception):
    """The request ended without a usable answer. ``answered``: something at the other end did answer."""

    def __init__(
        self, cause: Cause, answered: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(cause.value)
        self.cause = cause
        self.answered = answered
        self.retry_after = retry_after


def cause_of(error: BaseException) -> Cause:
    """The reason at the bottom of an HTTP client's error."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, socket.gaierror):
            return Cause.DNS
        if isinstance(seen, ssl.SSLError):
            return Cause.TLS
        if isinstance(seen, OSError) and seen.errno in _NO_NETWORK:
            return Cause.NO_NETWORK
        seen = seen.__cause__ or seen.__context__
    return Cause.TIMEOUT if isinstance(error, httpx.TimeoutException) else Cause.UNREACHABLE


class Answered(msgspec.Struct, frozen=True):
    """The bytes of an answer, and how long they took on a connection that was there already."""

    body: bytes
    timing: Timing


class Wire:
    """Connections to one Back Office. Exchanges and the stream share kept connections, which
    :meth:`renew` throws away; each probe makes its own, so that it tests the line and not a leftover."""

    def __init__(self, base_url: str) -> None:
        self._base = self.address = base_url
        #: Called with every :data:`_PULSE` bytes that come in: a slow download is a sign of life.
        self.moved: Callable[[], None] = lambda: None
        self._sockets: set[socket.socket] = set()  # of the kept connections
        self._unsent = 0
        # Loopback is never reached through a proxy, whatever the environment says.
        self._trust_env = urlsplit(base_url).hostname not in LOOPBACK
        self._tls = ssl.create_default_context(cafile=certifi.where())
        self._client = self._make(httpx.Limits(max_keepalive_connections=4))
        self._prober = self._make(httpx.Limits(max_keepalive_connections=0))

    def _make(self, limits: httpx.Limits) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self._base,
            verify=self._tls,
            trust_env=self._trust_env,
            limits=limits,
            timeout=httpx.Timeout(_READ_TIMEOUT, connect=10.0),
        )

    async def renew(self) -> None:
        """Forget connections that may have died in silence."""
        self._sockets = set()
        old, self._client = self._client, self._make(httpx.Limits(max_keepalive_connections=4))
        await old.aclose()

    async def close(self) -> None:
        await self._client.aclose()
        await self._prober.aclose()

    async def exchange(self, prepared: Prepared) -> Answered:
        """Post one exchange; :class:`WireError` where there is no usable answer."""
        began = time.monotonic()

        async def note(event: str, info: Any) -> None:
            """Making the connection is not part of the time; its socket is looked at (:meth:`is_sending`)."""
            nonlocal began
            if event == "http11.send_request_headers.started":
                began = time.monotonic()
            elif event == "connection.connect_tcp.complete":
                self._sockets.add(info["return_value"].get_extra_info("socket"))

        try:
            async with self._client.stream(
                "POST",
                "/sync/v1/exchange",
                content=prepared.body,
                headers={HEADER: prepared.proof, "Content-Type": CONTENT_TYPE},
                extensions={"trace": note},
            ) as answer:
                first = time.monotonic() - began
                body = await self._read(answer)
                whole = time.monotonic() - began
        except httpx.HTTPError as error:
            raise WireError(cause_of(error)) from error
        self._check(answer)
        sent, received = len(prepared.body) + _HEAD, answer.num_bytes_downloaded
        return Answered(body, Timing(sent, received, first, whole))

    async def _read(self, answer: httpx.Response) -> bytes:
        parts, size, seen = [], 0, 0
        async for part in answer.aiter_bytes():
            parts.append(part)
            size += len(part)
            if size - seen >= _PULSE:
                seen = size
                self.moved()
            if size > _MAX_ANSWER:
                raise WireError(Cause.NONSENSE, answered=True)
        return b"".join(parts)

    def is_sending(self) -> bool:
        """Whether the other end took in bytes of ours since the last call, and there are more: a slow upload is
        a sign of life. The last of a request is none, which whatever stands before a dead line takes in, too."""
        before, self._unsent = self._unsent, sum(_unsent(s) for s in self._sockets)
        self._sockets = {s for s in self._sockets if s.fileno() >= 0}
        return 0 < self._unsent < before

    async def probe(self) -> float:
        """Whether the Back Office answers at all; cheap, on a connection of its own. Returns the seconds of
        the round trip, without those of the connecting."""
        began = time.monotonic()

        async def note(event: str, info: Any) -> None:
            nonlocal began
            if event == "http11.send_request_headers.started":
                began = time.monotonic()

        try:
            async with self._prober.stream(
                "GET", "/sync/v1/ping", timeout=_PROBE_TIMEOUT, extensions={"trace": note}
            ) as answer:
                await _read_short(answer)
        except httpx.HTTPError as error:
            raise WireError(cause_of(error)) from error
        self._check(answer)
        return time.monotonic() - began

    async def poll(self, proof: str, wait: float) -> list[str]:
        """The events that are due within ``wait`` seconds, or a heartbeat, in one answer."""
        try:
            async with self._client.stream(
                "GET",
                "/sync/v1/poke",
                params={"wait": f"{wait:.2f}"},
                headers={HEADER: proof},
                timeout=httpx.Timeout(wait + 10.0),
            ) as answer:
                body = await _read_short(answer)
        except httpx.HTTPError as error:
            raise WireError(cause_of(error)) from error
        self._check(answer)
        return [event for line in body.splitlines() if (event := _event(line))]

    async def pokes(self, proof: str) -> AsyncGenerator[str, None]:
        """The names of the stream's events as they come, heartbeats among them. How long silence is borne
        is for whoever listens to say."""
        patience = httpx.Timeout(10.0, read=None)
        try:
            async with self._client.stream(
                "GET", "/sync/v1/poke", headers={HEADER: proof}, timeout=patience
            ) as answer:
                self._check(answer)
                rest = b""
                async for part in answer.aiter_bytes():
                    *lines, rest = (rest + part).split(b"\n")
                    if len(rest) > MAX_SHORT:
                        raise WireError(Cause.NONSENSE, answered=True)
                    for line in lines:
                        if event := _event(line):
                            yield event
        except httpx.HTTPError as error:
            raise WireError(cause_of(error)) from error

    async def snapshot(self, name: str, proof: str, first: int, count: int) -> AsyncIterator[bytes]:
        """Bytes ``first`` … of the snapshot file ``name``, at most ``count``, as they come."""
        headers = {HEADER: proof, "Range": f"bytes={first}-{first + count - 1}"}
        try:
            async with self._client.stream(
                "GET", f"/sync/v1/snapshot/{name}", headers=headers
            ) as answer:
                if answer.status_code != httpx.codes.PARTIAL_CONTENT:
                    self._check(answer)
                    raise WireError(Cause.NONSENSE, answered=True)
                async for piece in answer.aiter_raw(_PIECE):
                    yield piece
        except httpx.HTTPError as error:
            raise WireError(cause_of(error)) from error

    def _check(self, answer: httpx.Response) -> None:
        if answer.status_code == httpx.codes.OK:
            return
        if answer.status_code in (401, 403):
            raise WireError(Cause.REFUSED_DEVICE, answered=True)
        if answer.status_code == 429 or answer.status_code >= 500:
            raise WireError(
                Cause.SERVER_ERROR, True, _seconds(answer.headers.get("Retry-After", ""))
            )
        raise WireError(Cause.NONSENSE, answered=True)


async def _read_short(answer: httpx.Response) -> bytes:
    try:
        return await read_short(answer)
    except TooLong:
        raise WireError(Cause.NONSENSE, answered=True) from None


def _event(line: bytes) -> str:
    """Of a line of a stream that names one; else nothing."""
    return line[6:].strip().decode(errors="replace") if line.startswith(b"event:") else ""


def _unsent(connection: socket.socket) -> int:
    """Bytes that the other end has not confirmed yet; 0 where the system does not tell."""
    try:
        return int(struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))[0])
    except (OSError, ValueError):
        return 0


def _seconds(retry_after: str) -> float | None:
    return float(retry_after) if retry_after.isdecimal() else None
