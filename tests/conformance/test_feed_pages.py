"""Reading the feed: pages add up to exactly one state of the server, on both databases."""

import threading
from uuid import UUID, uuid4

import pytest
from django.db import connections

from stillopen.backoffice.feed.epoch import server_epoch
from stillopen.backoffice.feed.models import Publication
from stillopen.backoffice.feed.pages import read_page, scopes_of
from stillopen.backoffice.feed.publish import RecordChange, publish
from stillopen.sync.feed import staged_after
from stillopen.sync.messages import Cursor, FeedPage, Pull
from tests.support.backoffice import Database

STORE, REGISTER, OTHER = str(uuid4()), str(uuid4()), str(uuid4())
SCOPES = scopes_of(STORE, REGISTER)
Content = dict[tuple[str, str], bytes]


class Follower:
    """A register's catalogue in memory: stages pages, and switches with the last."""

    def __init__(self, account: UUID, scopes: tuple[str, ...] = SCOPES) -> None:
        self.account, self.scopes = str(account), scopes
        self.content: Content = {}
        self.cursors: tuple[Cursor, ...] = ()
        self.epoch = ""
        self.pages: list[FeedPage] = []

    def pull(self, limit: int = 1000) -> "Follower":
        """Until nothing more comes."""
        staged: dict[str, int] = {}
        snapshot = not self.cursors
        new: Content | None = None
        while True:
            page = self.read(
                Pull(
                    server_epoch=self.epoch, cursors=self.cursors, staged=staged, snapshot=snapshot
                ),
                limit,
            )
            if new is None:
                new, snapshot = ({} if page.snapshot else dict(self.content)), page.snapshot
                self.epoch = page.server_epoch
            for row in page.rows:
                assert row.scope in self.scopes
                if row.deleted:
                    new.pop((row.scope, row.id), None)
                else:
                    new[row.scope, row.id] = row.payload
            staged = staged_after(page)
            if not page.more:
                self.content, self.cursors = new, page.heads
                return self

    def read(self, pull: Pull, limit: int = 1000) -> FeedPage:
        self.pages.append(read_page(self.account, self.scopes, pull, limit))
        return self.pages[-1]


def put(account: UUID, scope: str, **records: bytes | None) -> None:
    """Publish records named by one letter in ``scope``."""
    changes = [RecordChange(scope, "product", named(name), data) for name, data in records.items()]
    publish(account, changes, "test")


def named(name: str) -> UUID:
    return UUID(int=ord(name))


def content(**records: bytes) -> Content:
    return {("account", str(named(name))): data for name, data in records.items()}


@pytest.fixture
def account(backoffice: Database) -> UUID:
    server_epoch()
    return uuid4()


def test_from_nothing_everything_of_its_scopes_and_no_more(account: UUID) -> None:
    put(account, "account", a=b"1", b=b"2")
    put(account, f"store:{STORE}", c=b"3")
    put(account, f"register:{REGISTER}", d=b"4")
    put(account, f"store:{OTHER}", e=b"5")
    put(uuid4(), "account", f=b"6")
    till = Follower(account).pull()
    assert sorted(till.content.values()) == [b"1", b"2", b"3", b"4"]
    assert [(c.scope, c.seq) for c in till.cursors] == list(zip(SCOPES, (2, 1, 1), strict=True))
    [page] = till.pages
    assert page.snapshot and page.total == 4


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_pages_of_any_size_add_up(account: UUID, limit: int) -> None:
    for scope in SCOPES:
        put(account, scope, a=b"1", b=b"2", c=b"3")
    put(account, "account", b=None)
    till = Follower(account).pull(limit)
    assert len(till.content) == 8
    assert all(len(page.rows) <= limit for page in till.pages)
    assert [page.heads != () for page in till.pages] == [False] * (len(till.pages) - 1) + [True]


def test_only_what_changed_since(account: UUID) -> None:
    put(account, "account", a=b"1", b=b"2")
    till = Follower(account).pull()
    put(account, "account", b=b"3", c=b"4")
    put(account, "account", a=None)
    till.pull()
    assert till.content == content(b=b"3", c=b"4")
    assert (len(till.pages[-1].rows), till.pages[-1].snapshot) == (3, False)
    assert till.pull().pages[-1].rows == ()


def test_a_record_that_moves_between_two_pages_is_met_again(account: UUID) -> None:
    put(account, "account", a=b"1", b=b"2", c=b"3")
    till = Follower(account)
    first = till.read(Pull(server_epoch="", snapshot=True), limit=2)
    assert [row.payload for row in first.rows] == [b"1", b"2"]
    put(account, "account", a=b"9", b=None)
    staged = staged_after(first)
    pull = Pull(server_epoch=first.server_epoch, staged=staged, snapshot=True)
    rest = till.read(pull)
    assert [(row.payload, row.deleted) for row in rest.rows] == [
        (b"3", False), (b"9", False), (b"", True),
    ]  # fmt: skip
    assert rest.heads[0].seq == 5


@pytest.mark.parametrize("fault", ["chain", "seq", "epoch", "purged"])
def test_a_cursor_of_another_history_gets_everything(account: UUID, fault: str) -> None:
    put(account, "account", a=b"1")
    till = Follower(account).pull()
    put(account, "account", b=b"2")
    cursor = till.cursors[0]
    if fault == "chain":
        till.cursors = (Cursor("account", cursor.seq, bytes(32)), *till.cursors[1:])
    elif fault == "seq":
        till.cursors = (Cursor("account", 900, cursor.chain), *till.cursors[1:])
    elif fault == "epoch":
        till.epoch = "another"
    else:
        Publication.objects.filter(account_id=account, seq=cursor.seq).delete()
    till.content = content(z=b"stale")
    till.pull()
    assert till.pages[-1].snapshot
    assert till.content == content(a=b"1", b=b"2")


def test_an_account_without_publications(account: UUID) -> None:
    till = Follower(account).pull()
    assert till.content == {} and [c.seq for c in till.cursors] == [0, 0, 0]
    put(account, "account", a=b"1")
    assert till.pull().content == content(a=b"1")
    assert not till.pages[-1].snapshot


def test_a_register_never_sees_half_a_publication(account: UUID) -> None:
    """Each publication writes the same bytes to three records in two scopes, at once."""
    done = threading.Event()
    scopes = ("account", f"store:{STORE}")

    def publish_all() -> None:
        try:
            for number in range(40):
                data = b"%d" % number
                changes = [
                    RecordChange(scope, "product", named(name), data)
                    for scope in scopes
                    for name in "abc"
                ]
                publish(account, changes, "test")
        finally:
            done.set()
            connections.close_all()

    thread = threading.Thread(target=publish_all)
    thread.start()
    tills = [Follower(account), Follower(account)]
    while not done.is_set():
        for till, limit in zip(tills, (2, 1000), strict=True):
            till.pull(limit)
            assert len(set(till.content.values())) <= 1
            assert len(till.content) in (0, 6)
    thread.join()
    for till in tills:
        assert set(till.pull(3).content.values()) == {b"39"}
