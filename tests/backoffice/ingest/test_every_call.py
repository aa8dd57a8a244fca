"""Every address of the sync API: nothing without a proof, nothing of another account, and to a revoked
device nothing but the ear that takes its facts. A new address without an entry here fails the test."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from stillopen.backoffice.devices.licensing import license_digest
from stillopen.backoffice.devices.models import Epoch, Register
from stillopen.backoffice.ledger.models import Receipt
from stillopen.backoffice.sync_api.http import SyncApi
from stillopen.sync import proof
from stillopen.sync.codec import pack
from stillopen.sync.messages import ActivateRequest, DeactivateRequest, Pull
from tests.backoffice.ingest.served import HttpTill, answer_of, copied, publish_something, served
from tests.backoffice.ingest.till import Till, make_account, make_store, make_till
from tests.support.process import Server

Sent = tuple[str, str, bytes, bytes, bytes]  # method, path, body, purpose, subject of the signature


def _exchange(till: Till, nonce: bytes) -> Sent:
    body = pack(till.request((), nonce=nonce, pull=Pull(server_epoch="", snapshot=True)))
    return "POST", "exchange", body, proof.EXCHANGE, body


def _deactivate(till: Till, nonce: bytes) -> Sent:
    request = DeactivateRequest(
        register=str(till.register.id), nonce=nonce, epoch=till.epoch, head_seq=0, head_hash=b""
    )
    body = pack(request)
    return "POST", "deactivate", body, proof.DEACTIVATE, body


def _poke(till: Till, nonce: bytes) -> Sent:
    return "GET", "poke", b"", proof.POKE, b""


def _snapshot(till: Till, nonce: bytes) -> Sent:
    name = "ab" * 32
    return "GET", f"snapshot/{name}", b"", proof.SNAPSHOT, name.encode()


#: Every address that needs a proof.
PROVEN: dict[str, Callable[[Till, bytes], Sent]] = {
    "exchange": _exchange,
    "deactivate": _deactivate,
    "poke": _poke,
    "snapshot/": _snapshot,
}
#: Those that cannot have one, each with a test of its own below.
OPEN = {"ping", "activate"}


def routes() -> dict[str, Any]:
    parts: list[Any] = [None] * len(inspect.signature(SyncApi).parameters)
    return SyncApi(*parts)._routes


def test_every_address_is_looked_at_here() -> None:
    assert set(routes()) - set(PROVEN) - OPEN == set()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    engine = "sqlite" if request.param == "sqlite" else "postgres"
    template = request.getfixturevalue(f"{engine}_template")
    folder = tmp_path_factory.mktemp("calls")
    with copied(template, folder) as database, served(database, folder) as server:
        database.point()
        yield server


@pytest.fixture
def http(server: Server) -> Iterator[HttpTill]:
    one = HttpTill(make_till(make_store(make_account())), server.url)
    yield one
    one.client.close()


CALLS = sorted(set(routes()) & set(PROVEN))
on_every_call = pytest.mark.parametrize("name", CALLS)


def ask(http: HttpTill, name: str, signer: Till | None = None, **how: Any) -> httpx.Response:
    """Ask as ``http``'s register; ``signer`` signs, with ``nonce``; ``proven`` False: without a header."""
    till, nonce = http.till, how.get("nonce", http.till.nonce)
    method, path, body, purpose, subject = PROVEN[name](till, nonce)
    signature = proof.sign((signer or till).key, purpose, nonce, subject).hex()
    register = how.get("register", till.register).id
    headers = {proof.HEADER: f"{register}:{signature}:{nonce.hex()}"}
    proven = how.get("proven", True)
    return http.client.request(method, f"/{path}", content=body, headers=headers if proven else {})


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


@on_every_call
def test_without_a_proof(http: HttpTill, name: str) -> None:
    assert code(ask(http, name, proven=False)) == (401, "bad_proof")


@on_every_call
def test_with_the_proof_of_another_accounts_device(http: HttpTill, name: str) -> None:
    other = make_till(make_store(make_account("Other")))
    assert code(ask(http, name, other)) == (401, "bad_proof")
    if name != "poke":  # what it signs as itself is about another: nothing comes of it
        as_other = ask(http, name, other, register=other.register)
        assert as_other.status_code in (400, 401, 404)
    assert Register.objects.get(id=http.till.register.id).state == "active"


