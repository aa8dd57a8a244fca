"""Taking in the journal of an old disk from a file: entry by entry the same way as in an exchange."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path
from uuid import UUID

import msgspec
from django.db import transaction

from stillopen.backoffice.devices.epochs import open_epoch
from stillopen.backoffice.devices.models import Epoch, FormerDevice, Register
from stillopen.backoffice.ingest import store
from stillopen.backoffice.ingest.fact import place_of
from stillopen.backoffice.ingest.limits import canonical_id
from stillopen.backoffice.ingest.models import Entry
from stillopen.backoffice.ingest.people import check_people
from stillopen.backoffice.ingest.reading import read_entries
from stillopen.backoffice.ingest.receive import TROUBLE, Exchange
from stillopen.backoffice.ingest.sql import engine
from stillopen.domain.errors import DomainError
from stillopen.sync.chain import GENESIS
from stillopen.sync.journalfile import Read, decoded, read_lines
from stillopen.sync.lineage import label_in
from stillopen.sync.messages import (
    PROTOCOL_MAX,
    PROTOCOL_MIN,
    Ack,
    ExchangeAnswer,
    ExchangeRequest,
    Gap,
)
from stillopen.sync.server_side import Verdict

#: Entries per transaction: tills that sync meanwhile wait for one of these at most.
CHUNK = 500
_NONCE = b"from a file"


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """``new`` entries are stored now: ``applied``, ``held`` for a person's yes, or ``quarantined``; the
    other ``known`` ones were here. ``branches`` were opened for what differs from what is held."""

    register: str
    epochs: int
    new: int
    known: int
    applied: int
    held: int
    quarantined: int
    branches: int


class _Journal(msgspec.Struct, frozen=True, kw_only=True):
    """One epoch of the file: its end, and what stands in its receipt numbers; None where none tells it."""

    epoch: str
    head_seq: int
    head_hash: bytes
    label: str | None


class _Survey(msgspec.Struct, frozen=True, kw_only=True):
    register: Register
    journals: dict[str, _Journal]
    lines: int


class _Numbered(msgspec.Struct):
    number: str = ""


class _FileExchange(Exchange):
    """An exchange without a device: nothing that the register says of itself is in a file."""

    def _lock(self, before: store.Device) -> store.Device:
        locked = store.lock_device(self.cursor, before.source.register)
        if locked is None or locked.source != before.source:
            raise DomainError("try_again", "The register was moved or removed just now. Try again.")
        return before

    def _take_in(self, verdict: Verdict, label: str) -> str:
        # An old file that ends before what is here is no restored disk.
        return super()._take_in(msgspec.structs.replace(verdict, restored=False), label)

    def _label(self) -> str:
        # A file in which no receipt was printed does not tell the label.
        if self.request.journal_count:
            return super()._label()
        register = Register(id=self.source.register, account_id=self.source.account)
        return open_epoch(register, self.request.epoch, self.now).label

    def _keep(self, changes: dict[str, object], wait: bool = True) -> None:
        pass


def import_journal(
    file: Path, now: datetime, revive: Callable[[UUID], Register] | None = None
) -> Imported:
    """Every entry of ``file`` (``stillopen journal export``), idempotent by its place in the journal.

    The whole file is checked before anything is stored. What differs from what is held becomes a branch;
    what a revoked or replaced device made waits for a person's yes. ``revive`` makes the register of the
    file where it is not known: a restored database may be older than it. Errors: ``bad_journal_file`` (with
    the line), ``unknown_register``, ``try_again``.
    """
    survey = _survey(file, revive)
    ours = Entry.objects.filter(
        account_id=survey.register.account_id, register_id=survey.register.id
    )
    before = _branches(survey.register)
    try:
        with file.open("rb") as lines:
            for epoch, reads in groupby(read_lines(lines), key=attrgetter("epoch")):
                _take_in(survey.register, survey.journals[epoch], reads, now)
    except TROUBLE as error:
        raise DomainError(
            "try_again", f"The import was broken off, {error}. Nothing is lost: begin it again."
        ) from error
    new = ours.filter(received_at=now).exclude(kind="gap")
    counts = Counter(new.values_list("status", flat=True))
    return Imported(
        register=str(survey.register),
        epochs=len(survey.journals),
        new=counts.total(),
        known=survey.lines - counts.total(),
        applied=counts["applied"],
        held=counts["waiting"],
        quarantined=counts["quarantined"],
        branches=_branches(survey.register) - before,
    )


def _branches(register: Register) -> int:
    """Lines of history beside the first one of each epoch."""
    epochs = Epoch.objects.filter(account_id=register.account_id, register_id=register.id)
    return epochs.exclude(parent="").count()


def _survey(file: Path, revive: Callable[[UUID], Register] | None) -> _Survey:
    """Read the file to its end: it is whole, and of one register that is known here."""
    ends: dict[str, Read] = {}
    numbers: dict[str, str] = {}
    names: dict[str, int] = {}
    lines = 0
    with file.open("rb") as content:
        for read in read_lines(content):
            ends[read.epoch], lines = read, read.number
            body = decoded(read.entry)
            if body is None:
                continue
            names.setdefault(body.register, read.number)
            if body.kind == "sale" and read.epoch not in numbers:
                numbers[read.epoch] = _number(bytes(body.payload))
    register = _register(names, revive)
    journals = {
        epoch: _Journal(
            epoch=epoch,
            head_seq=end.entry.seq,
            head_hash=end.entry.hash,
            label=label_in(numbers.get(epoch, ""), str(register)),
        )
        for epoch, end in ends.items()
    }
    return _Survey(register=register, journals=journals, lines=lines)


def _number(payload: bytes) -> str:
    """The receipt's, as far as it can be read."""
    try:
        return msgspec.json.decode(payload, type=_Numbered).number
    except msgspec.DecodeError:
        return ""


