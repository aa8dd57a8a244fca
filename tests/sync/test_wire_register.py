"""What is older or newer than the register, on a real till with a server in memory."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stillopen.domain.errors import DomainError
from stillopen.domain.tender import Tender, TenderType
from stillopen.register.linkview import LineState
from stillopen.register.store import schema
from stillopen.register.syncer.engine import Engine
from stillopen.register.till import Till
from stillopen.register.usecases.inspect_journal import verify_journal
from stillopen.register.usecases.sell import SaleLine, sell
from stillopen.sync import records, server_side
from stillopen.sync.codec import unpack
from stillopen.sync.messages import ExchangeAnswer
from tests.register.shop import (
    SCOPES,
    Setting,
    catalogue_records,
    make_till,
    reopen,
    signed_in,
)
from tests.sync.old_journal import make_version_1
from tests.sync.wire import Server

CASH = [Tender(type=TenderType.CASH, amount=50000)]
#: The fields of an answer and of a page before branches, digests and live figures.
OLDER_ANSWER = {
    "request", "nonce", "ack", "stale", "server_time", "not_applied", "feed_behind", "page",
    "instructions", "retry_after",
}  # fmt: skip
OLDER_PAGE = {"server_epoch", "rows", "more", "since", "heads", "snapshot", "total"}


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    made = make_till(tmp_path / "till")
    yield made
    made.close()


def make_server(till: Till) -> Server:
    epoch = till.journal.identity.epoch()
    assert epoch is not None
    server = Server(page_rows=7, branch=epoch.id, scopes=SCOPES)
    for scope in SCOPES:
        publish(server, [x for x in catalogue_records(Setting()) if x[0] == scope])
    return server


def publish(server: Server, rows: list[tuple[str, str, records.Record]]) -> None:
    put(server, rows[0][0], {x[1]: (records.kind_of(x[2]), records.encode(x[2])) for x in rows})


def put(server: Server, scope: str, rows: dict[str, tuple[str, bytes]]) -> None:
    """(kind, payload) by id."""
    server.publish(scope, {record: payload for record, (_, payload) in rows.items()})
    for record, (kind, _) in rows.items():
        row = server.rows[scope, record]
        server.rows[scope, record] = msgspec.structs.replace(row, kind=kind)


def settle(engine: Engine, server: Server, through: Callable[[bytes], bytes] = bytes) -> None:
    for n in range(20):
        if n and not engine.has_work():
            return
        engine.hear(through(server.answer(engine.prepare().body)))
    pytest.fail("there is no end of it")


def sale(till: Till) -> str:
    return sell(
        till, signed_in(till), till.clock.new_id(), [SaleLine(sku="100")], CASH
    ).receipt.number


def payloads(till: Till) -> dict[str, bytes]:
    """Of all rows that the till holds, by id, as they lie in the file."""
    with closing(sqlite3.connect(till.data_dir / "catalogue.db")) as db:
        found = db.execute("SELECT id, payload FROM row WHERE dead IS NULL").fetchall()
    return {record: bytes(payload) for record, payload in found}


# -- a newer server -------------------------------------------------------------------------------


def test_what_the_register_does_not_know_is_kept_to_the_byte(till: Till) -> None:
    server = make_server(till)
    coffee = b'{"kind":"product","sku":"100","name":"Flat white","prices":[{"amount":350,' + (
        b'"tier":"staff"}],"tax":"vat","barcodes":[],"allergens":["milk"]}'
    )
    hologram = b'{"kind":"hologram","depth":3,  "odd":"spacing"}'
    put(
        server,
        SCOPES[0],
        {"p-coffee": ("product", coffee), "h-1": ("hologram", hologram)},
    )
    engine = Engine(till)
    settle(engine, server)
    assert engine.is_synced()
    held = payloads(till)
    assert (held["p-coffee"], held["h-1"]) == (coffee, hologram)
    with closing(reopen(till)) as again:
        assert payloads(again)["h-1"] == hologram
        assert sale(again).endswith("000001")


def test_software_that_is_too_old_sends_and_sells_on(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, engine = make_server(till), Engine(till)
    settle(engine, server)
    monkeypatch.setattr(server_side, "PROTOCOL_MIN", 2)
    monkeypatch.setattr(server_side, "PROTOCOL_MAX", 2)
    publish(server, [(SCOPES[0], "vat", records.TaxRateRecord(name="21 %", rate=Decimal(21)))])
    before = till.catalogue.generation
    sale(till)
    settle(engine, server)
    assert till.line_state() is LineState.UPGRADE_REQUIRED
    assert till.journal.sending.unsent().count == 0
    assert server.entries[-1].seq == till.journal.head().seq
    assert till.catalogue.generation == before and not engine.is_synced()
    sale(till)  # the till goes on
    settle(engine, server)
    assert till.journal.sending.unsent().count == 0

    monkeypatch.undo()  # as if it had been upgraded
    settle(Engine(till), server)
    assert till.journal.sending.state().stopped == ""
    assert till.catalogue.generation > before


# -- an older server --------------------------------------------------------------------------------


def older(answer: bytes) -> bytes:
    """``answer`` as a server says it that knows neither branches nor digests nor live figures."""
    said: dict[str, Any] = msgspec.to_builtins(
        unpack(answer, ExchangeAnswer), builtin_types=(bytes, datetime)
    )
    said = {key: value for key, value in said.items() if key in OLDER_ANSWER}
    if "page" in said:
        said["page"] = {k: v for k, v in said["page"].items() if k in OLDER_PAGE}
    return msgspec.msgpack.encode(said)


def test_an_older_server_is_understood(till: Till) -> None:
    server, engine = make_server(till), Engine(till)
    for _ in range(3):
        sale(till)
    settle(engine, server, older)
    assert engine.is_synced() and till.journal.sending.unsent().count == 0
    publish(server, [(SCOPES[0], "vat", records.TaxRateRecord(name="21 %", rate=Decimal(21)))])
    sale(till)
    engine.look_for_news()
    settle(engine, server, older)
    assert engine.is_synced()
    assert [e.seq for e in server.entries] == list(range(1, till.journal.head().seq + 1))


def test_an_older_server_that_was_restored_gets_the_rest_again(till: Till) -> None:
    server, engine = make_server(till), Engine(till)
    for _ in range(4):
        sale(till)
    settle(engine, server, older)
    del server.entries[2:]
    server.nonce = b"of that time"
    settle(engine, server, older)
    assert [e.seq for e in server.entries] == list(range(1, till.journal.head().seq + 1))


# -- an older and a newer journal -----------------------------------------------------------------------


@pytest.mark.parametrize("acked", [0, 3, 6])
def test_a_journal_of_version_1_loses_nothing_and_sends_the_rest(till: Till, acked: int) -> None:
    server = make_server(till)
    for _ in range(4):
        sale(till)
    entries = till.journal.entries.raw_after(0, 1000)
    server.entries = entries[:acked]
    till.close()
    make_version_1(till.data_dir / "journal.db", acked)

    with closing(Till.open(till.data_dir, till.clock)) as upgraded:
        assert upgraded.journal.entries.raw_after(0, 1000) == entries
        assert upgraded.journal.sending.ack().seq == acked
        assert upgraded.journal.sending.unsent().count == len(entries) - acked
        assert upgraded.journal.db.one("PRAGMA user_version") == (schema.VERSION,)
        engine = Engine(upgraded)
        settle(engine, server)
        assert engine.is_synced() and server.entries == entries
        assert sale(upgraded) == "S1-R1-000005"
        settle(engine, server)
        assert len(server.entries) == upgraded.journal.head().seq
    assert verify_journal(till.data_dir).faults == ()


def test_a_journal_of_newer_software_is_sent_and_not_sold_into(till: Till) -> None:
    server = make_server(till)
    sale(till)
    with till.journal.transaction() as db:
        db.execute("CREATE TABLE of_the_future (x)")
        db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    with closing(reopen(till)) as older_software:
        engine = Engine(older_software)
        settle(engine, server)
        assert len(server.entries) == older_software.journal.head().seq > 0
        with pytest.raises(DomainError) as refused:
            sale(older_software)
        assert refused.value.code == "software_too_old"
        assert older_software.journal.db.one("PRAGMA user_version") == (schema.VERSION + 1,)