@on_every_call
def test_with_a_nonce_that_is_not_in_force(http: HttpTill, name: str) -> None:
    publish_something(http.till)
    response = ask(http, name, nonce=b"of yesterday")
    if name == "exchange":
        answer = answer_of(response)
        assert answer.stale and answer.page is None and not answer.feed_behind
    else:
        assert response.json()["code"] == "stale_nonce" and response.status_code in (401, 409)
    assert Register.objects.get(id=http.till.register.id).state == "active"


@on_every_call
def test_of_a_revoked_register(http: HttpTill, name: str) -> None:
    publish_something(http.till)
    Register.objects.filter(id=http.till.register.id).update(state=Register.State.REVOKED)
    if name != "exchange":
        assert ask(http, name).json()["code"] == "revoked"
        return
    http.till.sell(100)
    pull = Pull(server_epoch="", snapshot=True)
    answer = http.send(http.till.entries, pull=pull, cursors_hash=b"x", live=pull, live_hash=b"x")
    assert answer.ack.seq == 1 and [i.do for i in answer.instructions] == ["revoked"]
    assert (answer.page, answer.snapshot, answer.live) == (None, None, None)
    assert not (answer.feed_behind or answer.live_behind)


def test_an_exchange_shows_nothing_of_another_account(http: HttpTill) -> None:
    stranger = HttpTill(
        make_till(make_store(make_account("Other"))), str(http.client.base_url)[:-9]
    )
    publish_something(stranger.till)
    http.till.sell(100)
    http.send(http.till.entries)
    page = http.send(pull=Pull(server_epoch="", snapshot=True)).page
    assert page is not None and page.rows == ()
    assert stranger.send(pull=Pull(server_epoch="", snapshot=True)).ack.seq == 0
    assert not Receipt.objects.filter(account_id=stranger.till.register.account_id).exists()
    stranger.client.close()


def test_ping_tells_nothing(http: HttpTill) -> None:
    assert http.client.get("/ping").content == b'{"stillopen":1}'


def test_a_license_key_opens_only_its_own_account(http: HttpTill) -> None:
    store = make_store(make_account("Other"), "S9")
    key = uuid4().hex.upper()
    Register.objects.create(
        account=store.account, store=store, name="R9", license_digest=license_digest(key)
    )
    request = ActivateRequest(
        account=http.till.register.account.public_id,
        license_key=key,
        public_key=bytes(range(32)),
        fingerprint="f",
        device="Till",
        epoch=uuid4().hex,
    )
    response = http.client.post("/activate", content=pack(request))
    assert code(response) == (404, "unknown_license")


# -- deactivation


def give_back(http: HttpTill, **changes: Any) -> httpx.Response:
    till = http.till
    fields = {
        "register": str(till.register.id),
        "nonce": till.nonce,
        "epoch": till.epoch,
        "head_seq": len(till.entries),
        "head_hash": till.head,
    }
    body = pack(DeactivateRequest(**{**fields, **changes}))  # type: ignore[arg-type]
    nonce = changes.get("nonce", till.nonce)
    signature = proof.sign(till.key, proof.DEACTIVATE, nonce, body).hex()
    header = {proof.HEADER: f"{till.register.id}:{signature}"}
    return http.client.post("/deactivate", content=body, headers=header)


def test_a_register_is_given_back_only_when_all_of_it_has_arrived(http: HttpTill) -> None:
    till = http.till
    till.sell(100)
    assert code(give_back(http)) == (409, "not_synced")
    http.send(till.entries)
    assert code(give_back(http, head_hash=bytes(32))) == (409, "not_synced")
    first = give_back(http, nonce=b"")
    assert code(first) == (409, "stale_nonce")
    till.nonce = bytes.fromhex(first.json()["details"]["nonce"])
    assert give_back(http).status_code == 200
    assert give_back(http).status_code == 200  # the answer was lost
    register = Register.objects.get(id=till.register.id)
    assert register.state == "new" and Epoch.objects.get(branch=till.epoch).acked_seq == 1
    assert ask(http, "poke").json()["code"] == "revoked"
    till.nonce = http.send().nonce
    till.sell(200)
    late = http.send(till.entries[-1:], pull=Pull(server_epoch="", snapshot=True))
    assert (late.ack.seq, late.page) == (2, None)  # facts are never refused


def test_another_machine_does_not_give_it_back(http: HttpTill) -> None:
    Register.objects.filter(id=http.till.register.id).update(fingerprint="m1")
    assert code(give_back(http, machine="m2")) == (409, "another_machine")
    assert give_back(http, machine="m1").status_code == 200
