"""The journal of an old disk, brought in as a file."""

import uuid
from pathlib import Path

import msgspec
import pytest
from django.utils import timezone

from stillopen.backoffice.backups.import_journal import Imported, import_journal
from stillopen.backoffice.devices import again
from stillopen.backoffice.devices.models import Epoch, FormerDevice, Register
from stillopen.backoffice.devices.verbs import revoke
from stillopen.backoffice.ingest.models import Entry, ExceptionItem
from stillopen.backoffice.ledger.models import Receipt
from stillopen.domain.errors import DomainError
from stillopen.sync.chain import StoredEntry
from stillopen.sync.journalfile import Writer
from tests.backoffice.ingest.till import Till


def write(path: Path, *journals: tuple[str, list[StoredEntry]]) -> Path:
    writer = Writer(sum(len(entries) for _, entries in journals))
    lines = [writer.line(epoch, entry) for epoch, entries in journals for entry in entries]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def bring_in(path: Path) -> Imported:
    return import_journal(path, timezone.now())


def refused(path: Path) -> DomainError:
    with pytest.raises(DomainError) as raised:
        bring_in(path)
    return raised.value


@pytest.fixture
def disk(till: Till, tmp_path: Path) -> Path:
    """A till that sent its first sale and made two more; its disk, exported."""
    till.open_shift()
    till.sell(100)
    till.send()
    till.sell(200)
    till.sell(300)
    return write(tmp_path / "disk.ndjson", (till.epoch, till.entries))


def test_what_was_not_sent_arrives_once(till: Till, disk: Path) -> None:
    done = bring_in(disk)
    assert (done.new, done.known, done.applied, done.held, done.branches) == (2, 2, 2, 0, 0)
    assert [r.total for r in Receipt.objects.order_by("seq")] == [100, 200, 300]
    assert bring_in(disk).new == 0
    assert not ExceptionItem.objects.exclude(code="unknown_product").exists()
    nonce = Register.objects.get().nonce
    assert bytes(nonce or b"") == till.nonce  # the till, if it still runs, goes on undisturbed
    answer = till.send(till.entries[2:], acked_seq=2, acked_hash=till.entries[1].hash)
    assert answer.ack.seq == 4 and Receipt.objects.count() == 3


def test_after_a_revocation_it_waits_for_a_yes(till: Till, disk: Path) -> None:
    revoke(till.register, None)
    done = bring_in(disk)
    assert (done.new, done.applied, done.held) == (2, 0, 2)
    assert Receipt.objects.count() == 1
    assert ExceptionItem.objects.filter(code="after_revocation").count() == 1


def test_a_register_that_the_database_is_too_old_for_is_made_again(till: Till, disk: Path) -> None:
    store, known = till.register.store, till.register.id
    for model in (Receipt, Entry, Epoch, Register):
        model.objects.all().delete()
    assert refused(disk).code == "unknown_register"
    now = timezone.now()
    done = import_journal(disk, now, lambda id: again.revive(store, "R3", id, now))
    assert (done.new, done.held, done.applied) == (4, 4, 0)
    register = Register.objects.get()
    assert (register.id, str(register), register.state) == (known, f"{store.code}-R3", "revoked")
    assert bring_in(disk).new == 0


def test_a_replaced_device_waits_for_a_yes_in_each_of_its_epochs(
    till: Till, tmp_path: Path
) -> None:
    till.open_shift()
    later = Till(till.register, epoch=uuid.uuid4().hex)
    later.open_shift()
    later.sell(100)
    register = till.register
    FormerDevice.objects.create(
        account_id=register.account_id,
        register_id=register.id,
        public_key=b"k" * 32,
        replaced_at=timezone.now(),
    )
    register.activated_at = timezone.now()
    register.save()
    file = write(tmp_path / "d", (till.epoch, till.entries), (later.epoch, later.entries))
    done = bring_in(file)
    assert (done.epochs, done.new, done.held) == (2, 3, 3)
    assert set(Epoch.objects.values_list("epoch", flat=True)) == {till.epoch, later.epoch}


def test_what_differs_becomes_a_branch(till: Till, disk: Path) -> None:
    kept = list(till.entries)
    del till.entries[2:]
    till.sell(900)  # the disk's copy sold something else under the same number
    till.send(till.entries[2:], acked_seq=2, acked_hash=till.entries[1].hash)
    done = bring_in(disk)
    assert (done.new, done.branches) == (2, 1)
    assert {bytes(e.hash) for e in Entry.objects.all()} == {
        e.hash for e in (*kept, till.entries[2])
    }
    assert ExceptionItem.objects.filter(code="journal_forked").count() == 1
    assert bring_in(disk).new == 0


def test_a_cut_or_edited_file_is_refused_with_its_line(till: Till, disk: Path) -> None:
    lines = disk.read_bytes().splitlines(keepends=True)
    cases = [
        (4, lines[:3]),  # the line that would have come next does not come
        (4, [*lines[:3], lines[3][:-20]]),
        (3, [*lines[:2], lines[2].replace(b'"total":200', b'"total":100'), lines[3]]),
        (2, [lines[0], *lines[2:]]),
        (1, lines[1:]),
        (1, []),
    ]
    for number, content in cases:
        disk.write_bytes(b"".join(content))
        error = refused(disk)
        assert error.code == "bad_journal_file" and error.details["line"] == number
    assert Entry.objects.count() == 2


def test_a_damaged_row_and_a_gap_come_as_they_are(till: Till, tmp_path: Path) -> None:
    till.open_shift()
    till.sell(100)
    till.sell(200)
    till.sell(300)
    flipped = msgspec.structs.replace(till.entries[1], body=till.entries[1].body[:-1] + b"?")
    entries = [till.entries[0], flipped, till.entries[3]]
    done = bring_in(write(tmp_path / "disk", (till.epoch, entries)))
    assert (done.new, done.applied, done.quarantined) == (3, 2, 1)
    codes = set(ExceptionItem.objects.values_list("code", flat=True))
    assert {"bad_hash", "entries_missing"} <= codes
    assert [r.total for r in Receipt.objects.all()] == [300]


def test_of_a_register_that_is_not_known(till: Till, disk: Path) -> None:
    content = disk.read_bytes()
    Entry.objects.all().delete()
    Register.objects.all().delete()
    disk.write_bytes(content)
    assert refused(disk).code == "unknown_register"


def test_a_long_journal_in_chunks(till: Till, tmp_path: Path) -> None:
    till.open_shift()
    for _ in range(1200):
        till.sell(100)
    done = bring_in(write(tmp_path / "disk", (till.epoch, till.entries)))
    assert (done.new, done.applied) == (1201, 1201)


def test_a_file_in_which_nothing_was_printed_does_not_take_the_label_away(
    till: Till, tmp_path: Path
) -> None:
    """Else the register would print numbers of its first epoch again."""
    till.open_shift()
    till.sell(100)
    till.send()
    later = Till(till.register, key=till.key, epoch=uuid.uuid4().hex, nonce=till.nonce)
    later.open_shift()
    assert later.send().label == "b"
    bring_in(write(tmp_path / "disk", (till.epoch, till.entries), (later.epoch, later.entries)))
    assert Epoch.objects.get(epoch=later.epoch).label == "b"
    assert later.send([], acked_seq=1, acked_hash=later.head, label="b").label is None
