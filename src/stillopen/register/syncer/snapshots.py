"""Fetching a snapshot file in parts, beside the exchanges, and making it the base of the catalogue.

What has come stays in ``snapshot-<hash>.part``: a cut download goes on where it stopped, also after a
restart. A file that is not what its hash says is thrown away, and pages must do.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

import zstandard

from stillopen.register.store.catalogue import Catalogue
from stillopen.register.store.catalogue_files import can_link
from stillopen.register.store.disk import RESERVE, free_bytes
from stillopen.register.syncer.engine import Engine
from stillopen.register.syncer.wire import Wire, WireError
from stillopen.sync.link import Cause
from stillopen.sync.messages import SnapshotOffer
from stillopen.sync.snapshot import FORMAT, is_hash

_log = logging.getLogger(__name__)

#: That this register can take.
FORMATS = (FORMAT,)
#: Asked for at a time; a register that was revoked meanwhile gets no further one.
PART = 4 * 1024 * 1024
RETRY = 0.5  # seconds
_LOOK = 0.1  # seconds from one look whether an exchange is over to the next
_PIECE = 1024 * 1024
#: The file may grow by this much while it is completed.
_GROWTH = 1.25

#: (first byte, bytes) → what comes of it, piece by piece; may end early, or raise.
Read = Callable[[int, int], AsyncIterator[bytes]]


class BadSnapshot(Exception):
    """The file is not what was offered, or there is no room for it."""


class Download:
    """Of one offer, into ``folder``. :meth:`run` may be called again after it raised what ``read`` does."""

    def __init__(self, offer: SnapshotOffer, folder: Path) -> None:
        if not is_hash(offer.hash) or offer.format not in FORMATS or offer.size <= 0:
            raise BadSnapshot("an offer that this register cannot take")
        self.offer = offer
        self.path = folder / f"snapshot-{offer.hash}.part"
        for other in folder.glob("snapshot-*.part"):
            if other != self.path:
                other.unlink(missing_ok=True)

    @property
    def have(self) -> int:
        """Bytes that are here."""
        return self.path.stat().st_size if self.path.exists() else 0

    async def run(self, read: Read, progress: Callable[[int], None]) -> None:
        """Fetch what is missing; ``progress`` hears how many bytes are here. :class:`BadSnapshot`."""
        if self.have > self.offer.size:
            self.path.unlink()
        while (have := self.have) < self.offer.size:
            _require_room(self.path.parent, self.offer.size - have)
            with self.path.open("ab") as file:
                async for piece in read(have, min(PART, self.offer.size - have)):
                    await asyncio.to_thread(_append, file, piece)
                    have += len(piece)
                    progress(have)
            if self.have == 0 or have > self.offer.size:
                raise BadSnapshot("the file is not as long as it was said to be")
        await asyncio.to_thread(self._check)

    def _check(self) -> None:
        digest = blake2b(digest_size=32)
        with self.path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
        if digest.hexdigest() != self.offer.hash:
            self.path.unlink()
            raise BadSnapshot("the file is not what its hash says")

    def unpack(self, target: Path) -> None:
        """Write the database to ``target``; :class:`BadSnapshot`."""
        try:
            with self.path.open("rb") as source:
                size = zstandard.frame_content_size(source.read(32))
                _require_room(target.parent, int(max(size, 0) * _GROWTH))
                source.seek(0)
                with target.open("wb") as file:
                    _unpack(source, file, size)
        except (zstandard.ZstdError, OSError, BadSnapshot) as error:
            target.unlink(missing_ok=True)
            raise BadSnapshot(str(error)) from error

    def done(self) -> None:
        self.path.unlink(missing_ok=True)


class Fetcher:
    """Carries out an engine's offer. ``speak`` makes the syncer exchange at once."""

    def __init__(self, folder: Path, catalogue: Catalogue, speak: Callable[[], None]) -> None:
        self._folder, self._catalogue, self._speak = folder, catalogue, speak
        self._misses = 0  # in a row: files that were offered and are not there
        self.formats = FORMATS if can_link(folder) else ()

    async def fetch(self, engine: Engine, wire: Callable[[], Wire]) -> None:
        """Until the file is the catalogue's base, or it is clear that pages must do. Waits out a dead line."""
        if engine.offer is None:
            return
        try:
            download = Download(engine.offer, self._folder)
            while not (engine.state.revoked or engine.state.strange):
                if await self._try(download, engine, wire):
                    break
                await asyncio.sleep(RETRY)
        except BadSnapshot as error:
            _log.warning("the snapshot cannot be used: %s", error)
            engine.took_snapshot(False)
        self._speak()

    async def _try(self, download: Download, engine: Engine, wire: Callable[[], Wire]) -> bool:
        """Whether it is over, one way or the other."""
        offer = download.offer
        signed = b""

        async def read(first: int, count: int) -> AsyncIterator[bytes]:
            nonlocal signed
            # An exchange under way is about to change the nonce; what was signed with the one before it is refused.
            while engine.state.in_flight:
                await asyncio.sleep(_LOOK)
            signed = engine.state.nonce
            proof = engine.snapshot_proof(offer.hash)
            async for piece in wire().snapshot(offer.hash, proof, first, count):
                yield piece

        def progress(have: int) -> None:
            engine.staged = offer.rows * have // offer.size
            engine.incoming = offer.rows - engine.staged

        try:
            await download.run(read, progress)
        except WireError as error:
            return self._failed(engine, error, nonce_moved=signed != engine.state.nonce)
        taken = await asyncio.to_thread(take, download, self._catalogue)
        self._misses = 0
        engine.took_snapshot(taken)
        return True

    def _failed(self, engine: Engine, error: WireError, nonce_moved: bool) -> bool:
        if error.cause is Cause.REFUSED_DEVICE and not nonce_moved:
            self._speak()  # the Back Office knows another nonce, or the device is no longer welcome
        if error.cause is not Cause.NONSENSE:
            return False
        self._misses += 1
        if self._misses > 1:
            engine.took_snapshot(False)
        else:
            engine.leave_offer()
        return True


def take(download: Download, catalogue: Catalogue) -> bool:
    """Make the complete file the base of ``catalogue``; False (and it is gone) where that cannot be."""
    offer = download.offer
    target = catalogue.base_path(offer.hash[:12])
    try:
        download.unpack(target)
    except BadSnapshot as error:
        _log.warning("the snapshot cannot be used: %s", error)
        return False
    finally:
        download.done()
    return catalogue.take_base(target, offer.head, offer.server_epoch)


def _append(file: BinaryIO, piece: bytes) -> None:
    file.write(piece)
    file.flush()


def _unpack(source: BinaryIO, file: BinaryIO, size: int) -> None:
    """Not flushed: :func:`catalogue_files.settle` does that, and until then a restart throws it away."""
    written = 0
    for piece in zstandard.ZstdDecompressor().read_to_iter(source, write_size=_PIECE):
        written += len(piece)
        if written > size:
            raise BadSnapshot("the file is longer than it was said to be")
        file.write(piece)
    if written != size:
        raise BadSnapshot("the file is shorter than it was said to be")


def _require_room(folder: Path, size: int) -> None:
    if free_bytes(folder) < size + RESERVE:
        raise BadSnapshot("there is no room for it on the disk")
