"""A slow, long and lossy line, as TCP shows it: little gets through, late, with stalls and black-outs.

All connections share the bandwidth of each direction, first come, first served, in pieces of one segment. A lost
segment is sent again: it takes its share of the line twice, and what its connection sent after it waits for it.
In a black-out nothing moves, and nobody is told. Connecting is the one thing that is quicker than in life: the near
end accepts at once.
"""

import asyncio
import random
import socket
import time

import msgspec

from stillopen.demo.line import Connection, Line

_SEGMENT = 1400  # bytes
_HEADERS = 40  # of TCP and IP, on each segment
#: Seconds of traffic that the slowest hop keeps before it slows the sender down.
_BUFFER = 0.25
_RETRANSMIT = 0.2  # seconds beside the round trip after which a lost segment is sent again
_SMALL_WINDOW = 8192  # bytes that the near end takes in beyond what the line carries


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """``bandwidth`` bytes per second each way; ``delay`` seconds one way; ``loss`` share of the segments; every
    ``blackout_every`` seconds (0: never) a black-out of ``blackout`` seconds."""

    bandwidth: float
    delay: float = 0.0
    loss: float = 0.0
    blackout_every: float = 0.0
    blackout: float = 0.0


#: A mobile line in a cellar: 64 kbit/s, 600 ms round trip, 5 % loss, three seconds of nothing every half minute.
CELLAR = Shape(bandwidth=8000, delay=0.3, loss=0.05, blackout_every=30, blackout=3)


class Way:
    """One direction of the line, shared by all connections."""

    def __init__(self, shape: Shape, rng: random.Random) -> None:
        self.shape, self._rng = shape, rng
        self.bytes = 0  # that went over the line, headers and repeats included
        self._began = self._free_at = time.monotonic()

    def send(self, size: int, not_before: float) -> float:
        """When a segment of ``size`` bytes, sent now, arrives; ``not_before`` the one before it."""
        shape, stall = self.shape, 0.0
        start = self._lit(max(time.monotonic(), self._free_at))
        times = 1
        while self._rng.random() < shape.loss:
            times += 1
            stall += 2 * shape.delay + _RETRANSMIT
        weight = times * (size + _HEADERS)
        self.bytes += weight
        self._free_at = start + weight / shape.bandwidth
        arrival = self._free_at + shape.delay + stall
        lit = self._lit(arrival)
        return max(lit + (_RETRANSMIT if lit > arrival else 0.0), not_before)

    def _lit(self, at: float) -> float:
        """``at``, or the end of the black-out that it falls into."""
        every, dark = self.shape.blackout_every, self.shape.blackout
        if not every:
            return at
        into = (at - self._began) % every
        return at if into < every - dark else at + every - into

    @property
    def backlog(self) -> float:
        """Seconds until what was taken in is on the line."""
        return self._free_at - time.monotonic()


class ShapedLine(Line):
    """Forwards as :class:`Line` does, at the pace of :attr:`shape`; None is a good line."""

    def __init__(
        self,
        target: tuple[str, int],
        host: str = "127.0.0.1",
        port: int = 0,
        shape: Shape | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(target, host, port)
        self._rng = random.Random(seed)
        self.up: Way | None = None
        self.down: Way | None = None
        self.set_shape(shape)

    def set_shape(self, shape: Shape | None) -> None:
        """For what comes from now on; the counts begin at nothing."""
        self.up = Way(shape, self._rng) if shape else None
        self.down = Way(shape, self._rng) if shape else None

    async def start(self) -> None:
        """As the parent's, but the near end takes in little: a sender feels the line and not the memory."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_WINDOW)
        listener.bind((self.host, self.port))
        listener.listen(100)
        self._server = await asyncio.start_server(self._accepted, sock=listener, limit=_SEGMENT)
        self.port = listener.getsockname()[1]

    async def _pump(
        self,
        connection: Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter | None,
    ) -> None:
        way = self.up if writer is connection.far else self.down
        if way is None or writer is None:
            await super()._pump(connection, reader, writer)
            return
        arriving: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        delivering = asyncio.create_task(self._deliver(connection, arriving, writer))
        try:
            await self._take_in(reader, way, arriving)
            await delivering
        finally:
            delivering.cancel()

    async def _take_in(
        self,
        reader: asyncio.StreamReader,
        way: Way,
        arriving: asyncio.Queue[tuple[float, bytes]],
    ) -> None:
        last = 0.0
        while data := await reader.read(_SEGMENT):
            last = way.send(len(data), last)
            arriving.put_nowait((last, data))
            if way.backlog > _BUFFER:
                await asyncio.sleep(way.backlog - _BUFFER)
        arriving.put_nowait((last, b""))

    async def _deliver(
        self,
        connection: Connection,
        arriving: asyncio.Queue[tuple[float, bytes]],
        writer: asyncio.StreamWriter,
    ) -> None:
        while True:
            at, data = await arriving.get()
            await asyncio.sleep(max(at - time.monotonic(), 0.0))
            if connection.dead:
                continue
            if not data:
                writer.write_eof()
                return
            writer.write(data)
            await writer.drain()
