"""Backups and restoring them, on both databases, with the real programs of PostgreSQL."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from django.db import connections
from django.utils import timezone

from stillopen.backoffice.backups import keeping, outside, postgres_copy, starts
from stillopen.backoffice.backups.making import Made, make_backup
from stillopen.backoffice.backups.manifest import backups_in
from stillopen.backoffice.backups.models import BackedUp, Backup, RestoreItem, RestoreReport, Start
from stillopen.backoffice.backups.report import confirm, returns
from stillopen.backoffice.backups.restoring import put_back, serving
from stillopen.backoffice.backups.starts import Origin, prove_start
from stillopen.backoffice.devices.epochs import open_epoch
from stillopen.backoffice.devices.models import Register
from stillopen.backoffice.devices.verbs import add_register, revoke
from stillopen.backoffice.feed.epoch import server_epoch
from stillopen.backoffice.ingest.models import Entry, ExceptionItem
from stillopen.backoffice.ledger.models import Receipt
from stillopen.domain.errors import DomainError
from stillopen.sync.lineage import local_label
from stillopen.sync.messages import Gap
from tests.backoffice.ingest.till import Till, make_account, make_till
from tests.support.backoffice import Database

LONG_AGO = datetime(2026, 11, 1, tzinfo=UTC)


def back_up(folder: Path, days: int = 0, keep: int = 14, try_it: bool = False) -> Made:
    return make_backup(folder, keep, try_it, LONG_AGO + timedelta(days=days))


def restore(database: Database, target: Path, replace: bool = True) -> list[RestoreReport]:
    """As the command does it, in this process."""
    connections.close_all()
    folder = None if database.url else database.folder
    done = put_back(target, folder, database.url, replace, timezone.now())
    database.point()
    manifest = done.manifest
    origin = Origin(RestoreReport.Kind.RESTORED, manifest.made_at, manifest.file)
    return prove_start(timezone.now(), origin)


def test_what_is_sold_while_a_backup_is_restored_comes_again(
    backoffice: Database, till: Till, tmp_path: Path
) -> None:
    till.open_shift()
    till.sell(100)
    till.send()
    before = server_epoch()
    made = back_up(tmp_path / "backups", try_it=True)
    assert [a.seq for a in made.manifest.contents.acks] == [2]
    till.sell(200)
    acked = till.send().ack
    assert acked.seq == 3

    (report,) = restore(backoffice, tmp_path / "backups")
    assert Entry.objects.count() == 2 and server_epoch() != before
    till.sell(300)
    fresh = till.send([], acked_seq=3, acked_hash=acked.hash)  # brings the restored server's nonce
    answer = till.send(till.entries[3:], acked_seq=3, acked_hash=acked.hash)
    assert fresh.stale and [i.do for i in answer.instructions] == ["rewind"]
    assert answer.ack.seq == 2
    answer = till.send(till.entries[2:], acked_seq=2, acked_hash=till.entries[1].hash)
    assert answer.ack.seq == 4 and not answer.instructions
    assert [r.total for r in Receipt.objects.order_by("seq")] == [100, 200, 300]
    (back,) = returns(report)
    assert (back.entries, str(back.register)) == (2, "S1-R1")


def test_a_label_of_the_lost_history_is_given_to_nobody_else(
    backoffice: Database, till: Till, tmp_path: Path
) -> None:
    """Two copies of a disk begin a new epoch each, on the two sides of a restore."""
    back_up(tmp_path / "backups")
    known = open_epoch(till.register, "1" * 32, LONG_AGO)
    restore(backoffice, tmp_path / "backups")
    other = open_epoch(till.register, "2" * 32, LONG_AGO)
    assert (known.label, other.label) == ("b", local_label("2" * 32))
    added, _ = add_register(till.register.store, "R2", None)
    assert open_epoch(added, "3" * 32, LONG_AGO).label == ""  # it was not there before


def test_how_far_all_backups_reach(backoffice: Database, till: Till, tmp_path: Path) -> None:
    till.open_shift()
    till.send()
    first = back_up(tmp_path / "backups", 1)
    till.sell(100)
    answer = till.send(till.entries[1:], acked_seq=1, acked_hash=till.entries[0].hash)
    assert answer.backed_up is not None and answer.backed_up.seq == 1
    assert answer.backed_up.hash == till.entries[0].hash
    back_up(tmp_path / "backups", 2)
    assert till.send([], backed_up=1, acked_seq=2).backed_up is None  # the older one reaches to 1
    make_till(till.register.store, "R2")
    assert BackedUp.objects.count() == 1

    (tmp_path / "backups" / first.manifest.file).unlink()  # by hand
    keeping.look_after()
    assert Backup.objects.filter(removed_at=None).count() == 1
    told = till.send([], backed_up=1, acked_seq=2).backed_up
    assert told is not None and (told.seq, told.hash) == (2, till.entries[1].hash)


def test_a_restored_database_counts_backups_that_it_does_not_know(
    backoffice: Database, till: Till, tmp_path: Path
) -> None:
    till.open_shift()
    till.send()
    back_up(tmp_path / "backups", 1)  # reaches to 1, and does not know of itself
    till.sell(100)
    till.send(till.entries[1:], acked_seq=1, acked_hash=till.entries[0].hash)
    later = back_up(tmp_path / "backups", 2)
    first = next(m for _, m in backups_in(tmp_path / "backups") if m != later.manifest)
    restore(backoffice, tmp_path / "backups" / first.file)
    assert not Backup.objects.exists()
    till.send([])
    till.send()
    back_up(tmp_path / "backups", 3)
    assert Backup.objects.count() == 3 and BackedUp.objects.get().seq == 1


def test_a_backup_of_a_line_that_was_given_up_holds_nothing_of_the_other(
    backoffice: Database, till: Till, tmp_path: Path
) -> None:
    """The database and a disk go back together: under the same numbers stand other entries then."""
    till.open_shift()
    till.send()
    first = back_up(tmp_path / "backups", 1)
    till.sell(100)
    till.send(till.entries[1:], acked_seq=1, acked_hash=till.entries[0].hash)
    second = back_up(tmp_path / "backups", 2)
    restore(backoffice, tmp_path / "backups" / first.manifest.file)
    till.entries.pop()
    till.sell(200)
    till.send([])
    till.send()
    (tmp_path / "backups" / first.manifest.file).unlink()
    keeping.adopt(tmp_path / "backups", second.manifest)
    keeping.look_after()
    assert Backup.objects.get().acks
    assert till.send([], acked_seq=2).backed_up is None
    assert not BackedUp.objects.exists()


def test_the_newest_stay_and_the_last_one_always(till: Till, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    for day in range(4):
        made = back_up(folder, day, keep=2)
    assert made.removed == 1
    assert [m.made_at.day for _, m in backups_in(folder)] == [4, 3]
    assert back_up(folder, 9, keep=0).removed == 2
    assert len(list(folder.iterdir())) == 2  # one copy, one manifest
    (folder / "stillopen-half.db").write_bytes(b"half made: it has no manifest")
    assert len(backups_in(folder)) == 1


def test_a_changed_copy_is_refused(backoffice: Database, till: Till, tmp_path: Path) -> None:
    made = back_up(tmp_path / "backups")
    copy = tmp_path / "backups" / made.manifest.file
    data = bytearray(copy.read_bytes())
    data[len(data) // 2] ^= 1
    copy.write_bytes(data)
    with pytest.raises(DomainError) as refused:
        restore(backoffice, copy)
    assert refused.value.code == "bad_backup"
    assert Register.objects.count() == 1


def test_a_backup_of_newer_software_is_left_alone(
    backoffice: Database, till: Till, tmp_path: Path
) -> None:
    made = back_up(tmp_path / "backups")
    newer = msgspec.structs.replace(made.manifest, software="99.0.1")
    made.path.write_bytes(msgspec.json.encode(newer))
    with pytest.raises(DomainError) as refused:
        restore(backoffice, tmp_path / "backups")
    assert refused.value.code == "backup_too_new"


def test_the_programs_of_postgresql_are_missing_or_old(
    postgres_backoffice: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_account()
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setattr(postgres_copy, "_BINARIES", programs)
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(DomainError) as refused:
        back_up(tmp_path / "backups")
    assert refused.value.code == "pg_dump_missing"
    old = programs / "pg_dump"
    old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n")
    old.chmod(0o755)
    with pytest.raises(DomainError) as refused:
        back_up(tmp_path / "backups")
    assert refused.value.code == "pg_dump_too_old"
    assert backups_in(tmp_path / "backups") == [] and not Backup.objects.exists()


def test_a_folder_that_cannot_be_written_to_stops_no_start(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    prove_start(timezone.now())
    token = Start.objects.get().token

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(starts, "write_epoch_file", full)
    assert prove_start(timezone.now()) == [] and Start.objects.get().token == token
    monkeypatch.undo()
    assert prove_start(timezone.now()) == []


def test_nothing_is_replaced_unasked(backoffice: Database, till: Till, tmp_path: Path) -> None:
    back_up(tmp_path / "backups")
    with pytest.raises(DomainError) as refused:
        restore(backoffice, tmp_path / "backups", replace=False)
    assert refused.value.code == "not_empty"
    with pytest.raises(DomainError) as refused:
        restore(backoffice, tmp_path)
    assert refused.value.code == "no_backup"


def test_not_while_it_is_served(backoffice: Database, till: Till, tmp_path: Path) -> None:
    back_up(tmp_path / "backups")
    folder = None if backoffice.url else backoffice.folder
    wanted = "database_in_use" if backoffice.url else "backoffice_running"
    Register.objects.count()  # a connection, as a server has
    with serving(folder), pytest.raises(DomainError) as refused:
        put_back(tmp_path / "backups", folder, backoffice.url, True, timezone.now())
    assert refused.value.code == wanted


def test_what_the_restore_undid_is_confirmed_again(
    backoffice: Database, till: Till, tmp_path: Path
) -> None:
    now = timezone.now()
    make_backup(tmp_path / "backups", 14, False, now)
    revoke(till.register, None)
    (report,) = restore(backoffice, tmp_path / "backups")
    assert Register.objects.get().state == "active"
    items = {item.kind: item for item in report.items.all()}
    assert items.keys() == {"register", "revoked"} and report.log_found
    confirm(report.account_id, items["revoked"].id, True, None)
    assert Register.objects.get().state == "revoked"
    with pytest.raises(DomainError):
        confirm(report.account_id, items["revoked"].id, True, None)
    assert RestoreItem.objects.filter(confirmed_at=None).count() == 1


def test_a_swapped_database_is_noticed_and_a_lost_file_is_not_mistaken_for_it(till: Till) -> None:
    now, before = timezone.now(), server_epoch()
    assert prove_start(now) == [] and prove_start(now) == []
    older = Start.objects.get().token
    assert prove_start(now) == []
    Start.objects.update(token=older)  # as an older copy has it
    (report,) = prove_start(now)
    raised = server_epoch()
    assert report.kind == "swapped" and raised == report.server_epoch != before
    assert prove_start(now) == [] and server_epoch() == raised

    folder = outside.state_folder()
    assert folder is not None
    (folder / outside.EPOCH_FILE).unlink()
    assert prove_start(now) == [] and prove_start(now) == [] and server_epoch() == raised


def test_a_start_that_was_broken_off_is_no_swap(till: Till) -> None:
    now = timezone.now()
    prove_start(now)
    folder = outside.state_folder()
    assert folder is not None
    file = outside.read_epoch_file(folder)
    assert file is not None
    half = outside.EpochFile(place=file.place, epoch=file.epoch, token=file.token, next="b" * 32)
    outside.write_epoch_file(folder, half)  # the row was not written
    assert prove_start(now) == []
    row = Start.objects.get()
    half = outside.EpochFile(place=file.place, epoch=file.epoch, token="c" * 32, next=row.token)
    outside.write_epoch_file(folder, half)  # the row was written, the file not yet
    assert prove_start(now) == []


def test_entries_gone_on_both_sides_are_declared(
    backoffice: Database, till: Till, tmp_path: Path
) -> None:
    till.open_shift()
    till.send()
    back_up(tmp_path / "backups")
    till.sell(100)
    till.sell(200)
    till.send()
    restore(backoffice, tmp_path / "backups")
    till.sell(300)
    gone, there = till.entries[2], till.entries[3:]
    till.send([])
    # Of its entries 2 and 3 the register has nothing left, either.
    answer = till.send(
        there, gaps=(Gap(2, 3, gone.hash),), acked_seq=1, acked_hash=till.entries[0].hash
    )
    assert answer.ack.seq == 4
    assert [r.total for r in Receipt.objects.all()] == [300]
    missing = ExceptionItem.objects.get(code="entries_missing")
    assert (missing.details["first"], missing.details["last"]) == (2, 3)
    assert missing.details["critical"] is True
