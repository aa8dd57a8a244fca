"""The mirror: each entry in a second folder before paid is shown; pulled, full, back again."""

import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from stillopen.domain.errors import DomainError
from stillopen.register import mirror as mirrors
from stillopen.register.mirror import Mirror, choose, chosen
from stillopen.register.serve import begin_mirror
from stillopen.register.session import Session
from stillopen.register.store.journal import FILE, Journal
from stillopen.register.store.mirror_files import files_of, mirror_in, read_mirror
from stillopen.register.syncer.engine import Engine
from stillopen.register.till import Till
from stillopen.register.usecases.activate import take_activation
from stillopen.register.usecases.inspect_journal import export_lines, verify_journal
from stillopen.register.usecases.recover import recover
from stillopen.register.usecases.status import status
from stillopen.register.web.view_line import line_view
from stillopen.sync.journalfile import read_lines
from stillopen.sync.messages import Ack
from tests.register.selling import one_sale
from tests.register.test_activation import answer


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    folder = tmp_path / "stick"
    folder.mkdir()
    return folder


@pytest.fixture
def mirrored(till: Till, session: Session, stick: Path) -> Iterator[Till]:
    begin_mirror(till, str(stick))
    yield till


def on(stick: Path) -> list[int]:
    """The numbers on the mirror."""
    found = mirror_in(stick)
    return [entry.seq for _, entry, _ in read_mirror(found)] if found else []


def seqs(till: Till) -> list[int]:
    return list(range(1, till.journal.head().seq + 1))


def wait_until_ok(till: Till, within: float = 8.0) -> None:
    end = time.monotonic() + within
    while till.mirror is not None and not till.mirror.view().ok:
        assert time.monotonic() < end, till.mirror.view()
        time.sleep(0.02)


def test_each_sale_is_on_the_mirror_when_it_is_paid(
    mirrored: Till, session: Session, stick: Path
) -> None:
    for _ in range(3):
        one_sale(mirrored, session)
        assert on(stick) == seqs(mirrored)
    assert status(mirrored).mirror is not None and status(mirrored).mirror.ok
    verdict = verify_journal(stick)
    assert (verdict.entries, verdict.faults) == (mirrored.journal.head().seq, ())
    assert verdict.head == mirrored.journal.head().hash.hex()
    exported = list(export_lines(stick))
    assert [r.entry for r in read_lines(exported)] == mirrored.journal.entries.raw_after(0, 99)


def test_a_pulled_stick_stops_nothing_and_is_caught_up(
    mirrored: Till, session: Session, stick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "RETRY", 0.05)
    one_sale(mirrored, session)
    (stick / "elsewhere").mkdir()
    found = mirror_in(stick)
    assert found is not None
    away = tmp_path / "away"
    shutil.move(found, away)  # the mount point stays behind, empty
    one_sale(mirrored, session)
    started = time.monotonic()
    one_sale(mirrored, session)
    assert time.monotonic() - started < 0.5
    view = status(mirrored).mirror
    assert view is not None and not view.ok and view.missing == 2
    assert "2 entries are on this disk alone" in line_view(mirrored).message
    assert mirror_in(stick) is None  # nothing was written into the empty mount point

    shutil.move(away, found)
    wait_until_ok(mirrored)
    assert on(stick) == seqs(mirrored)
    assert "on this disk alone" not in line_view(mirrored).message


def test_a_torn_line_is_cut_off(mirrored: Till, session: Session, stick: Path) -> None:
    one_sale(mirrored, session)
    assert mirrored.mirror is not None
    mirrored.mirror.close()
    found = mirror_in(stick)
    assert found is not None
    (file,) = files_of(found)
    whole = file.read_bytes()
    file.write_bytes(whole[:-40])
    begin_mirror(mirrored, None)  # remembered
    one_sale(mirrored, session)
    assert on(stick) == seqs(mirrored)
    assert verify_journal(stick).faults == ()


def test_a_new_mirror_begins_at_what_is_unsent(till: Till, session: Session, stick: Path) -> None:
    one_sale(till, session)
    head = till.journal.head()
    till.journal.sending.set_ack(Ack(head.epoch, head.seq, head.hash))
    begin_mirror(till, str(stick))
    one_sale(till, session)
    assert on(stick) == [head.seq + 1]
    assert verify_journal(stick).faults == ()


