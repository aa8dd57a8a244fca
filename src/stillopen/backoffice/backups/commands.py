"""What ``backoffice backup``, ``restore`` and ``import-journal`` do once Django is set up."""

from collections import Counter
from pathlib import Path
from uuid import UUID

import click
from django.utils import timezone

from stillopen.backoffice.accounts.lookup import store_of, the_account
from stillopen.backoffice.backups import import_journal as importing
from stillopen.backoffice.backups import keeping
from stillopen.backoffice.backups.making import make_backup
from stillopen.backoffice.backups.models import RestoreReport
from stillopen.backoffice.backups.report import returns
from stillopen.backoffice.backups.restoring import Restored
from stillopen.backoffice.backups.starts import Origin, prove_start
from stillopen.backoffice.devices import again
from stillopen.backoffice.devices.models import Register

_SAID = {
    "revoked": "was revoked: it is let in again",
    "licence": "got a License Key that is void again",
    "activated": "was activated on a device that is not known any more",
    "switched_off": "was switched off: the PIN works again",
    "new_pin": "got a new PIN: the former one works again",
}


def backup(folder: Path, keep: int, try_it: bool) -> None:
    """Print what was made; the last line is the file."""
    made = make_backup(folder, keep, try_it, timezone.now())
    manifest = made.manifest
    entries = manifest.contents.counts["ingest_entry"]
    names = ", ".join(manifest.contents.accounts.values())
    click.echo(f"Backup of {names}: {entries} entries, {manifest.size:,} bytes, checked.")
    if made.removed:
        click.echo(f"Removed {made.removed} older; the newest {keep} are kept.")
    click.echo(f"Backup: {made.path.parent / manifest.file}")


def restored(done: Restored) -> None:
    """Raise the server epoch, and print the restore report."""
    manifest = done.manifest
    origin = Origin(RestoreReport.Kind.RESTORED, manifest.made_at, manifest.file)
    reports = prove_start(timezone.now(), origin)
    keeping.adopt(done.folder, manifest)
    keeping.look_after()
    click.echo(f"Restored the backup of {manifest.made_at:%Y-%m-%d %H:%M} UTC, {manifest.file}.")
    if done.kept:
        click.echo(f"What was there before is kept: {done.kept}")
    for report in reports:
        _print(report)
    click.echo("The registers send again what is missing here, as soon as they are connected.")


def _print(report: RestoreReport) -> None:
    undone = [item for item in report.items.all() if item.kind in _SAID]
    tills = returns(report)
    click.echo(f"Registers to come back: {', '.join(str(t.register) for t in tills) or 'none'}")
    if not report.log_found:
        click.echo("What was changed after the backup is not known: look at people and registers.")
    for item in undone:
        click.echo(f"To confirm: {item.name} {_SAID[item.kind]}.")
    if undone:
        kinds = Counter(item.kind for item in undone)
        click.echo(f"{sum(kinds.values())} to confirm in the Back Office, on the page Restored.")


def say_swapped(reports: list[RestoreReport]) -> None:
    """At a start: the database was found to be an older copy."""
    for report in reports:
        when = f"{report.copy_of:%Y-%m-%d %H:%M} UTC" if report.copy_of else "an unknown time"
        click.echo(
            f"The database is an older copy, of {when}. The registers send again what is missing."
        )
        _print(report)


def import_journal(file: Path, account: str | None, called: str | None) -> None:
    """Print what became of the entries. ``called``: what the register was, where it is not known here."""
    now = timezone.now()

    def revive(register: UUID) -> Register:
        code, _, name = (called or "").strip().rpartition("-")
        store = store_of(the_account(account), code)
        return again.revive(store, name, register, now)

    done = importing.import_journal(file, now, revive if called else None)
    click.echo(
        f"Journal of {done.register}: {done.new} new entries, {done.known} were here already."
    )
    if done.branches:
        click.echo(f"It differs from what is here: {done.branches} branches were opened.")
    if done.quarantined:
        click.echo(f"{done.quarantined} could not be applied: see Exceptions in the Back Office.")
    if done.held:
        click.echo(
            f"{done.held} wait for a yes: the register was revoked, or has another device now."
        )
    click.echo(f"Applied: {done.applied}")
