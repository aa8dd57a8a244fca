"""A snapshot file: fetched in pieces, checked, completed beside what is in force, put in its place at once."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from hashlib import blake2b
from pathlib import Path

import pytest
import zstandard

from stillopen.register.store.catalogue import Catalogue
from stillopen.register.syncer.snapshots import BadSnapshot, Download, take
from stillopen.sync.messages import Cursor, FeedRow, SnapshotOffer
from stillopen.sync.snapshot import FORMAT
from tests.register.shop import feed_row, product

ACCOUNT, STORE = "account", "store:1"
HEAD = Cursor(ACCOUNT, 3000, b"h" * 32)


def goods(seq: int, key: str, name: str, scope: str = ACCOUNT) -> FeedRow:
    return feed_row(seq, scope, key, product(key, name, 100, [f"b-{key}"]))


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The account scope with 3 000 things, as a file."""
    path = tmp_path_factory.mktemp("server") / "catalogue.db"
    made = Catalogue.open(path)
    made.begin(snapshot=True)
    made.stage([goods(n, f"k{n}", f"Thing {n:04}") for n in range(1, 3001)])
    made.switch([HEAD], "server-1")
    made.close()
    return zstandard.ZstdCompressor().compress(path.read_bytes())


def offer_of(data: bytes, **other: object) -> SnapshotOffer:
    fields: dict[str, object] = {
        "hash": blake2b(data, digest_size=32).hexdigest(),
        "size": len(data),
        "format": FORMAT,
        "server_epoch": "server-1",
        "head": HEAD,
        "rows": 3000,
    }
    return SnapshotOffer(**(fields | other))  # type: ignore[arg-type]


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    """What is in force before: one thing of the account, one of the store."""
    made = Catalogue.open(tmp_path / "catalogue.db")
    made.begin(snapshot=True)
    made.stage([goods(1, "old", "Old thing"), goods(1, "s", "Soup", STORE)])
    made.switch([Cursor(ACCOUNT, 1, b"c" * 32), Cursor(STORE, 1, b"c" * 32)], "server-1")
    yield made
    made.close()


class Line:
    """Serves ``data``; breaks off after ``breaks`` bytes, each time."""

    def __init__(self, data: bytes, breaks: int = 1 << 40) -> None:
        self.data, self.breaks = data, breaks
        self.asked: list[int] = []

    async def read(self, first: int, count: int) -> AsyncIterator[bytes]:
        self.asked.append(first)
        for at in range(first, min(first + count, len(self.data)), 1000):
            if at - first >= self.breaks:
                raise ConnectionError
            yield self.data[at : min(at + 1000, first + count)]


def fetch(line: Line, offer: SnapshotOffer, folder: Path) -> Download:
    """Until it is there, however often the line breaks."""
    download = Download(offer, folder)
    while True:
        try:
            asyncio.run(download.run(line.read, lambda have: None))
            return download
        except ConnectionError:
            download = Download(offer, folder)  # as after a restart


def complete(catalogue: Catalogue, *rows: FeedRow) -> None:
    """The pages that follow on a snapshot, and the switch."""
    catalogue.begin(snapshot=False)
    catalogue.stage(rows)
    catalogue.switch([Cursor(ACCOUNT, 3001, b"x" * 32), Cursor(STORE, 2, b"y" * 32)], "server-1")


def names(catalogue: Catalogue, text: str) -> list[str]:
    return [item.record.name for item in catalogue.search(text)]


def test_the_old_catalogue_serves_until_the_new_one_is_complete(
    catalogue: Catalogue, packed: bytes, tmp_path: Path
) -> None:
    heard: list[int] = []
    catalogue.on_change(lambda: heard.append(catalogue.generation))
    before = catalogue.generation
    assert take(fetch(Line(packed), offer_of(packed), tmp_path), catalogue)
    assert catalogue.cursors() == (HEAD,)
    assert names(catalogue, "") == ["Old thing", "Soup"] and heard == []
    complete(catalogue, goods(3001, "k1", "Renamed"), goods(2, "s", "Stew", STORE))
    assert catalogue.count("product") == 3001 and heard == [before + 1]
    assert names(catalogue, "renamed") == ["Renamed"] and names(catalogue, "old") == []
    assert names(catalogue, "thing 2999") == ["Thing 2999"]
    assert catalogue.by_barcode("b-k77") is not None and catalogue.by_barcode("b-s") is not None


def test_it_is_still_there_after_a_restart(
    catalogue: Catalogue, packed: bytes, tmp_path: Path
) -> None:
    for seq in (1, 2):  # twice: the second takes the place of the first
        assert take(fetch(Line(packed), offer_of(packed), tmp_path), catalogue)
        complete(catalogue, goods(3001, "k1", f"Renamed {seq}"))
    cursors = catalogue.cursors()
    catalogue.close()
    again = Catalogue.open(tmp_path / "catalogue.db")
    assert again.cursors() == cursors and names(again, "renamed") == ["Renamed 2"]
    again.close()
    to_read = Catalogue.open_to_read(tmp_path / "catalogue.db")
    assert to_read.count("product") == 3000
    to_read.close()
    left = sorted(p.name for p in tmp_path.iterdir() if p.suffix == ".db")
    assert len(left) == 2 and left[-1] == "catalogue.db"