def _register(names: dict[str, int], revive: Callable[[UUID], Register] | None) -> Register:
    if len(names) > 1:
        line = max(names.values())
        raise DomainError(
            "bad_journal_file", f"Line {line}: it belongs to another register.", line=line
        )
    for name in names:
        try:
            register = UUID(canonical_id(name))
        except DomainError:
            continue
        if found := Register.objects.select_related("store").filter(id=register).first():
            return found
        if revive is not None:
            return revive(register)
    raise DomainError(
        "unknown_register",
        "The register of this journal is not known here. If this database is older than the register, "
        "say with --as what it was called.",
    )


def _take_in(register: Register, journal: _Journal, reads: Iterator[Read], now: datetime) -> None:
    """One epoch, chunk after chunk, as a register would send it."""
    at = Ack(journal.epoch, 0, GENESIS)
    while chunk := list(islice(reads, CHUNK)):
        while at.seq < chunk[-1].entry.seq:
            answer = _exchange(
                register, journal, [r for r in chunk if r.entry.seq > at.seq], at, now
            )
            if answer.ack.seq <= at.seq:
                raise DomainError(
                    "bad_journal_file",
                    f"Line {chunk[0].number}: what is here of this journal cannot be brought "
                    "together with it.",
                    line=chunk[0].number,
                )
            at = answer.ack


def _exchange(
    register: Register, journal: _Journal, reads: list[Read], at: Ack, now: datetime
) -> ExchangeAnswer:
    request = ExchangeRequest(
        protocol=(PROTOCOL_MIN, PROTOCOL_MAX),
        register=str(register.id),
        nonce=_NONCE,
        request=1,
        epoch=journal.epoch,
        former=True,
        label=journal.label or "",
        journal_count=0 if journal.label is None else 1,
        head_seq=journal.head_seq,
        head_hash=journal.head_hash,
        acked_seq=at.seq,
        acked_hash=at.hash if at.seq else b"",
        entries=tuple(r.entry for r in reads),
        gaps=tuple(_gaps(reads, at.seq)),
    )
    with engine().transaction() as cursor:
        device = store.find_device(cursor, str(register.id))
        assert device is not None
        state = "revoked" if _waits(register, journal.epoch) else "active"
        device = msgspec.structs.replace(device, state=state, nonce=_NONCE, machine="")
        place = place_of(device.source)
        facts = read_entries(request.entries, place, request.epoch, now)
        check_people(cursor, facts, place)
        answer = _FileExchange(cursor, request, device, now).run(facts)
        if answer.ack.seq <= at.seq:
            transaction.set_rollback(True)
    return answer


def _gaps(reads: list[Read], after: int) -> Iterator[Gap]:
    """What is missing in the journal before an entry of ``reads``."""
    for read in reads:
        if read.gap and read.entry.seq > after + 1:
            yield Gap(after + 1, read.entry.seq - 1, read.entry.prev_hash)
        after = read.entry.seq


def _waits(register: Register, epoch: str) -> bool:
    """Whether a person must say yes: the register was revoked, or the epoch is not known to be of the
    device that is in its place now."""
    if register.state == Register.State.REVOKED:
        return True
    devices = FormerDevice.objects.filter(account_id=register.account_id, register_id=register.id)
    if not devices.exists():
        return False
    known = Epoch.objects.filter(
        account_id=register.account_id, register_id=register.id, branch=epoch
    ).first()
    return (
        known is None or register.activated_at is None or known.created_at < register.activated_at
    )
