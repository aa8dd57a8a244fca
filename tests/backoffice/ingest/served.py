"""A real ``stillopen backoffice serve`` on the database of a test, and a till that speaks HTTP to it."""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest
from django.db import connections

from stillopen.backoffice.feed.publish import RecordChange, publish
from stillopen.sync import proof
from stillopen.sync.chain import StoredEntry
from stillopen.sync.codec import CONTENT_TYPE, pack, unpack
from stillopen.sync.messages import ExchangeAnswer
from tests.backoffice.ingest.till import Till
from tests.support.backoffice import Database
from tests.support.process import Server


@contextmanager
def copied(template: Database, folder: Path) -> Iterator[Database]:
    """A database of its own, as empty as ``template``."""
    if template.engine == "sqlite":
        shutil.copy(template.folder / "backoffice.db", folder / "backoffice.db")
        yield Database("sqlite", folder)
        connections.close_all()
        return
    server, _, name = template.url.rpartition("/")
    copy = f"t{uuid4().hex[:12]}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{copy}" TEMPLATE "{name}"'.encode())
        yield Database("postgresql", folder, f"{server}/{copy}")
        connections.close_all()
        connection.execute(f'DROP DATABASE "{copy}" WITH (FORCE)'.encode())


@contextmanager
def served(database: Database, folder: Path) -> Iterator[Server]:
    arguments = ["backoffice", "serve", *database.arguments]
    server = Server(arguments, "/sync/v1/ping", folder / "serve.log")
    server.start()
    try:
        yield server
    finally:
        server.close()


class HttpTill:
    """``till``'s journal and key, over one kept connection."""

    def __init__(self, till: Till, url: str) -> None:
        self.till = till
        self.client = httpx.Client(base_url=f"{url}/sync/v1", timeout=20)

    def exchange(self, entries: Sequence[StoredEntry] = (), **changes: object) -> httpx.Response:
        body = pack(self.till.request(entries, **changes))
        signature = self.till.sign(body).hex()
        headers = {
            proof.HEADER: f"{self.till.register.id}:{signature}",
            "Content-Type": CONTENT_TYPE,
        }
        return self.client.post("/exchange", content=body, headers=headers)

    def send(self, entries: Sequence[StoredEntry] = (), **changes: object) -> ExchangeAnswer:
        response = self.exchange(entries, **changes)
        assert response.status_code == 200, response.text
        answer = unpack(response.content, ExchangeAnswer)
        self.till.nonce = answer.nonce
        return answer

    def poke_header(self, nonce: bytes | None = None) -> dict[str, str]:
        signed = self.till.nonce if nonce is None else nonce
        signature = proof.sign(self.till.key, proof.POKE, signed, b"").hex()
        return {proof.HEADER: f"{self.till.register.id}:{signature}:{signed.hex()}"}

    @contextmanager
    def listen(self) -> Iterator[Iterator[str]]:
        """The names of the events of a poke stream, as they come."""
        with self.client.stream("GET", "/poke", headers=self.poke_header()) as response:
            assert response.status_code == 200, response.read()
            assert response.headers["content-type"] == "text/event-stream"
            yield (
                x.removeprefix("event: ") for x in response.iter_lines() if x.startswith("event")
            )


def answer_of(response: httpx.Response) -> ExchangeAnswer:
    return unpack(response.content, ExchangeAnswer)


def next_event(events: Iterator[str], wanted: str, within: float) -> float:
    """Seconds until ``wanted`` comes; heartbeats before it are passed over."""
    began = time.monotonic()
    for event in events:
        if event == wanted:
            took = time.monotonic() - began
            assert took <= within, f"{wanted} took {took:.2f} s"
            return took
        assert event == "hb", event
    pytest.fail(f"the stream ended before {wanted}")


def publish_something(till: Till, scope: str = "account") -> None:
    change = RecordChange(scope, "product", uuid4(), b"{}")
    assert publish(till.register.account_id, [change], "test").records == 1