def test_one_that_was_not_completed_is_gone_after_a_restart(
    catalogue: Catalogue, packed: bytes, tmp_path: Path
) -> None:
    assert take(fetch(Line(packed), offer_of(packed), tmp_path), catalogue)
    catalogue.begin(snapshot=False)
    catalogue.stage([goods(3001, "k1", "Renamed")])
    catalogue.close()
    again = Catalogue.open(tmp_path / "catalogue.db")
    assert names(again, "") == ["Old thing", "Soup"]
    assert [c.seq for c in again.cursors()] == [1, 1]
    assert len(list(tmp_path.glob("catalogue*.db"))) == 1
    again.close()


def test_pages_that_begin_from_nothing_drop_it(
    catalogue: Catalogue, packed: bytes, tmp_path: Path
) -> None:
    assert take(fetch(Line(packed), offer_of(packed), tmp_path), catalogue)
    catalogue.begin(snapshot=True)
    assert names(catalogue, "") == ["Old thing", "Soup"]
    catalogue.stage([goods(1, "n", "New thing")])
    catalogue.switch([Cursor(ACCOUNT, 1, b"n" * 32)], "server-2")
    assert names(catalogue, "") == ["New thing"]


def test_whoever_reads_during_the_switch_finishes_with_the_old(
    catalogue: Catalogue, packed: bytes, tmp_path: Path
) -> None:
    old = catalogue._now
    assert take(fetch(Line(packed), offer_of(packed), tmp_path), catalogue)
    complete(catalogue)
    assert [record.name for _, record in old.search("", 10, 0)] == ["Old thing", "Soup"]
    assert catalogue.count("product") == 3000


def test_a_cut_download_goes_on_where_it_stopped(packed: bytes, tmp_path: Path) -> None:
    line = Line(packed, breaks=len(packed) // 3)
    download = fetch(line, offer_of(packed), tmp_path)
    assert download.path.read_bytes() == packed
    assert len(line.asked) >= 3 and line.asked == sorted(set(line.asked))


def test_parts_of_another_file_are_thrown_away(packed: bytes, tmp_path: Path) -> None:
    (tmp_path / f"snapshot-{'0' * 64}.part").write_bytes(b"old")
    fetch(Line(packed), offer_of(packed), tmp_path)
    assert len(list(tmp_path.glob("*.part"))) == 1


def test_a_file_that_is_not_its_hash_is_not_taken(packed: bytes, tmp_path: Path) -> None:
    garbled = packed[:500] + bytes([packed[500] ^ 1]) + packed[501:]
    with pytest.raises(BadSnapshot):
        fetch(Line(garbled), offer_of(packed), tmp_path)
    assert not list(tmp_path.glob("*.part"))


def test_a_file_that_ends_early_is_not_waited_for_for_ever(packed: bytes, tmp_path: Path) -> None:
    with pytest.raises(BadSnapshot):
        fetch(Line(b""), offer_of(packed), tmp_path)


@pytest.mark.parametrize(
    "other",
    [{"hash": "../../etc/passwd"}, {"hash": "A" * 64}, {"format": "parchment"}, {"size": 0}],
)
def test_an_offer_that_nobody_can_take(
    other: dict[str, object], packed: bytes, tmp_path: Path
) -> None:
    with pytest.raises(BadSnapshot):
        Download(offer_of(packed, **other), tmp_path)


def nonsense(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(b"no database at all" * 5000)


def no_zstd(data: bytes) -> bytes:
    return b"neither compressed nor anything"


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize("spoil", [nonsense, no_zstd, half])
def test_a_broken_file_leaves_what_is_in_force(
    spoil: Callable[[bytes], bytes], catalogue: Catalogue, packed: bytes, tmp_path: Path
) -> None:
    data = spoil(packed)
    assert not take(fetch(Line(data), offer_of(data), tmp_path), catalogue)
    assert names(catalogue, "") == ["Old thing", "Soup"]
    assert len(list(tmp_path.glob("catalogue*.db"))) == 1 and not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    "other", [{"head": Cursor(ACCOUNT, 2999, b"h" * 32)}, {"server_epoch": "server-2"}]
)
def test_a_file_of_another_history_is_not_taken(
    other: dict[str, object], catalogue: Catalogue, packed: bytes, tmp_path: Path
) -> None:
    assert not take(fetch(Line(packed), offer_of(packed, **other), tmp_path), catalogue)
    assert [c.seq for c in catalogue.cursors()] == [1, 1]


def test_there_must_be_room_for_it(
    packed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("stillopen.register.syncer.snapshots.RESERVE", used.total * 2)
    with pytest.raises(BadSnapshot):
        fetch(Line(packed), offer_of(packed), tmp_path)