def test_a_hanging_share_holds_up_one_sale_for_a_moment(
    till: Till, session: Session, stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(till.journal, stick)
    choice = chosen(till.journal)
    assert choice is not None
    till.mirror = Mirror(till.journal, choice, till.data_dir, till.clock, patience=0.2)
    till.mirror.start()
    waiting = time.sleep
    monkeypatch.setattr(
        "stillopen.register.store.mirror_files.os.fdatasync", lambda _: waiting(0.7)
    )
    started = time.monotonic()
    one_sale(till, session)
    first = time.monotonic() - started
    one_sale(till, session)
    assert 0.2 <= first < 0.6 and time.monotonic() - started - first < 0.15
    assert not till.mirror.view().ok
    monkeypatch.undo()
    wait_until_ok(till)
    assert on(stick) == seqs(till)


def test_a_disk_that_went_back_does_not_mix_into_the_mirror(
    mirrored: Till, session: Session, stick: Path
) -> None:
    one_sale(mirrored, session)
    assert mirrored.mirror is not None
    mirrored.mirror.close()
    head = mirrored.journal.head()
    with mirrored.journal.transaction() as db:  # as after an image: another sale under this number
        db.execute("UPDATE entry SET hash = ? WHERE seq = ?", b"h" * 32, head.seq)
        db.forget("head")
    begin_mirror(mirrored, None)
    one_sale(mirrored, session)
    assert on(stick) == seqs(mirrored)
    assert len(list(stick.glob("stillopen-set-aside-*"))) == 1


def test_a_dead_disk_is_made_again_from_the_mirror(
    mirrored: Till, session: Session, stick: Path, tmp_path: Path
) -> None:
    sold = [one_sale(mirrored, session) for _ in range(3)]
    old = mirrored.journal.head()
    done = recover(stick, tmp_path / "new")
    assert (done.entries, done.sales) == (old.seq, 3)
    assert done.register == mirrored.require_identity().register
    journal = Journal.open(tmp_path / "new" / FILE)
    epochs = [e.id for e in journal.identity.epochs()]
    assert epochs[0] == old.epoch and len(epochs) == 2
    assert journal.entries.head_of(old.epoch) == old
    assert journal.sending.epoch_to_send().id == old.epoch
    assert journal.sending.unsent().value == sum(s.receipt.total for s in sold)
    assert [r.receipt for r in journal.entries.sales("", 9, None)] == [
        s.receipt.number for s in reversed(sold)
    ]
    journal.close()
    with pytest.raises(DomainError) as refused:
        recover(stick, tmp_path / "new")
    assert refused.value.code == "journal_exists"
    with pytest.raises(DomainError) as refused:
        recover(tmp_path, tmp_path / "newer")
    assert refused.value.code == "no_mirror"


@pytest.mark.parametrize("label", ["", "b", "x1234"])
def test_a_recovered_epoch_goes_on_under_its_label(
    mirrored: Till, session: Session, stick: Path, tmp_path: Path, label: str
) -> None:
    """Said without it, the Back Office would take back the letter that it gave."""
    old = mirrored.journal.head().epoch
    mirrored.journal.identity.label_epoch(label, old)
    assert one_sale(mirrored, session).receipt.number == f"S1-R1{label}-000001"
    recover(stick, tmp_path / "new")
    with closing(Till.open(tmp_path / "new")) as till:
        take_activation(till, "https://shop.example", answer(), False)
        outlook = Engine(till).outlook()
        assert (outlook.epoch, outlook.former, outlook.label) == (old, True, label)
        assert [e.label for e in till.journal.identity.epochs()] == [label, "b"]


def test_a_folder_that_cannot_be_written_to_is_refused(till: Till, tmp_path: Path) -> None:
    with pytest.raises(DomainError) as refused:
        begin_mirror(till, str(tmp_path / "missing"))
    assert refused.value.code == "bad_mirror" and till.mirror is None


def test_off_is_off(mirrored: Till, session: Session) -> None:
    assert mirrored.mirror is not None
    mirrored.mirror.close()
    begin_mirror(mirrored, "off")
    assert chosen(mirrored.journal) is None


@pytest.mark.soak
def test_what_a_mirror_costs(till: Till, session: Session, stick: Path) -> None:
    def timed() -> float:
        started = time.perf_counter()
        one_sale(till, session)
        return time.perf_counter() - started

    plain = [timed() for _ in range(300)]
    begin_mirror(till, str(stick))
    with_mirror = [timed() for _ in range(300)]
    print(f"\nsale p50 {statistics.median(plain) * 1000:.2f} ms, with a mirror ", end="")
    print(f"{statistics.median(with_mirror) * 1000:.2f} ms")
    assert statistics.median(with_mirror) < statistics.median(plain) + 0.02
