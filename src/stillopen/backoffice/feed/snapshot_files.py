"""Snapshot files: one per account and head, made once, for all its registers; see sync/snapshot.py.

They lie in ``snapshots/`` of the Back Office's folder, or of a folder for temporary files where there is
none; they may be deleted at any time. Everything about a file stands in its name.
"""

import fcntl
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from django.conf import settings

from stillopen.backoffice.feed.snapshot_build import Built, build
from stillopen.sync.snapshot import VERSION

log = logging.getLogger(__name__)

#: Files of an account that are kept: a register may be fetching the one before.
KEPT = 2
#: A file stays good while no more rows than this were published since: they come as pages.
NEWS = 2000
_PATIENCE = 60.0  # seconds that somebody else's building is waited for
_LOOK = 0.05


class File(msgspec.Struct, frozen=True):
    """A file that lies ready, and what its name says."""

    path: Path
    account: str
    epoch: str
    seq: int
    rows: int
    hash: str

    @property
    def size(self) -> int:
        return self.path.stat().st_size


def folder() -> Path:
    """Made where it is missing; only for this user."""
    place: Path | None = settings.DIR
    if place is not None:
        made = place / "snapshots"
    else:
        made = Path(tempfile.gettempdir()) / f"stillopen-snapshots-{os.getuid()}"
    made.mkdir(mode=0o700, exist_ok=True)
    if made.stat().st_uid != os.getuid():
        raise PermissionError(f"{made} belongs to somebody else")
    return made


def files(account: str) -> list[File]:
    """Of ``account`` (canonical), the newest first."""
    found = []
    for path in folder().glob(f"{account}.*.v{VERSION}.zst"):
        _, epoch, seq, rows, digest = path.name.split(".")[:5]
        found.append(File(path, account, epoch, int(seq), int(rows), digest))
    return sorted(found, key=lambda f: f.seq, reverse=True)


def find(account: str, digest: str) -> File | None:
    """The file with this hash, if it is one of ``account``."""
    return next((f for f in files(account) if f.hash == digest), None)


def ready(account: str, epoch: str, head: int) -> File | None:
    """A file that is new enough for a scope that stands at ``head``."""
    return next(
        (f for f in files(account) if f.epoch == epoch and head - NEWS <= f.seq <= head), None
    )


def make(account: str, epoch: str, head: int) -> File | None:
    """A file for ``head`` or later: made now unless somebody does already. None where that takes too long.

    Opens a read-only transaction of its own.
    """
    with _locked(account) as mine:
        found = ready(account, epoch, head)
        if found is not None or not mine:
            return found
        return _build(account)


def _build(account: str) -> File:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=folder(), prefix="building-") as place:
        built = build(account, Path(place))
        name = f"{account}.{built.epoch}.{built.seq}.{built.rows}.{built.hash}.v{VERSION}.zst"
        built.path.replace(folder() / name)
    _remove_old(account)
    log.info("a snapshot of %d rows was made in %.1f s", built.rows, time.monotonic() - began)
    return _file(built, account, folder() / name)


def _file(built: Built, account: str, path: Path) -> File:
    return File(path, account, built.epoch, built.seq, built.rows, built.hash)


def _remove_old(account: str) -> None:
    for old in sorted(files(account), key=lambda f: f.path.stat().st_mtime, reverse=True)[KEPT:]:
        with suppress(FileNotFoundError):
            old.path.unlink()
    for stale in folder().glob(f"{account}.*.zst"):
        if not stale.name.endswith(f".v{VERSION}.zst"):
            stale.unlink(missing_ok=True)


@contextmanager
def _locked(account: str) -> Iterator[bool]:
    """One builder per account on this machine; False when it was waited for in vain."""
    with (folder() / f"{account}.lock").open("w") as file:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    yield False
                    return
                time.sleep(_LOOK)
                continue
            yield True
            return
