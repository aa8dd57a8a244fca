"""Checking and exporting a journal, beside a till that may be running."""

from collections.abc import Iterator
from contextlib import closing
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import msgspec

from stillopen.domain.errors import DomainError
from stillopen.register.store.journal import FILE, Journal
from stillopen.register.store.mirror_files import every_line, mirror_in, read_mirror
from stillopen.sync.chain import ChainFault, StoredEntry, verify
from stillopen.sync.journalfile import Writer, decoded


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """``faults`` as (epoch, fault); ``head`` is the last recorded hash in hex."""

    entries: int
    head: str
    faults: tuple[tuple[str, ChainFault], ...]


def _open(folder: Path) -> Journal:
    path = folder / FILE
    if not path.exists():
        raise DomainError("no_register", f"There is no journal in {folder}.")
    journal = Journal.open_to_read(path)
    journal.db.query("BEGIN")  # all of one moment, whatever the till beside does meanwhile
    return journal


def verify_journal(folder: Path) -> Verdict:
    """The chain of each epoch, and that every body says where it stands; of a journal or of a mirror.

    Errors: ``no_register``, ``several_mirrors``.
    """
    mirror = _mirror(folder)
    if mirror is not None:
        return _verify_mirror(mirror)
    faults: list[tuple[str, ChainFault]] = []
    entries, head = 0, bytes(32)
    with closing(_open(folder)) as journal:
        for epoch, group in groupby(journal.entries.every(), key=itemgetter(0)):
            run = [entry for _, entry in group]
            faults += [(epoch, fault) for fault in verify(run, *journal.entries.anchor(epoch))]
            faults += [(epoch, ChainFault(e.seq, "bad_place")) for e in run if _misplaced(epoch, e)]
            entries, head = entries + len(run), run[-1].hash
    return Verdict(entries=entries, head=head.hex(), faults=tuple(faults))


def _mirror(folder: Path) -> Path | None:
    """The mirror in ``folder``, where there is no journal."""
    return None if (folder / FILE).exists() else mirror_in(folder)


def _verify_mirror(mirror: Path) -> Verdict:
    faults: list[tuple[str, ChainFault]] = []
    entries, head = 0, bytes(32)
    for epoch, group in groupby(read_mirror(mirror), key=itemgetter(0)):
        run = list(group)
        anchor = run[0][2]
        assert anchor is not None
        faults += [(epoch, fault) for fault in verify([entry for _, entry, _ in run], *anchor)]
        faults += [
            (epoch, ChainFault(e.seq, "bad_place")) for _, e, _ in run if _misplaced(epoch, e)
        ]
        entries, head = entries + len(run), run[-1][1].hash
    return Verdict(entries=entries, head=head.hex(), faults=tuple(faults))


def _export_mirror(mirror: Path) -> Iterator[bytes]:
    """As an export of a journal: each line knows how many there are."""
    writer = Writer(sum(1 for _ in every_line(mirror)))
    for epoch, entry, _ in read_mirror(mirror):
        yield writer.line(epoch, entry)


def _misplaced(epoch: str, entry: StoredEntry) -> bool:
    body = decoded(entry)
    return entry.intact and (body is None or (body.epoch, body.seq) != (epoch, entry.seq))


def export_lines(folder: Path) -> Iterator[bytes]:
    """NDJSON of all epochs, oldest first, as far as they go at this moment; of a journal or of a mirror.

    Errors: ``no_register``, ``several_mirrors``, ``bad_journal_file``.
    """
    mirror = _mirror(folder)
    if mirror is not None:
        yield from _export_mirror(mirror)
        return
    with closing(_open(folder)) as journal:
        ends = {e.id: journal.entries.head_of(e.id).seq for e in journal.identity.all_epochs()}
        writer = Writer(journal.entries.count(ends))
        for epoch, entry in journal.entries.every():
            if entry.seq <= ends[epoch]:
                yield writer.line(epoch, entry)
