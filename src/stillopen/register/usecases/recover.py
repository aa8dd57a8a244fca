"""A till whose disk died: its journal, made again from the mirror, so that what was unsent is sent."""

import secrets
from contextlib import closing
from datetime import UTC, date, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import msgspec

from stillopen.domain.errors import DomainError
from stillopen.domain.receipt import Receipt
from stillopen.register.keys import machine_fingerprint
from stillopen.register.store.entries import Draft
from stillopen.register.store.identity import Epoch
from stillopen.register.store.journal import FILE, Journal
from stillopen.register.store.mirror_files import mirror_in, read_mirror
from stillopen.sync.chain import StoredEntry
from stillopen.sync.facts import EntryBody, decode_payload, is_known
from stillopen.sync.journalfile import decoded
from stillopen.sync.lineage import local_label
from stillopen.sync.messages import Ack

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)

_Run = list[tuple[str, StoredEntry, tuple[int, bytes] | None]]


class Recovered(msgspec.Struct, frozen=True):
    """``sales`` among the ``entries``; ``register`` is the id that the new device must be activated as."""

    entries: int
    sales: int
    register: str


def recover(mirror: Path, data_dir: Path) -> Recovered:
    """Make a journal in ``data_dir`` from the mirror in ``mirror``; numbering begins anew in it, because
    the mirror may lack the last sales of the old disk.

    Errors: ``no_mirror``, ``several_mirrors``, ``bad_journal_file``, ``journal_exists``.
    """
    found = mirror_in(mirror)
    if found is None:
        raise DomainError("no_mirror", f"There is no mirror of a till in {mirror}.")
    path = data_dir / FILE
    if path.exists():
        raise DomainError("journal_exists", f"{data_dir} has a journal already; take a new folder.")
    runs = [list(group) for _, group in groupby(read_mirror(found), key=itemgetter(0))]
    runs.sort(key=_begun)
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with closing(Journal.open(path)) as journal, journal.transaction():
        for run in runs:
            _take(journal, run)
        epoch = secrets.token_hex(16)
        journal.identity.begin_epoch(
            Epoch(id=epoch, label=local_label(epoch), machine=machine_fingerprint())
        )
    bodies = [decoded(entry) for run in runs for _, entry, _ in run]
    return Recovered(
        entries=len(bodies),
        sales=sum(body is not None and body.kind == "sale" for body in bodies),
        register=next((body.register for body in bodies if body is not None), ""),
    )


def _begun(run: _Run) -> datetime:
    body = decoded(run[0][1])
    return body.occurred_at if body is not None else _LONG_AGO


def _take(journal: Journal, run: _Run) -> None:
    """One epoch. The mirror began behind what had arrived, so that counts as acknowledged."""
    epoch, _, anchor = run[0]
    drafts = [_draft(epoch, entry) for _, entry, _ in run]
    # What stands in its numbers is told from the register's name, at the activation (name_former).
    journal.identity.begin_epoch(Epoch(id=epoch, label="", machine=""))
    assert anchor is not None
    if anchor[0]:
        journal.entries.set_anchor(epoch, *anchor)
        journal.sending.set_ack(Ack(epoch, *anchor))
    for (_, entry, _), draft in zip(run, drafts, strict=True):
        journal.entries.insert(draft, epoch, entry)


def _draft(epoch: str, entry: StoredEntry) -> Draft:
    """What lists show of an entry; of a damaged one only its place."""
    body = decoded(entry) if entry.intact else None
    if body is None:
        return Draft(
            id=f"{epoch}:{entry.seq}",
            kind="damaged",
            payload=_Nothing(),
            occurred_at=_LONG_AGO,
            business_day=date(2000, 1, 1),
        )
    receipt = _receipt(body)
    return Draft(
        id=body.id,
        kind=body.kind,
        payload=_Nothing(),
        occurred_at=body.occurred_at,
        business_day=body.business_day,
        employee=body.employee,
        employee_name=receipt.cashier if receipt else "",
        shift=body.shift,
        receipt=receipt.number if receipt else None,
        total=receipt.total if receipt else None,
    )


class _Nothing(msgspec.Struct):
    pass


def _receipt(body: EntryBody) -> Receipt | None:
    if body.kind != "sale" or not is_known(body):
        return None
    payload = decode_payload(body)
    return payload if isinstance(payload, Receipt) else None
