"""Making a backup: a copy, checked, its manifest written last; then the oldest ones go."""

import secrets
from datetime import datetime
from pathlib import Path

import msgspec
from django.db import connection

from stillopen import __version__
from stillopen.backoffice.backups import keeping, postgres_copy, sqlite_copy
from stillopen.backoffice.backups.manifest import PREFIX, Contents, Manifest, digest_of
from stillopen.backoffice.backups.outside import flush_folder, write_durably
from stillopen.domain.errors import DomainError


class Made(msgspec.Struct, frozen=True):
    """``removed``: how many old ones went."""

    path: Path
    manifest: Manifest
    removed: int


def make_backup(folder: Path, keep: int, try_it: bool, now: datetime) -> Made:
    """Copy the whole database into ``folder`` and keep the newest ``keep`` of its backups there.

    ``try_it``: restore the copy into a scratch database, too. Errors: ``bad_dir``, ``backup_failed``,
    ``pg_dump_missing``, ``pg_dump_too_old``.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise DomainError("bad_dir", f"{folder} cannot be made: {error.strerror}.") from error
    _clear_drafts(folder)
    copier = postgres_copy if connection.vendor == "postgresql" else sqlite_copy
    name = f"{PREFIX}{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    draft, final = folder / f".{name}.part", folder / (name + copier.ENDING)
    try:
        contents = copier.copy_out(_source(), draft)
        verified = _try(draft, contents) if try_it else copier.VERIFIED
        manifest = _manifest(draft, final.name, contents, verified, now)
        draft.chmod(0o600)
        draft.rename(final)
    except OSError as error:
        raise DomainError("backup_failed", f"{folder}: {error.strerror}.") from error
    finally:
        draft.unlink(missing_ok=True)
    flush_folder(folder)
    path = folder / f"{name}.json"
    write_durably(path, msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
    keeping.adopt(folder, manifest)
    removed = keeping.keep_newest(folder, keep, manifest, now)
    keeping.look_after(now)
    return Made(path, manifest, removed)


def _source() -> object:
    settings = connection.settings_dict
    return settings if connection.vendor == "postgresql" else Path(settings["NAME"])


def _try(draft: Path, contents: Contents) -> str:
    """The copy, restored, holds what was copied. ``backup_failed``."""
    if connection.vendor == "postgresql":
        again, how = postgres_copy.restore_elsewhere(draft, connection.settings_dict), "restored"
    else:
        again, how = sqlite_copy.check(draft), sqlite_copy.VERIFIED
    if again != contents:
        raise DomainError("backup_failed", "The restored copy does not hold what was copied.")
    return how


def _manifest(draft: Path, file: str, contents: Contents, verified: str, now: datetime) -> Manifest:
    return Manifest(
        made_at=now,
        engine=connection.vendor,
        software=__version__,
        file=file,
        size=draft.stat().st_size,
        sha256=digest_of(draft),
        verified=verified,
        contents=contents,
    )


def _clear_drafts(folder: Path) -> None:
    """What a run that was broken off left behind, a day ago or more."""
    old = datetime.now().timestamp() - 86400  # noqa: DTZ005  (compared with the file system's clock)
    for path in folder.glob(f".{PREFIX}*"):
        if path.stat().st_mtime < old:
            path.unlink(missing_ok=True)
