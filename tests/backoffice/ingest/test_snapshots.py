"""Snapshot files: made once for all registers of an account, given in ranges, and only to whom they belong."""

import sqlite3
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
import zstandard
from django.conf import settings

from stillopen.backoffice.devices.models import Register
from stillopen.backoffice.feed import offers, snapshot_files
from stillopen.backoffice.feed.ahead import make_ahead
from stillopen.backoffice.feed.models import Published, ServerEpoch
from stillopen.backoffice.feed.publish import RecordChange, publish
from stillopen.domain.pricing import Price
from stillopen.sync import proof, records
from stillopen.sync.digest import Sums, add, from_bytes, row_digest
from stillopen.sync.messages import ExchangeAnswer, Pull, SnapshotOffer
from stillopen.sync.snapshot import FORMAT, WORTH
from tests.backoffice.ingest.served import HttpTill, copied, served
from tests.backoffice.ingest.till import Till, make_account, make_store, make_till
from tests.support.backoffice import Database
from tests.support.process import Server

GOODS, NEWS = 60, 30


def thing(n: int) -> bytes:
    return records.encode(
        records.ProductRecord(
            sku=f"S{n}",
            name=f"Thing {n} brûlée",
            prices=(Price(amount=n),),
            tax="t",
            barcodes=(f"40{n:011}",),
        )
    )


def put(account: UUID, count: int, start: int = 0) -> None:
    changes = [
        RecordChange("account", "product", UUID(int=n), thing(n))
        for n in range(start + 1, start + count + 1)
    ]
    publish(account, changes, "test")


def pull(till: Till, **other: object) -> Pull:
    fields: dict[str, object] = {"server_epoch": "", "snapshot": True, "formats": (FORMAT,)}
    return Pull(**(fields | other))  # type: ignore[arg-type]


# -- whether there is one -------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a file for much fewer rows than usual."""
    monkeypatch.setattr(settings, "DIR", tmp_path)
    monkeypatch.setattr(offers, "worth", GOODS - 10)
    monkeypatch.setattr(snapshot_files, "NEWS", NEWS)
    return tmp_path / "snapshots"


@pytest.fixture
def account(till: Till, place: Path) -> UUID:
    account: UUID = till.register.account_id
    put(account, GOODS)
    return account


def ask(till: Till, **other: object) -> ExchangeAnswer:
    return till.send((), pull=pull(till, **other))


def offered(till: Till, **other: object) -> SnapshotOffer:
    answer = ask(till, **other)
    assert answer.snapshot is not None and answer.page is None and answer.feed_behind
    return answer.snapshot


def unpacked(path: Path, target: Path) -> sqlite3.Connection:
    target.write_bytes(zstandard.ZstdDecompressor().decompress(path.read_bytes()))
    return sqlite3.connect(target)


def test_the_file_holds_the_account_scope_and_nothing_else(
    till: Till, account: UUID, place: Path, tmp_path: Path
) -> None:
    put(uuid4(), 3, start=9000)
    store = f"store:{till.register.store_id}"
    publish(account, [RecordChange(store, "employee", uuid4(), b"{}")], "test")
    publish(account, [RecordChange("account", "product", UUID(int=1), None)], "test")
    offer = offered(till)
    [file] = place.glob("*.zst")
    assert blake2b(file.read_bytes(), digest_size=32).hexdigest() == offer.hash
    assert (offer.size, offer.rows, offer.head.seq) == (file.stat().st_size, GOODS - 1, GOODS + 1)
    db = unpacked(file, tmp_path / "file.db")
    rows = db.execute("SELECT scope, kind, id, payload FROM row").fetchall()
    live = Published.objects.filter(account_id=account, scope="account", deleted=False)
    assert sorted(rows) == sorted(
        ("account", r.kind, str(r.record), bytes(r.payload)) for r in live
    )
    sums: Sums = {}
    for scope, kind, record, payload in rows:
        add(sums, (scope, kind), row_digest(kind, record, payload))
    kept = db.execute("SELECT scope, kind, value FROM sum").fetchall()
    assert {(s, k): from_bytes(v) for s, k, v in kept} == sums
    assert db.execute("SELECT * FROM cursor").fetchall() == [
        ("account", offer.head.seq, offer.head.chain)
    ]
    assert db.execute("SELECT count(*) FROM words WHERE words MATCH 'brulee*'").fetchone() == (
        GOODS - 1,
    )
    db.close()


def test_it_is_made_once_and_again_only_when_much_is_new(
    till: Till, account: UUID, place: Path
) -> None:
    first = offered(till)
    other = make_till(till.register.store, "R2")
    assert offered(other) == first
    put(account, NEWS, start=GOODS)
    assert offered(till) == first  # what came after it comes as pages
    put(account, 1, start=9_000)
    second = offered(till)
    assert second.head.seq == GOODS + NEWS + 1
    put(account, NEWS + 1, start=20_000)
    third = offered(other)
    assert {f.hash for f in snapshot_files.files(str(account))} == {second.hash, third.hash}


