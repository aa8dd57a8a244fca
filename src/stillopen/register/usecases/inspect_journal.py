"""Checking and exporting a journal, beside a till that may be running."""

from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import msgspec

from stillopen.domain.errors import DomainError
from stillopen.register.store.journal import FILE, Journal
from stillopen.sync.chain import ChainFault, StoredEntry, verify
from stillopen.sync.facts import EntryBody, decode_body


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """``faults`` as (epoch, fault); ``head`` is the last recorded hash in hex."""

    entries: int
    head: str
    faults: tuple[tuple[str, ChainFault], ...]


class ExportLine(msgspec.Struct, omit_defaults=True):
    """One entry; ``body_base64`` instead of ``body`` where the bytes are no longer JSON."""

    epoch: str
    seq: int
    prev_hash: str
    hash: str
    body: msgspec.Raw | None = None
    body_base64: str = ""


def _open(folder: Path) -> Journal:
    path = folder / FILE
    if not path.exists():
        raise DomainError("no_register", f"There is no journal in {folder}.")
    return Journal.open_to_read(path)


def verify_journal(folder: Path) -> Verdict:
    """The chain of each epoch, and that every body says where it stands. ``no_register``."""
    faults: list[tuple[str, ChainFault]] = []
    entries, head = 0, bytes(32)
    with closing(_open(folder)) as journal:
        for epoch, group in groupby(journal.entries.every(), key=itemgetter(0)):
            run = [entry for _, entry in group]
            faults += [(epoch, fault) for fault in verify(run)]
            faults += [(epoch, ChainFault(e.seq, "bad_place")) for e in run if _misplaced(epoch, e)]
            entries, head = entries + len(run), run[-1].hash
    return Verdict(entries=entries, head=head.hex(), faults=tuple(faults))


def _misplaced(epoch: str, entry: StoredEntry) -> bool:
    body = _decoded(entry)
    return entry.intact and (body is None or (body.epoch, body.seq) != (epoch, entry.seq))


def _decoded(entry: StoredEntry) -> EntryBody | None:
    try:
        return decode_body(entry.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def export_lines(folder: Path) -> Iterator[bytes]:
    """NDJSON of all epochs, oldest first; ``no_register``."""
    with closing(_open(folder)) as journal:
        for epoch, entry in journal.entries.every():
            line = ExportLine(epoch, entry.seq, entry.prev_hash.hex(), entry.hash.hex())
            if _decoded(entry) is not None and b"\n" not in entry.body:
                line.body = msgspec.Raw(entry.body)
            else:
                line.body_base64 = b64encode(entry.body).decode()
            yield msgspec.json.encode(line)
