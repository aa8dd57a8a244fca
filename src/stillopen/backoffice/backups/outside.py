"""What is kept outside of the database, because a restored database would take it back.

``epoch.json``  which history of the server this is, and the token of the latest start (starts.py)
``undone.ndjson``  one line for each decision that must not be undone unnoticed: a restored database
                forgets that a register was revoked or a person switched off

Both lie in ``settings.STATE_DIR``. Losing them breaks nothing: a swapped database is then noticed by the
registers alone, and a restore report cannot list what was undone (it says so).
"""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import msgspec
from django.conf import settings

log = logging.getLogger(__name__)

EPOCH_FILE = "epoch.json"
LOG_FILE = "undone.ndjson"
LOCK_FILE = "epoch.lock"

#: What a restore must not undo unnoticed.
REVOKED, LICENSED, ACTIVATED = "revoked", "licence", "activated"
SWITCHED_OFF, NEW_PIN = "switched_off", "new_pin"
KINDS = (REVOKED, LICENSED, ACTIVATED, SWITCHED_OFF, NEW_PIN)


class EpochFile(msgspec.Struct, frozen=True, kw_only=True):
    """``place`` names the folder; the database's row of this place bears ``token``, or ``next`` while
    a start was interrupted."""

    place: str
    epoch: str
    token: str
    next: str = ""


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """A decision: ``kind`` of :data:`KINDS`, about ``record`` (a register or a person)."""

    at: datetime
    kind: str
    account: UUID
    record: UUID
    name: str
    by: str = ""
    more: dict[str, str] = {}


def state_folder() -> Path | None:
    """Made if it is missing; None where nothing can be kept."""
    folder: Path | None = settings.STATE_DIR
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        log.warning("%s cannot be made: %s", folder, error.strerror)
        return None
    if not os.access(folder, os.W_OK | os.X_OK):
        log.warning("%s cannot be written to", folder)
        return None
    return folder


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time."""
    number = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)


def read_epoch_file(folder: Path) -> EpochFile | None:
    """None where there is none, or none that can be read."""
    try:
        return msgspec.json.decode((folder / EPOCH_FILE).read_bytes(), type=EpochFile)
    except (OSError, msgspec.DecodeError):
        return None


def write_epoch_file(folder: Path, file: EpochFile) -> None:
    """Whole or not at all, and on the disk."""
    write_durably(folder / EPOCH_FILE, msgspec.json.format(msgspec.json.encode(file)) + b"\n")


def write_durably(path: Path, content: bytes) -> None:
    """Replace ``path``: written beside, flushed, renamed, the folder flushed."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    with os.fdopen(os.open(beside, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def note(
    kind: str,
    account: UUID,
    record: UUID,
    name: str,
    by: str,
    more: dict[str, str] | None = None,
) -> None:
    """Keep a decision, before the transaction that makes it commits. A disk that is full keeps nobody
    from revoking a register: it is logged."""
    folder = state_folder()
    if folder is None:
        return
    happening = Happening(
        at=datetime.now(UTC),
        kind=kind,
        account=account,
        record=record,
        name=name,
        by=by,
        more=more or {},
    )
    try:
        _append(folder / LOG_FILE, msgspec.json.encode(happening) + b"\n")
    except OSError as error:
        log.warning("%s of %s could not be noted in %s: %s", kind, name, folder, error.strerror)


def _append(path: Path, line: bytes) -> None:
    new = not path.exists()
    number = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(number, line)
        os.fsync(number)
    finally:
        os.close(number)
    if new:
        flush_folder(path.parent)


def happenings(since: datetime | None) -> list[Happening] | None:
    """What was decided after ``since`` (None: ever), in order; None where no log is there. A torn last
    line is passed over."""
    folder = state_folder()
    if folder is None or not (folder / LOG_FILE).exists():
        return None
    found = []
    for line in (folder / LOG_FILE).read_bytes().splitlines():
        try:
            happening = msgspec.json.decode(line, type=Happening)
        except msgspec.DecodeError:
            continue
        if since is None or happening.at > since:
            found.append(happening)
    return found
