"""Which backups there are, how far all of them reach, and which may go."""

from datetime import datetime
from pathlib import Path
from uuid import UUID

import msgspec
from django.db import transaction
from django.utils import timezone

from stillopen.backoffice.backups.manifest import AckOf, Manifest, backups_in, is_there
from stillopen.backoffice.backups.models import BackedUp, Backup
from stillopen.backoffice.devices.models import Epoch
from stillopen.backoffice.ingest.models import Entry
from stillopen.sync.lineage import epoch_of


def adopt(folder: Path, like: Manifest) -> None:
    """Remember the backups of this Back Office in ``folder``: the new one, and those that a restored
    database does not know of. How far all reach is worked out by :func:`look_after`."""
    known = set(Backup.objects.filter(removed_at=None).values_list("manifest", flat=True))
    for path, manifest in backups_in(folder.resolve()):
        if str(path) not in known and _same_place(manifest, like):
            _record(path, manifest)


def _record(path: Path, manifest: Manifest) -> None:
    Backup.objects.create(
        manifest=str(path),
        made_at=manifest.made_at,
        size=manifest.size,
        sha256=manifest.sha256,
        server_epoch=manifest.contents.server_epoch,
        acks=msgspec.to_builtins(manifest.contents.acks),
    )


def keep_newest(folder: Path, keep: int, like: Manifest, now: datetime) -> int:
    """Remove all but the newest ``keep`` (at least one) backups of the same Back Office in ``folder``."""
    ours = [
        (path, manifest)
        for path, manifest in backups_in(folder)
        if _same_place(manifest, like) and manifest.made_at <= now
    ]
    old = ours[max(keep, 1) :]
    for path, manifest in old:
        path.unlink(missing_ok=True)  # first: a copy without a manifest is no backup
        (folder / manifest.file).unlink(missing_ok=True)
    return len(old)


def _same_place(one: Manifest, other: Manifest) -> bool:
    return bool(one.contents.accounts.keys() & other.contents.accounts.keys())


def look_after(now: datetime | None = None) -> None:
    """Look which backups still exist, and work out how far all of them reach.

    A register may forget what lies below that: whichever backup is restored, the server has it.
    """
    moment = now or timezone.now()
    with transaction.atomic():
        kept = []
        for backup in Backup.objects.select_for_update().filter(removed_at=None):
            path = Path(backup.manifest)
            copies = [path.with_suffix(ending).name for ending in (".db", ".dump")]
            if any(is_there(path, copy, backup.size) for copy in copies):
                kept.append(backup)
            else:
                backup.removed_at = moment
                backup.save(update_fields=["removed_at"])
        ends = [msgspec.convert(backup.acks, list[AckOf]) for backup in kept]
        _keep_reach([[ack for ack in copy if _is_of_this_line(ack)] for copy in ends])


def _is_of_this_line(ack: AckOf) -> bool:
    """Whether this database holds the entry at which a copy of the journal ends.

    After an older backup was put back, the later ones are of a line that was given up: where the register's
    disk went back, too, other entries came to stand under the same numbers. And what was not handed in again
    yet cannot be compared.
    """
    if not ack.seq:
        return True
    register = {"account_id": UUID(ack.account), "register_id": UUID(ack.register)}
    lines = Epoch.objects.filter(**register, epoch=epoch_of(ack.branch)).values("branch")
    entries = Entry.objects.filter(**register, branch__in=lines, seq=ack.seq)
    return bytes.fromhex(ack.hash) in map(bytes, entries.values_list("hash", flat=True))


def _keep_reach(copies: list[list[AckOf]]) -> None:
    """What is in every copy; nothing where there is none."""
    reach: dict[tuple[str, str, str], AckOf] = {}
    for number, acks in enumerate(copies):
        here = {(a.account, a.register, a.branch): a for a in acks}
        if number == 0:
            reach = here
        both = reach.keys() & here.keys()
        reach = {key: min(reach[key], here[key], key=lambda a: a.seq) for key in both}
    BackedUp.objects.all().delete()
    BackedUp.objects.bulk_create(
        BackedUp(
            account_id=UUID(ack.account),
            register_id=UUID(ack.register),
            branch=ack.branch,
            seq=ack.seq,
            hash=bytes.fromhex(ack.hash),
        )
        for ack in reach.values()
    )
