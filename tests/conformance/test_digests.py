"""Digests are kept on write, travel with the last page, and what differs is fetched again, alone."""

import importlib
from uuid import UUID, uuid4

import pytest
from django.apps import apps

from stillopen.backoffice.feed import models
from stillopen.backoffice.feed.epoch import server_epoch
from stillopen.backoffice.feed.publish import RecordChange, publish
from stillopen.sync.digest import Sums, add, differing, from_bytes, row_digest
from stillopen.sync.feed import staged_after
from stillopen.sync.messages import FeedPage, FeedRow, Pull
from tests.conformance.test_feed_pages import SCOPES, STORE, Follower, named, put
from tests.support.backoffice import Database


@pytest.fixture
def account(backoffice: Database) -> UUID:
    server_epoch()
    return uuid4()


def stored(account: UUID) -> Sums:
    """The sums as they stand in the rows that are there."""
    sums: Sums = {}
    for row in models.Published.objects.filter(account_id=account, deleted=False):
        value = row_digest(row.kind, str(row.record), bytes(row.payload))
        add(sums, (row.scope, row.kind), value)
    return sums


def kept(account: UUID) -> Sums:
    rows = models.Digest.objects.filter(account_id=account)
    return {(r.scope, r.kind): from_bytes(bytes(r.sum)) for r in rows if any(bytes(r.sum))}


def put_tax(account: UUID, **taxes: bytes | None) -> None:
    changes = [RecordChange("account", "tax_rate", named(k), v) for k, v in taxes.items()]
    publish(account, changes, "test")


def test_sums_follow_every_change(account: UUID) -> None:
    put(account, "account", a=b"1", b=b"2")
    put_tax(account, a=b"7", t=b"19")
    put(account, f"store:{STORE}", c=b"3")
    put(uuid4(), "account", a=b"other")
    put(account, "account", a=b"9", b=None)
    put(account, "account", b=b"2")
    put_tax(account, a=b"8")
    assert kept(account) == stored(account)
    put(account, "account", a=None, b=None)
    assert set(kept(account)) == {("account", "tax_rate"), (f"store:{STORE}", "product")}
    assert kept(account) == stored(account)


def test_they_come_with_the_last_page_only(account: UUID) -> None:
    put(account, "account", a=b"1", b=b"2", c=b"3")
    till = Follower(account).pull(limit=2)
    assert [bool(page.digests) for page in till.pages] == [False, True]
    assert differing(stored(account), till.pages[-1].digests) == ()
    put(account, "account", b=None)
    assert differing(stored(account), till.pull().pages[-1].digests) == ()


def test_a_database_from_before_gets_its_sums(account: UUID) -> None:
    put(account, "account", a=b"1", b=b"2")
    put(account, f"store:{STORE}", c=b"3")
    put(account, "account", b=None)
    models.Digest.objects.all().delete()
    name = "stillopen.backoffice.feed.migrations.0002_digest"
    importlib.import_module(name).compute(apps, None)
    assert kept(account) == stored(account)


def repair(till: Follower, *pairs: tuple[str, str], limit: int = 1000) -> list[FeedPage]:
    """The pages of a pull that mends ``pairs``."""
    staged: dict[str, int] = {}
    pages: list[FeedPage] = []
    while not pages or pages[-1].more:
        pull = Pull(server_epoch=till.epoch, cursors=till.cursors, staged=staged, repair=pairs)
        pages.append(till.read(pull, limit))
        staged = staged_after(pages[-1])
    return pages


def rows(pages: list[FeedPage]) -> list[FeedRow]:
    return [row for page in pages for row in page.rows]


@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_only_the_kind_that_differs_is_fetched_again(account: UUID, limit: int) -> None:
    put(account, "account", **{chr(97 + n): b"%d" % n for n in range(20)})
    put_tax(account, t=b"7", u=b"19")
    put(account, f"store:{STORE}", c=b"3")
    till = Follower(account).pull()
    put(account, "account", a=b"new")
    pages = repair(till, ("account", "tax_rate"), limit=limit)
    assert [(r.kind, r.payload) for r in rows(pages)] == [
        ("tax_rate", b"7"), ("tax_rate", b"19"), ("product", b"new"),
    ]  # fmt: skip
    assert all(page.repair == (("account", "tax_rate"),) for page in pages)
    assert not pages[0].snapshot and pages[-1].heads[0].seq == 23


def test_a_repair_outside_of_its_scopes_is_not_answered(account: UUID) -> None:
    other = f"store:{uuid4()}"
    put(account, "account", a=b"1")
    put(account, other, b=b"2")
    till = Follower(account).pull()
    [page] = repair(till, (other, "product"), (SCOPES[1], "product"))
    assert page.rows == () and page.repair == ()


def test_an_unknown_cursor_gets_everything_whatever_is_to_be_mended(account: UUID) -> None:
    put(account, "account", a=b"1")
    put_tax(account, t=b"7")
    till = Follower(account).pull()
    till.epoch = "another"
    [page] = repair(till, ("account", "tax_rate"))
    assert page.snapshot and page.repair == () and len(page.rows) == 2
