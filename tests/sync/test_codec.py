"""Bytes on the wire: what is compressed by contexts that many callers share."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import msgspec

from stillopen.sync.codec import BadMessage, pack, unpack


class Text(msgspec.Struct):
    text: str


def test_threads_that_compress_at_once_do_not_mix_their_messages() -> None:
    messages = [Text(f"{n} " * (300 + 40 * n)) for n in range(200)]
    with ThreadPoolExecutor(8) as pool:
        packed = list(pool.map(pack, messages * 5))
        assert list(pool.map(lambda data: unpack(data, Text), packed)) == messages * 5


def test_a_message_that_cannot_be_unpacked_spoils_none_after_it() -> None:
    data = pack(Text("again and again " * 500))
    for cut in range(20, len(data)):
        with suppress(BadMessage):
            unpack(data[:cut], Text)
        assert unpack(data, Text).text.startswith("again")
