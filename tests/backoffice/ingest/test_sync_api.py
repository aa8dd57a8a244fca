"""The sync API and the poke stream of a real server process, on both databases."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from statistics import median
from typing import Any
from uuid import uuid4

import httpx
import pytest

from stillopen.backoffice.devices.licensing import license_digest
from stillopen.backoffice.devices.models import Register
from stillopen.backoffice.feed.publish import beat
from stillopen.backoffice.ledger.models import Receipt
from stillopen.sync import proof
from stillopen.sync.codec import MAX_MESSAGE, pack, unpack
from stillopen.sync.messages import ActivateAnswer, ActivateRequest, Pull
from tests.backoffice.ingest.served import (
    HttpTill,
    answer_of,
    copied,
    next_event,
    publish_something,
    served,
)
from tests.backoffice.ingest.till import Till, make_account, make_store, make_till
from tests.support.backoffice import Database
from tests.support.process import Server

#: Seconds, where it is not asked how soon.
AT_LAST = 20.0


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Database, Server]]:
    """One database with a server on it for all of the module: each test brings an account of its own."""
    engine = "sqlite" if request.param == "sqlite" else "postgres"
    template = request.getfixturevalue(f"{engine}_template")
    folder = tmp_path_factory.mktemp("shared")
    with copied(template, folder) as database, served(database, folder) as server:
        yield database, server


@pytest.fixture
def server(shared: tuple[Database, Server]) -> Server:
    shared[0].point()
    return shared[1]


@pytest.fixture
def http(server: Server) -> Iterator[HttpTill]:
    one = HttpTill(make_till(make_store(make_account())), server.url)
    yield one
    one.client.close()


def refusal(response: httpx.Response) -> tuple[int, str]:
    body = response.json()
    assert set(body) == {"code", "message", "details"} and body["message"].endswith(".")
    return response.status_code, body["code"]


# -- calls


def test_an_exchange_over_http(http: HttpTill) -> None:
    http.till.open_shift()
    http.till.sell(100)
    answer = http.send(http.till.entries, cursors_hash=b"")
    assert (answer.ack.seq, answer.stale, answer.feed_behind) == (2, False, True)
    page = http.send(pull=Pull(server_epoch="", snapshot=True)).page
    assert page is not None and page.snapshot and not page.more
    assert Receipt.objects.get(register_id=http.till.register.id).total == 100


def test_refusals_are_json_and_the_server_goes_on(http: HttpTill, server: Server) -> None:
    base, client, till = f"{server.url}/sync/v1", http.client, http.till
    assert refusal(client.get("/exchange")) == (405, "method_not_allowed")
    assert refusal(client.post("/ping")) == (405, "method_not_allowed")
    assert refusal(client.get("/nothing")) == (404, "not_found")
    assert refusal(client.post("/exchange", content=b"x")) == (401, "bad_proof")
    for header in ("x", f"{till.register.id}:xyz", f"{till.register.id}:ä", "a:b:c:d", ":"):
        proofs = {proof.HEADER.encode(): header.encode()}
        assert httpx.post(f"{base}/exchange", content=b"x", headers=proofs).status_code in (
            400,
            401,
        )
    signed = {proof.HEADER: f"{till.register.id}:{till.sign(b'x').hex()}"}
    assert refusal(client.post("/exchange", content=b"x", headers=signed)) == (400, "bad_message")
    other = make_till(make_store(make_account("Other")))
    forged = HttpTill(Till(till.register, key=other.key, nonce=till.nonce), server.url)
    assert refusal(forged.exchange()) == (401, "bad_proof")
    assert http.send().ack.seq == 0


def test_a_body_that_is_too_large_or_cut_off(http: HttpTill, server: Server) -> None:
    announced = cut_off(server, http, MAX_MESSAGE * 2)
    assert b" 413 " in announced and b"too_large" in announced
    body = bytes(MAX_MESSAGE + 2 * 1024 * 1024)
    unannounced = http.client.post("/exchange", content=iter([body]), headers=http.poke_header())
    assert refusal(unannounced) == (413, "too_large")
    assert cut_off(server, http, 999) == b""
    http.till.sell(100)
    assert http.send(http.till.entries).ack.seq == 1


def cut_off(server: Server, http: HttpTill, length: int) -> bytes:
    """Announce ``length`` bytes, send four, hang up; what came back."""
    [(name, value)] = http.poke_header().items()
    head = (
        f"POST /sync/v1/exchange HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{name}: {value}"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        line.sendall(f"{head}\r\n\r\nhalf".encode())
        line.shutdown(socket.SHUT_WR)
        return line.makefile("rb").read()


def test_activation_over_http(server: Server) -> None:
    key = "-".join(uuid4().hex[:8].upper() for _ in range(2))
    store = make_store(make_account())
    Register.objects.create(
        account=store.account, store=store, name="R1", license_digest=license_digest(key)
    )
    request = ActivateRequest(
        account=store.account.public_id,
        license_key=key.lower().replace("-", " "),
        public_key=bytes(range(32)),
        fingerprint="f",
        device="Till",
        epoch=uuid4().hex,
    )

    def ask(**changes: Any) -> httpx.Response:
        plain = {f: getattr(request, f) for f in request.__struct_fields__}
        body = pack(ActivateRequest(**{**plain, **changes}))
        return httpx.post(f"{server.url}/sync/v1/activate", content=body)

    assert refusal(ask(license_key="nonsense")) == (404, "unknown_license")
    assert refusal(ask(public_key=b"short")) == (400, "bad_request")
    answer = unpack(ask().content, ActivateAnswer)
    assert (answer.register_name, answer.store_code, answer.currency) == ("R1", "S1", "EUR")
    assert ask().status_code == 200  # the same device again
    taken = ask(public_key=bytes(32), device="Thief")
    assert refusal(taken) == (409, "license_in_use")
    assert taken.json()["details"]["device"] == "Till"
    garbage = httpx.post(f"{server.url}/sync/v1/activate", content=b"\x80")
    assert refusal(garbage) == (400, "bad_message")


def timed(call: Callable[[], httpx.Response]) -> tuple[float, httpx.Response]:
    began = time.perf_counter()
    response = call()
    return time.perf_counter() - began, response


@pytest.mark.serial
def test_an_exchange_with_nothing_to_say_is_small_and_quick(http: HttpTill) -> None:
    """Beside an empty call of the same server in the same run; the quicker ones of each, for what else runs
    on the machine hits the longer call more often."""
    http.send()
    exchanges, pings = [], []
    for _ in range(60):
        pings.append(timed(lambda: http.client.get("/ping"))[0])
        took, response = timed(http.exchange)
        exchanges.append(took)
        http.till.nonce = answer_of(response).nonce
    assert len(pack(http.till.request())) + len(response.content) <= 600
    assert sorted(exchanges)[10] <= 4 * sorted(pings)[10] + 0.004


# -- the poke stream


@pytest.mark.serial
def test_a_heartbeat_comes_at_once_and_every_two_seconds(http: HttpTill) -> None:
    with http.listen() as events:
        next_event(events, "hb", 0.5)
        assert next_event(events, "hb", 2.6) > 1.5


def test_a_publication_pokes_the_registers_of_its_scope_only(
    http: HttpTill, server: Server
) -> None:
    other = HttpTill(make_till(http.till.register.store, "R2"), server.url)
    heard: list[str] = []

    def follow() -> None:
        with other.listen() as events:
            for event in events:
                heard.append(event)
                if heard.count("hb") == 3:
                    return

    thread = threading.Thread(target=follow)
    thread.start()
    with http.listen() as events:
        next_event(events, "hb", AT_LAST)
        publish_something(http.till, f"register:{http.till.register.id}")
        next_event(events, "poke", AT_LAST)
        publish_something(http.till, f"register:{http.till.register.id}")
        next_event(events, "poke", AT_LAST)
    thread.join()
    assert heard == ["hb"] * 3
    with other.listen() as events:
        publish_something(http.till, f"store:{http.till.register.store_id}")
        next_event(events, "poke", AT_LAST)


@pytest.mark.serial
def test_a_poke_leaves_with_the_commit(http: HttpTill) -> None:
    """Published by another process than the server: the file, or a notification, tells it at once."""
    took = []
    with http.listen() as events:
        next_event(events, "hb", 0.5)
        for _ in range(15):
            publish_something(http.till)
            began = time.monotonic()
            next_event(events, "poke", 1.0)
            took.append(time.monotonic() - began)
    assert median(took) <= 0.05


def test_the_pokes_of_one_account_never_reach_another(http: HttpTill, server: Server) -> None:
    stranger = HttpTill(make_till(make_store(make_account("Other"))), server.url)
    heard: list[str] = []

    def follow() -> None:
        with stranger.listen() as events:
            heard.extend(event for event, _ in zip(events, range(3), strict=False))

    thread = threading.Thread(target=follow)
    thread.start()
    with http.listen() as events:
        for _ in range(5):
            publish_something(http.till)
            next_event(events, "poke", AT_LAST)
            time.sleep(0.2)
    thread.join()
    assert heard == ["hb"] * 3


def poll(http: HttpTill, wait: float | str) -> httpx.Response:
    return http.client.get("/poke", params={"wait": wait}, headers=http.poke_header())


@pytest.mark.serial
def test_a_long_poll_answers_once_with_what_is_due(http: HttpTill) -> None:
    http.send()
    took, answer = timed(lambda: poll(http, 0.4))
    assert answer.text == "event: hb\ndata:\n\n" and 0.3 < took < 1.0
    assert answer.headers["content-length"] == str(len(answer.content))
    later = threading.Timer(0.3, publish_something, [http.till])
    later.start()
    took, answer = timed(lambda: poll(http, 5))
    later.join()
    assert "event: poke" in answer.text and took < 1.0
    took, answer = timed(lambda: poll(http, 5))  # it has not pulled yet
    assert "event: poke" in answer.text and took < 1.0


@pytest.mark.serial
def test_a_long_poll_wants_the_same_proof_and_ends_with_the_revocation(http: HttpTill) -> None:
    http.send()
    for wait in ("soon", "-1", "inf", "nan"):
        assert refusal(poll(http, wait)) == (400, "bad_request")
    overheard = http.poke_header()
    http.send()
    stale = http.client.get("/poke", params={"wait": 0}, headers=overheard)
    assert refusal(stale) == (401, "stale_nonce")

    def revoke() -> None:
        Register.objects.filter(id=http.till.register.id).update(state=Register.State.REVOKED)
        beat(http.till.register.account_id)

    later = threading.Timer(0.3, revoke)
    later.start()
    took, answer = timed(lambda: poll(http, 10))
    later.join()
    assert "event: revoked" in answer.text and took < 1.5
    assert refusal(poll(http, 10)) == (401, "revoked")


@pytest.mark.serial
def test_what_was_published_just_before_is_poked_at_once(http: HttpTill) -> None:
    http.send()
    publish_something(http.till)
    with http.listen() as events:
        next_event(events, "poke", 1.0)


@pytest.mark.serial
def test_the_stream_ends_when_the_register_is_revoked(http: HttpTill) -> None:
    with http.listen() as events:
        next_event(events, "hb", 0.5)
        Register.objects.filter(id=http.till.register.id).update(state=Register.State.REVOKED)
        beat(http.till.register.account_id)
        next_event(events, "revoked", 1.0)
        assert list(events) == []
    response = http.client.get("/poke", headers=http.poke_header())
    assert refusal(response) == (401, "revoked")


def test_who_may_not_listen(http: HttpTill, server: Server) -> None:
    def status(headers: dict[str, str]) -> tuple[int, str]:
        return refusal(http.client.get("/poke", headers=headers))

    overheard = http.poke_header()
    http.send()
    assert status(overheard) == (401, "stale_nonce")
    assert status({}) == (401, "bad_proof")
    other = HttpTill(make_till(make_store(make_account("Other"))), server.url)
    forged = HttpTill(
        Till(http.till.register, key=other.till.key, nonce=http.till.nonce), "http://x"
    )
    assert status(forged.poke_header()) == (401, "bad_proof")
    unknown = other.poke_header()[proof.HEADER].replace(str(other.till.register.id), str(uuid4()))
    assert status({proof.HEADER: unknown}) == (401, "unknown_register")


@pytest.mark.serial
def test_a_fourth_stream_of_a_register_ends_the_first(http: HttpTill, server: Server) -> None:
    """Two tills from one copied disk both listen; what a register has left behind does not pile up."""
    others = [HttpTill(http.till, server.url) for _ in range(3)]
    with ExitStack() as stack:
        first = stack.enter_context(http.listen())
        streams = [stack.enter_context(other.listen()) for other in others]
        for stream in streams:
            next_event(stream, "hb", 0.5)
        assert set(first) <= {"hb"}  # it ends
        publish_something(http.till)
        for stream in streams:
            next_event(stream, "poke", 1.0)


def test_only_what_a_register_says_counts_as_heard_of(http: HttpTill) -> None:
    """A stream goes one way, and stays open on a line that died silently."""
    row = Register.objects.filter(id=http.till.register.id)
    with http.listen() as events:
        next_event(events, "hb", 2)
        next_event(events, "hb", 4)
        assert row.get().last_seen_at is None
        http.send()
        assert row.get().last_seen_at is not None
