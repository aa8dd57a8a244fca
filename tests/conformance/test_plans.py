"""What an exchange and the worker ask of SQLite does not grow with the account: no statement walks a table.

A Back Office on SQLite has no statistics of its tables: how it reads them follows from the statement alone.
"""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection

from stillopen.backoffice.catalogue import verbs
from stillopen.backoffice.catalogue.models import Product
from stillopen.backoffice.catalogue.publishing import publish_drafts
from stillopen.backoffice.devices.models import Register
from stillopen.backoffice.ingest.models import Entry
from stillopen.backoffice.worker.worker import Worker
from stillopen.sync.messages import Pull
from tests.backoffice.ingest.till import NOON, Till, make_account, make_store, make_till
from tests.support.backoffice import Database

#: Tables that grow with the years or with the range of goods, and how many columns of an index must be
#: given at least to read only a few rows of them.
GROWING = {
    "catalogue_product": 1,
    "feed_published": 3,
    "ingest_entry": 2,
    "ledger_payment": 2,
    "ledger_receipt": 2,
    "ledger_receiptline": 2,
    "live_receipt": 1,
    "live_stock": 3,
    "stock_level": 3,
    "stock_movement": 2,
}
#: Indexes that only hold what is to be done, or that begin with something rarer than the account.
SMALL = {"entry_not_applied", "level_dirty", "live_receipt_age"}


@pytest.fixture
def seen(sqlite_backoffice: Database) -> list[str]:
    """The statements of this thread's connection, parameters filled in."""
    connection.ensure_connection()
    statements: list[str] = []
    connection.connection.set_trace_callback(statements.append)
    return statements


def test_exchanges_and_the_worker_walk_no_table(seen: list[str]) -> None:
    till = make_till(make_store(make_account()))
    till.open_shift()
    till.sell(250)
    seen.clear()
    till.send()
    work()
    till.sell(250, 100)
    till.send(till.entries[2:], pull=Pull(server_epoch=""), live=Pull(server_epoch=""))
    till.close_shift()
    till.send(till.entries[3:], retry=True)
    till.send([])
    work(5)
    hold_and_release(till)
    assert walks(seen) == []


def test_publishing_walks_no_table(seen: list[str]) -> None:
    till = make_till(make_store(make_account()))
    Product.objects.update(barcodes=["4006381333931"])
    account, product = till.register.account, Product.objects.get()
    publish_drafts(account, None, "test")
    seen.clear()
    verbs.change_product(product, {"price": 300}, None)
    assert publish_drafts(account, None, "test").records == 1
    assert walks(seen) == []


def hold_and_release(till: Till) -> None:
    """An entry that is held when the worker passes it, and applied later."""
    Register.objects.update(state=Register.State.REVOKED)
    till.sell(100)
    till.send(till.entries[-1:])
    work(10)
    register = till.register
    held = Entry.objects.filter(account_id=register.account_id, register_id=register.id)
    assert held.filter(branch=till.epoch, seq=len(till.entries)).update(status="applied") == 1
    work(15)


def work(seconds: int = 0) -> None:
    worker = Worker()
    while worker.step(NOON + timedelta(seconds=seconds)):
        pass


def walks(statements: list[str]) -> list[str]:
    """Those statements that read a growing table by less than a key, with how they do it."""
    questions = [s for s in dict.fromkeys(statements) if re.match("SELECT|UPDATE|DELETE", s)]
    assert questions
    return [f"{s}\n{step}" for s in questions for step in plan(s) if is_walk(step)]


def plan(statement: str) -> list[str]:
    tables = dict(
        re.findall(r"(?:FROM|JOIN|UPDATE|,) \"?(\w+)\"? (?:AS )?\"?([a-z])\"?\b", statement)
    )
    names = {alias: table for table, alias in tables.items()}
    rows = connection.connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
    return [
        re.sub(r"^(SCAN|SEARCH) (\w+)", lambda m: f"{m[1]} {names.get(m[2], m[2])}", row[3])
        for row in rows
    ]


def is_walk(step: str) -> bool:
    found = re.match(
        r"(SCAN|SEARCH) (\w+)(?: USING (?:COVERING )?INDEX (\w+))?(?: \((.*)\))?", step
    )
    if found is None or found[2] not in GROWING or found[3] in SMALL:
        return False
    given = found[4].count("?") if found[4] else 0
    return found[1] == "SCAN" or found[4] == "account_id=?" or given < GROWING[found[2]]


def test_a_walk_is_recognized(seen: list[str], tmp_path: Path) -> None:
    for statement in (
        "SELECT body FROM ingest_entry WHERE seq = 5",
        "SELECT e.body FROM ingest_entry e WHERE e.account_id = 'x'",
        "SELECT id FROM catalogue_product WHERE name = 'x'",
        "SELECT id FROM catalogue_product WHERE account_id = 'x'",
        "SELECT product_id FROM stock_level WHERE account_id = 'x' AND store_id = 'y'",
    ):
        assert walks([statement]), statement
    by_key = "SELECT body FROM ingest_entry WHERE account_id = 'x' AND entry_id = 'y'"
    assert not walks([by_key])
