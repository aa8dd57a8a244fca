"""HTTP to the Back Office: exchanges, probes, the poke stream, and what a failure means."""

import errno
import socket
import ssl
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import certifi
import httpx

from stillopen.register.syncer.engine import Prepared
from stillopen.sync.codec import CONTENT_TYPE
from stillopen.sync.link import Cause
from stillopen.sync.proof import HEADER

_NO_NETWORK = {errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL}
#: A connection that says nothing for this long is given up (seconds); the heartbeat notices sooner.
_READ_TIMEOUT = 60.0
_PROBE_TIMEOUT = 5.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")


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


class Wire:
    """Connections to one Back Office. Exchanges and the stream share kept connections, which
    :meth:`renew` throws away; each probe makes its own, so that it tests the line and not a leftover."""

    def __init__(self, base_url: str) -> None:
        self._base = base_url
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
        old, self._client = self._client, self._make(httpx.Limits(max_keepalive_connections=4))
        await old.aclose()

    async def close(self) -> None:
        await self._client.aclose()
        await self._prober.aclose()

    async def exchange(self, prepared: Prepared) -> bytes:
        """Post one exchange and return the answer's bytes; :class:`WireError` otherwise."""
        try:
            answer = await self._client.post(
                "/sync/v1/exchange",
                content=prepared.body,
                headers={HEADER: prepared.proof, "Content-Type": CONTENT_TYPE},
            )
        except httpx.HTTPError as error:
            raise WireError(cause_of(error)) from error
        self._check(answer)
        return answer.content

    async def probe(self) -> None:
        """Whether the Back Office answers at all; cheap, on a connection of its own."""
        try:
            answer = await self._prober.get("/sync/v1/ping", timeout=_PROBE_TIMEOUT)
        except httpx.HTTPError as error:
            raise WireError(cause_of(error)) from error
        self._check(answer)

    async def pokes(self, proof: str) -> AsyncIterator[str]:
        """The names of the stream's events as they come, heartbeats among them."""
        try:
            async with self._client.stream(
                "GET", "/sync/v1/poke", headers={HEADER: proof}, timeout=httpx.Timeout(10.0)
            ) as answer:
                self._check(answer)
                async for line in answer.aiter_lines():
                    if line.startswith("event:"):
                        yield line[6:].strip()
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


def _seconds(retry_after: str) -> float | None:
    return float(retry_after) if retry_after.isdigit() else None
