"""Activation against a peer that speaks the protocol over real HTTP; tests/e2e has the Back Office itself."""

import asyncio
import http.server
import json
import socketserver
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from stillopen.domain.errors import DomainError
from stillopen.register import asking
from stillopen.register.keys import load_device
from stillopen.register.store.identity import Identity
from stillopen.register.till import Till
from stillopen.register.usecases.activate import activate, check_url
from stillopen.sync.codec import pack, unpack
from stillopen.sync.messages import ActivateAnswer, ActivateRequest
from tests.register.shop import NOON

Reply = tuple[int, bytes]


class Peer:
    """Keeps what was asked; ``reply`` makes the answer."""

    def __init__(self) -> None:
        self.asked: list[ActivateRequest] = []
        self.reply: Callable[[], Reply] = lambda: (200, pack(answer()))
        peer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.path == "/sync/v1/activate"
                peer.asked.append(unpack(body, ActivateRequest))
                status, content = peer.reply()
                self.send_response(status)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def answer(register: str = "r-1", name: str = "R1") -> ActivateAnswer:
    return ActivateAnswer(
        register=register,
        register_name=name,
        store="s-1",
        store_code="S1",
        store_name="Main street",
        account="AB12-CD34",
        account_name="Test shop",
        currency="EUR",
        epoch_label="b",
        pepper=b"pepper",
        nonce=b"nonce",
        server_epoch="server-1",
        server_time=NOON,
    )


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.close()


def ask(till: Till, peer: Peer) -> Identity:
    return asyncio.run(activate(till, peer.url + "/", " AB12-CD34 ", "KEY-1 "))


def test_the_device_becomes_a_register(tmp_path: Path, peer: Peer) -> None:
    folder = tmp_path / "till"
    with closing(Till.open(folder)) as till:
        epoch = till.journal.head().epoch
        identity = ask(till, peer)
        assert (identity.store_code, identity.register_name, identity.backoffice) == (
            "S1", "R1", peer.url,
        )  # fmt: skip
    (asked,) = peer.asked
    assert (asked.account, asked.license_key, asked.epoch) == ("AB12-CD34", "KEY-1", epoch)
    assert len(asked.public_key) == 32 and asked.fingerprint and asked.device
    with closing(Till.open(folder)) as again:
        assert again.require_identity() == identity
        assert again.device.pepper == b"pepper"
        assert again.device.public_key == asked.public_key
        present = again.journal.identity.epoch()
        assert present is not None and (present.id, present.label) == (epoch, "b")
        assert again.journal.sending.state().server_epoch == "server-1"
    assert stat.S_IMODE((folder / "device.json").stat().st_mode) == 0o600


def test_it_is_safe_to_repeat_but_not_as_another_register(tmp_path: Path, peer: Peer) -> None:
    with closing(Till.open(tmp_path / "till")) as till:
        first = ask(till, peer)
        assert ask(till, peer) == first
        assert peer.asked[0].public_key == peer.asked[1].public_key
        assert [x.register for x in peer.asked] == ["", first.register]
        peer.reply = lambda: (200, pack(answer("r-2", "R2")))
        with pytest.raises(DomainError) as refused:
            ask(till, peer)
        assert refused.value.code == "already_activated"
        assert till.require_identity() == first


def test_what_the_back_office_refuses_is_said_in_its_words(tmp_path: Path, peer: Peer) -> None:
    said = {
        "code": "license_in_use",
        "message": "In use on desk-2, last heard of yesterday.",
        "details": {"device": "desk-2", "last_seen": "2026-03-01T11:00:00Z"},
    }
    peer.reply = lambda: (409, json.dumps(said).encode())
    with closing(Till.open(tmp_path / "till")) as till:
        with pytest.raises(DomainError) as refused:
            ask(till, peer)
        assert (refused.value.code, refused.value.message) == (said["code"], said["message"])
        assert refused.value.details == said["details"]
        assert till.identity is None and till.device.pepper == b""


@pytest.mark.parametrize(
    "reply", [(200, b""), (200, b"hello"), (500, b"<h1>Error</h1>"), (302, b""), (404, b"{}")]
)
def test_what_answers_must_be_a_back_office(tmp_path: Path, peer: Peer, reply: Reply) -> None:
    peer.reply = lambda: reply
    with closing(Till.open(tmp_path / "till")) as till:
        with pytest.raises(DomainError) as refused:
            ask(till, peer)
        assert refused.value.code == "not_a_backoffice"
        assert till.identity is None


@contextmanager
def pouring(head: bytes, piece: bytes, pause: float) -> Iterator[tuple[str, list[int]]]:
    """A server whose answer never ends: its address, and how many bytes of it each caller took."""
    taken: list[int] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            taken.append(0)
            with suppress(OSError):
                self.request.sendall(head)
                while taken[-1] < 256 * 1024 * 1024:
                    self.request.sendall(piece)
                    taken[-1] += len(piece)
                    time.sleep(pause)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", taken
        server.shutdown()


@pytest.mark.parametrize("status", [200, 409])
def test_an_answer_without_end_is_no_back_office(tmp_path: Path, status: int) -> None:
    head = f"HTTP/1.1 {status} So\r\n\r\n".encode()
    with pouring(head, bytes(64 * 1024), 0) as (url, taken), closing(Till.open(tmp_path)) as till:
        with pytest.raises(DomainError) as refused:
            asyncio.run(activate(till, url, "AB12-CD34", "KEY-1"))
        assert refused.value.code == "not_a_backoffice" and till.identity is None
        assert taken[0] < 16 * 1024 * 1024, "no more than the system's buffers hold"


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: "])
def test_an_answer_that_drips_ends_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    """Each byte comes well before anybody would call it silence."""
    monkeypatch.setattr(asking, "WITHIN", 1.0)
    with pouring(head, b"x", 0.1) as (url, _), closing(Till.open(tmp_path)) as till:
        began = time.monotonic()
        with pytest.raises(DomainError) as refused:
            asyncio.run(activate(till, url, "AB12-CD34", "KEY-1"))
        assert refused.value.code == "offline" and till.identity is None
        assert 1.0 <= time.monotonic() - began < 5.0


@pytest.mark.parametrize(
    ("url", "insecure", "outcome"),
    [
        ("https://shop.example/", False, "https://shop.example"),
        ("https://shop.example/till", False, "https://shop.example/till"),
        ("http://localhost:8700", False, "http://localhost:8700"),
        ("http://[::1]:8700", False, "http://[::1]:8700"),
        ("http://127.9.9.9", False, "http://127.9.9.9"),
        ("http://shop.example", True, "http://shop.example"),
        ("http://shop.example", False, "tls_required"),
        ("http://localhost.shop.example", False, "tls_required"),
        ("http://192.168.1.5:8700", False, "tls_required"),
        ("https://", False, "bad_url"),
        ("https://shop.example?x=1", False, "bad_url"),
        ("file:///etc/passwd", True, "bad_url"),
        ("http://[::1", False, "bad_url"),
    ],
)
def test_tls_is_required_off_this_machine(url: str, insecure: bool, outcome: str) -> None:
    try:
        assert check_url(url, insecure) == outcome
    except DomainError as refused:
        assert refused.code == outcome


def test_a_device_file_that_cannot_be_read_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "device.json").write_text("{")
    with pytest.raises(DomainError) as refused:
        load_device(tmp_path)
    assert refused.value.code == "bad_device_file"
    assert (tmp_path / "device.json").read_text() == "{"
