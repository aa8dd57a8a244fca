"""``GET /sync/v1/snapshot/<hash>``: a snapshot file, in ranges, for the devices of its account only.

The header ``Stillopen-Proof: <register>:<hex signature>:<hex nonce>`` signs the hash with the nonce in force.
At most :data:`PART` bytes come per answer (206), so that a register that is revoked meanwhile gets no more.
"""

import re
from concurrent.futures import ThreadPoolExecutor

from stillopen.backoffice.feed.snapshot_files import find
from stillopen.backoffice.ingest.refused import Refused
from stillopen.backoffice.sync_api.http import (
    PREFIX,
    Receive,
    Scope,
    Send,
    header,
    in_thread,
    read_proof,
    send_answer,
)
from stillopen.backoffice.sync_api.poke import admit
from stillopen.sync import proof
from stillopen.sync.snapshot import is_hash

PART = 4 * 1024 * 1024
_TYPE = b"application/zstd"
_RANGE = re.compile(rb"bytes=(\d{1,15})-(\d{0,15})")


class SnapshotFiles:
    """The ASGI handler."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path"].removeprefix(PREFIX + "snapshot/")
        register, signature, nonce = read_proof(scope)
        first, last = read_range(header(scope, b"range"))
        body, size = await in_thread(
            self._pool, lambda: read_part(register, signature, nonce, name, first, last)
        )
        end = first + len(body) - 1
        extra = [
            (b"content-range", f"bytes {first}-{end}/{size}".encode()),
            (b"accept-ranges", b"bytes"),
        ]
        await send_answer(send, 206, body, _TYPE, extra)


def read_range(said: bytes) -> tuple[int, int]:
    """First and last byte that are asked for, at most :data:`PART`; ``Refused 400 bad_request``."""
    match = _RANGE.fullmatch(said or b"bytes=0-")
    if match is None:
        raise Refused(400, "bad_request", "The range must be of the form bytes=FIRST-LAST.")
    first = int(match[1])
    last = int(match[2]) if match[2] else first + PART - 1
    return first, min(last, first + PART - 1)


def read_part(
    register: str, signature: bytes, nonce: bytes, name: str, first: int, last: int
) -> tuple[bytes, int]:
    """The bytes and the size of the whole file.

    ``Refused`` 401 as for the poke stream; 404 ``not_found`` where the account has no such file; 416.
    """
    ticket = admit(register, signature, nonce, proof.SNAPSHOT, name.encode())
    file = find(ticket.account, name) if is_hash(name) else None
    if file is None:
        raise _gone()
    try:
        with file.path.open("rb") as opened:
            size = file.size
            opened.seek(first)
            body = opened.read(max(last - first + 1, 0)) if first < size else b""
    except FileNotFoundError:
        raise _gone() from None
    if not body:
        raise Refused(416, "bad_range", f"The file has {size} bytes.")
    return body, size


def _gone() -> Refused:
    return Refused(404, "not_found", "This snapshot is not, or no longer, there; pull again.")