def test_it_is_made_ahead_and_again_only_when_much_is_new(
    till: Till, account: UUID, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = make_account("Small")
    put(small.id, 10, start=70_000)
    make_ahead()
    [file] = snapshot_files.files(str(account))
    assert not snapshot_files.files(str(small.id))
    put(account, NEWS, start=GOODS)
    make_ahead()
    assert snapshot_files.files(str(account)) == [file]
    with monkeypatch.context() as nobody_builds:
        nobody_builds.setattr(snapshot_files, "build", None)
        assert offered(till).hash == file.hash
    put(account, 1, start=9_000)
    make_ahead()
    assert len(snapshot_files.files(str(account))) == 2


def test_pages_for_whoever_does_not_know_the_format(till: Till, account: UUID) -> None:
    for formats in ((), ("catalogue-sqlite-1+zstd",)):
        answer = ask(till, formats=formats)
        assert answer.snapshot is None and answer.page is not None and answer.page.snapshot


def test_pages_for_a_small_catalogue_and_for_little_news(
    till: Till, account: UUID, place: Path
) -> None:
    small = make_till(make_store(make_account("Small")))
    put(small.register.account_id, 10)
    assert ask(small).page is not None
    epoch = ServerEpoch.objects.get().epoch
    cursors = offered(till).head
    put(account, 20, start=30_000)
    answer = ask(till, server_epoch=epoch, cursors=(cursors,), snapshot=False)
    assert answer.page is not None and len(answer.page.rows) == 20
    assert ask(till, staged={"account": 40}, server_epoch=epoch).page is not None


def test_a_restored_server_makes_another_file(till: Till, account: UUID) -> None:
    first = offered(till)
    ServerEpoch.objects.update(epoch="f" * 32)
    second = offered(till, server_epoch=first.server_epoch, cursors=(first.head,), snapshot=False)
    assert second.server_epoch == "f" * 32 and second.hash != first.hash


def test_no_file_no_trouble(till: Till, account: UUID, place: Path) -> None:
    place.write_text("in the way")
    answer = ask(till)
    assert answer.snapshot is None and answer.page is not None


# -- who gets it, over HTTP -----------------------------------------------------------------


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Database, Server]]:
    engine = "sqlite" if request.param == "sqlite" else "postgres"
    template = request.getfixturevalue(f"{engine}_template")
    folder = tmp_path_factory.mktemp("shared")
    with copied(template, folder) as database, served(database, folder) as server:
        yield database, server


@pytest.fixture
def http(shared: tuple[Database, Server]) -> Iterator[HttpTill]:
    shared[0].point()
    one = HttpTill(make_till(make_store(make_account())), shared[1].url)
    put(one.till.register.account_id, WORTH + 100)
    yield one
    one.client.close()


def get(
    http: HttpTill, name: str, till: Till | None = None, said: str = "", **changes: bytes
) -> httpx.Response:
    """The file ``name``; ``changes`` are the purpose, nonce or subject that are signed instead."""
    by = till or http.till
    nonce = changes.get("nonce", by.nonce)
    signature = proof.sign(
        by.key, changes.get("purpose", proof.SNAPSHOT), nonce, changes.get("subject", name.encode())
    )
    headers = {proof.HEADER: f"{by.register.id}:{signature.hex()}:{nonce.hex()}"}
    if said:
        headers["Range"] = said
    return http.client.get(f"/snapshot/{name}", headers=headers)


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def test_in_ranges_to_a_register_of_the_account(http: HttpTill) -> None:
    offer = http.send(pull=pull(http.till)).snapshot
    assert offer is not None
    parts, at = [], 0
    while at < offer.size:
        response = get(http, offer.hash, said=f"bytes={at}-{at + 29_999}")
        assert response.status_code == 206
        end = at + len(response.content) - 1
        assert response.headers["content-range"] == f"bytes {at}-{end}/{offer.size}"
        parts.append(response.content)
        at = end + 1
    whole = b"".join(parts)
    assert len(parts) > 1 and blake2b(whole, digest_size=32).hexdigest() == offer.hash
    assert get(http, offer.hash).content == whole
    assert code(get(http, offer.hash, said=f"bytes={offer.size}-")) == (416, "bad_range")
    assert code(get(http, offer.hash, said="rows=1-2")) == (400, "bad_request")


def test_to_nobody_else(http: HttpTill) -> None:
    offer = http.send(pull=pull(http.till)).snapshot
    assert offer is not None
    name = offer.hash
    assert code(http.client.get(f"/snapshot/{name}")) == (401, "bad_proof")
    assert code(get(http, name, subject=b"0" * 64)) == (401, "bad_proof")
    assert code(get(http, name, purpose=proof.POKE)) == (401, "bad_proof")
    assert code(get(http, name, nonce=b"an older one")) == (401, "stale_nonce")
    stranger = make_till(make_store(make_account("Next door")))
    HttpTill(stranger, str(http.client.base_url).removesuffix("/sync/v1/")).send()
    assert code(get(http, name, till=stranger)) == (404, "not_found")
    assert code(get(http, "0" * 64)) == (404, "not_found")
    assert code(get(http, "..%2F..%2Fbackoffice.db", subject=b"../../backoffice.db"))[0] in (
        401,
        404,
    )
    Register.objects.filter(id=http.till.register.id).update(state="revoked")
    assert code(get(http, name)) == (401, "revoked")
    answer = http.send(pull=pull(http.till))
    assert answer.snapshot is None and answer.page is None
