"""The manifest beside each backup: what it is a copy of, and how to tell that it is whole.

A copy without its manifest is no backup: the manifest is written last. Needs no Django.
"""

from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from stillopen.domain.errors import DomainError

FORMAT = 1
PREFIX = "stillopen-"
_CHUNK = 1 << 20


class AckOf(msgspec.Struct, frozen=True, kw_only=True):
    """How far a journal is held in the copy: ``branch`` of ``register`` up to ``seq``."""

    account: str
    register: str
    branch: str
    seq: int
    hash: str  # hex


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What was read from inside the copy."""

    accounts: dict[str, str]  # id → name
    server_epoch: str
    counts: dict[str, int]  # rows by table
    acks: tuple[AckOf, ...]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    format: int = FORMAT
    made_at: datetime
    engine: str  # sqlite | postgresql
    software: str
    file: str  # beside the manifest
    size: int
    sha256: str
    verified: str  # how: "integrity_check", "pg_restore --list", "restored"
    contents: Contents


#: Counted in every copy; what a person recognizes a shop by.
COUNTED = ("accounts_account", "devices_register", "ingest_entry", "ledger_receipt")


def read_contents(cursor: Any) -> Contents:
    """From a DB-API cursor on the copy, or on the snapshot that is being copied."""

    def rows(sql: str) -> list[Any]:
        cursor.execute(sql)
        return list(cursor.fetchall())

    acks = rows(
        "SELECT account_id, register_id, branch, acked_seq, acked_hash FROM devices_epoch"
        " ORDER BY account_id, register_id, branch"
    )
    epochs = rows("SELECT epoch FROM feed_serverepoch WHERE id = 1")
    names = rows("SELECT id, name FROM accounts_account ORDER BY created_at")
    return Contents(
        accounts={str(UUID(str(key))): name for key, name in names},
        server_epoch=epochs[0][0] if epochs else "",
        counts={table: rows(f"SELECT count(*) FROM {table}")[0][0] for table in COUNTED},
        acks=tuple(
            AckOf(
                account=str(UUID(str(account))),
                register=str(UUID(str(register))),
                branch=branch,
                seq=seq,
                hash=bytes(digest).hex(),
            )
            for account, register, branch, seq, digest in acks
        ),
    )


def digest_of(path: Path) -> str:
    """SHA-256 in hex."""
    digest = sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def read_manifest(path: Path) -> Manifest | None:
    """None for what is no manifest of ours."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError):
        return None


def backups_in(folder: Path) -> list[tuple[Path, Manifest]]:
    """The backups whose copy is there in its full size, newest first, by manifest."""
    found = []
    for path in folder.glob(f"{PREFIX}*.json"):
        manifest = read_manifest(path)
        if manifest is not None and is_there(path, manifest.file, manifest.size):
            found.append((path, manifest))
    return sorted(found, key=lambda pair: pair[1].made_at, reverse=True)


def is_there(manifest: Path, file: str, size: int) -> bool:
    """Cheap: the bytes are checked when it is restored."""
    try:
        return (manifest.parent / file).stat().st_size == size and manifest.exists()
    except OSError:
        return False


def find_backup(target: Path) -> tuple[Path, Manifest]:
    """The newest backup in a folder, or the one that a file (copy or manifest) belongs to.

    Errors: ``no_backup``.
    """
    if target.is_dir():
        found = backups_in(target)
        if found:
            return found[0]
        raise DomainError("no_backup", f"There is no whole backup in {target}.")
    path = target.with_suffix(".json")
    manifest = read_manifest(path)
    if manifest is None:
        raise DomainError(
            "no_backup", f"{target} is no backup: its manifest {path.name} is missing."
        )
    return path, manifest


def check_whole(path: Path, manifest: Manifest) -> Path:
    """The copy of the manifest at ``path``, every byte of it checked. ``bad_backup``."""
    copy = path.parent / manifest.file
    if not is_there(path, manifest.file, manifest.size) or digest_of(copy) != manifest.sha256:
        raise DomainError(
            "bad_backup",
            f"{copy.name} is not what its manifest says: it is missing, cut or changed. Take another.",
        )
    return copy
