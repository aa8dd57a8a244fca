"""Bytes on the wire: MessagePack, zstd above a size, and a bound on what is unpacked."""

from typing import TypeVar

import msgspec
import zstandard

T = TypeVar("T")

#: No message may unpack to more than this many bytes.
MAX_MESSAGE = 32 * 1024 * 1024
_COMPRESS_ABOVE = 512
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"

CONTENT_TYPE = "application/vnd.stillopen+msgpack"


#: Those at rest: making one takes four times as long as using it. A context is one caller's while it works
#: (taking from a list and adding to one is safe between threads), and thrown away when its work fails.
_compressors: list[zstandard.ZstdCompressor] = []
_decompressors: list[zstandard.ZstdDecompressor] = []


class BadMessage(Exception):
    """The bytes are no message of this protocol: cut off, garbled, or something else entirely."""


def pack(message: msgspec.Struct) -> bytes:
    """Encode, and compress when that pays."""
    data = msgspec.msgpack.encode(message)
    if len(data) <= _COMPRESS_ABOVE:
        return data
    return _compress(data)


def unpack(data: bytes, kind: type[T]) -> T:
    """Decode into ``kind``; :class:`BadMessage` for anything that is not one."""
    try:
        if data[:4] == _ZSTD_MAGIC:
            data = _decompress(data)
        return msgspec.msgpack.decode(data, type=kind)
    except (zstandard.ZstdError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadMessage(f"not a {kind.__name__}: {error}") from error


def _compress(data: bytes) -> bytes:
    try:
        compressor = _compressors.pop()
    except IndexError:
        compressor = zstandard.ZstdCompressor(level=3)
    packed = compressor.compress(data)
    _compressors.append(compressor)
    return packed


def _decompress(data: bytes) -> bytes:
    size = zstandard.frame_content_size(data)
    if not 0 <= size <= MAX_MESSAGE:
        raise BadMessage(f"a message of {size} bytes is out of bounds")
    try:
        decompressor = _decompressors.pop()
    except IndexError:
        decompressor = zstandard.ZstdDecompressor()
    unpacked = decompressor.decompress(data, max_output_size=MAX_MESSAGE)
    _decompressors.append(decompressor)
    return unpacked
