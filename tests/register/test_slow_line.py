"""A line that is slow, long and lossy: the shaper itself, and a register behind it."""

import asyncio
import time
from pathlib import Path

import pytest

from stillopen.demo.shaper import Shape, ShapedLine
from stillopen.register.linkview import LineState
from tests.register.test_syncer import bench


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1000):
        writer.write(data)
    writer.close()


async def _through(shape: Shape, data: bytes) -> tuple[bytes, float]:
    """``data`` sent through the line and back, and the seconds that took."""
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    line = ShapedLine(("127.0.0.1", server.sockets[0].getsockname()[1]), shape=shape, seed=7)
    await line.start()
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", line.port)
    writer.write(data)
    back = await reader.readexactly(len(data))
    took = time.monotonic() - began
    writer.close()
    await line.close()
    server.close()
    return back, took


def test_the_shaper_carries_every_byte_in_order_at_its_pace() -> None:
    data = bytes(range(256)) * 100
    back, took = asyncio.run(_through(Shape(bandwidth=40_000, delay=0.1, loss=0.05), data))
    assert back == data
    assert 0.64 + 0.2 <= took < 4  # both directions are under way at the same time


def test_in_a_black_out_nothing_moves() -> None:
    shape = Shape(bandwidth=1_000_000, blackout_every=1000.0, blackout=999.6)
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(_late(shape), 1.2))


async def _late(shape: Shape) -> None:
    await _through(Shape(bandwidth=1_000_000), b"at once")
    await asyncio.sleep(0)
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    line = ShapedLine(("127.0.0.1", server.sockets[0].getsockname()[1]), shape=shape)
    await line.start()
    await asyncio.sleep(0.5)
    reader, writer = await asyncio.open_connection("127.0.0.1", line.port)
    writer.write(b"never")
    try:
        await reader.read(1)
    finally:
        writer.close()
        await line.close()
        server.close()


@pytest.mark.serial
def test_a_long_queue_goes_up_a_slow_line_without_a_false_offline(tmp_path: Path) -> None:
    shape = Shape(bandwidth=8000, delay=0.3, loss=0.05)

    async def story() -> None:
        async with bench(tmp_path, ShapedLine) as b:
            assert isinstance(b.line, ShapedLine)
            b.cloud.heartbeat = 2.0
            await b.synced()
            b.line.cut()
            b.act(300)
            await b.until(lambda: b.state is LineState.OFFLINE, 6)
            b.line.set_shape(shape)
            await b.line.mend()
            await b.until(lambda: b.state is LineState.CONNECTED, 6)
            seen: list[LineState] = []
            b.till.subscribe(lambda topic: seen.append(b.state))
            await b.until(lambda: b.till.journal.sending.unsent().count == 0, 30)
            assert LineState.OFFLINE not in seen
            quality = b.till.link.quality
            assert quality.is_slow
            assert quality.round_trip is not None and 0.5 < quality.round_trip < 1.2
            assert quality.up is not None and 4_000 < quality.up < 12_000
            sent = [e.seq for e in b.cloud.server.entries]
            assert sent == list(range(1, b.till.journal.head().seq + 1)), "lost or doubled"

    asyncio.run(asyncio.wait_for(story(), 60))
