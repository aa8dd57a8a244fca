"""Each hop of the way to the Back Office fails for real, and is told apart from the others."""

import asyncio
import socket
import sqlite3
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from stillopen.register.clock import SystemClock
from stillopen.register.keys import new_device
from stillopen.register.till import Till
from stillopen.register.web.pages import hops
from stillopen.register.web.pages.hops import Hop, advice_for, probe_hops
from tests.support.shop import Register, Shop

NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hops, "_PATIENCE", 0.7)


def failed(found: list[Hop]) -> Hop:
    """The one that failed: all before it are fine, none after it was tried, and there is advice."""
    at = next(i for i, hop in enumerate(found) if hop.ok is False)
    assert all(hop.ok for hop in found[:at]) and all(hop.ok is None for hop in found[at + 1 :])
    assert all(hop.seconds is not None for hop in found[:at])
    assert advice_for(found) == found[at].advice != ""
    return found[at]


def probe(url: str, till: Till | None = None) -> list[Hop]:
    return asyncio.run(probe_hops(url, till))


# -- network, name, connection


def test_what_is_no_address() -> None:
    for url in ("", "nonsense", "ftp://x", "http://", "http://x:99999", "https://[::1"):
        assert failed(probe(url)).name in ("Network", "Name")
    assert "https://" in advice_for(probe("backoffice.example"))


def test_how_long_a_hop_took() -> None:
    took = [Hop("Name", True, "", seconds).took for seconds in (0.0001, 0.0841, 3.003, None)]
    assert took == ["1 ms", "84 ms", "3.0 s", ""]


def test_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        hops, "_FAR", "255.255.255.255"
    )  # the kernel refuses it, as without a route
    found = failed(probe("http://backoffice.example"))
    assert found.name == "Network" and "network" in found.advice


def test_a_name_that_is_not_found() -> None:
    with_network = "http://no-such-host.invalid"
    found = probe(with_network)
    assert failed(found).name in ("Network", "Name")
    if found[0].ok:
        assert "name" in failed(found).advice


def test_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    found = failed(probe(f"http://127.0.0.1:{port}"))
    assert (found.name, "refused" in found.detail) == ("Connection", True)


def test_a_black_hole() -> None:
    """A listener whose queue is full drops every further connection, as a firewall does."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        found = failed(probe(f"http://127.0.0.1:{address[1]}"))
        for one in waiting:
            one.close()
    assert (found.name, "no answer" in found.detail) == ("Connection", True)


# -- what is at the other end


@asynccontextmanager
async def answering(data: bytes, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that reads a request and says ``data``; nothing at all when it is empty."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        if data:
            writer.write(data)
            await writer.drain()
        else:
            await asyncio.sleep(5)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def probe_at(data: bytes, scheme: str = "http", context: ssl.SSLContext | None = None) -> Hop:
    async def ask() -> list[Hop]:
        async with answering(data, context) as port:
            return await probe_hops(f"{scheme}://localhost:{port}")

    return failed(asyncio.run(ask()))


PORTAL = b"HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n<html>Sign in</html>  "


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (PORTAL, "no Back Office"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "no Back Office"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no proper answer"),
        (b"", "no answer within"),
    ],
)
def test_something_that_is_no_back_office(data: bytes, words: str) -> None:
    found = probe_at(data)
    assert found.name == "Back Office" and words in found.detail


# -- certificates


class Authority:
    """Signs certificates that the till would trust."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign("Test authority", self.key, NOW, NOW, ca=True)
        self.file = folder / "authority.pem"
        self.file.write_bytes(self.certificate.public_bytes(Encoding.PEM))

    def _sign(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        since: datetime,
        until: datetime,
        ca: bool = False,
    ) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = subject if ca else self.certificate.subject
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(since - timedelta(days=1))
            .not_valid_after(until + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .sign(self.key, hashes.SHA256())
        )

    def context(self, name: str, days: int = 0) -> ssl.SSLContext:
        """Of a server named ``name`` whose certificate is valid for two days around now + ``days``."""
        key = ec.generate_private_key(ec.SECP256R1())
        at = NOW + timedelta(days=days)
        file = self.folder / f"{name}{days}.pem"
        file.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + self._sign(name, key, at, at).public_bytes(Encoding.PEM)
        )
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(file)
        return context


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = Authority(tmp_path)
    monkeypatch.setattr(hops.certifi, "where", lambda: str(made.file))
    return made


@pytest.mark.parametrize(
    ("name", "days", "words", "advice"),
    [
        ("localhost", -30, "has expired", "date and time"),
        ("localhost", 30, "not valid yet", "date and time"),
        ("elsewhere.example", 0, "another name", "address"),
    ],
)
def test_a_certificate_that_is_wrong(
    authority: Authority, name: str, days: int, words: str, advice: str
) -> None:
    found = probe_at(PORTAL, "https", authority.context(name, days))
    assert found.name == "Encryption" and words in found.detail and advice in found.advice


def test_a_certificate_by_nobody_known(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    found = probe_at(PORTAL, "https", other.context("localhost"))
    assert found.name == "Encryption" and "nobody known" in found.detail


def test_no_tls_at_all() -> None:
    found = probe_at(b"HTTP/1.1 400 Bad Request\r\n\r\n", "https")
    assert found.name == "Encryption" and "TLS" in found.detail


def test_a_good_certificate_of_something_else(authority: Authority) -> None:
    async def ask() -> list[Hop]:
        async with answering(PORTAL, authority.context("localhost")) as port:
            return await probe_hops(f"https://localhost:{port}")

    found = asyncio.run(ask())
    [encryption] = [hop for hop in found if hop.name == "Encryption"]
    assert encryption.ok and "valid until" in encryption.detail


# -- the sign-in


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shop, Register]]:
    made = Shop(tmp_path_factory.mktemp("shop")).make()
    made.backoffice.start()
    yield made, made.add_register("R1")
    made.close()


def test_the_sign_in_of_the_register(
    shop: tuple[Shop, Register], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, register = shop
    monkeypatch.setattr(hops, "_PATIENCE", 3.0)
    till = Till.open(register.folder, SystemClock())
    url, identity, device = made.backoffice.url, till.require_identity(), till.device

    found = probe(url)
    assert [hop.name for hop in found] == ["Network", "Name", "Connection", "Back Office"]
    assert all(hop.ok for hop in found) and "version" in found[-1].detail
    assert advice_for(found) == ""

    found = probe(url, till)
    assert found[-1].ok and "accepted" in found[-1].detail

    till.device = new_device()
    assert "another device" in failed(probe(url, till)).detail
    till.device = device
    till.journal.identity.save(
        msgspec.structs.replace(identity, register="01999999-0000-7000-8000-000000000000")
    )
    assert "not known" in failed(probe(url, till)).detail
    till.journal.identity.save(identity)
    with sqlite3.connect(made.folder / "backoffice" / "backoffice.db") as db:
        db.execute("UPDATE devices_register SET state = 'revoked'")
    assert "revoked" in failed(probe(url, till)).detail
    till.close()
