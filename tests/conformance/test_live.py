"""Stock and receipts on their way down: real tills, a real Back Office on both databases, a bad line."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stillopen.backoffice.accounts.models import Store
from stillopen.backoffice.feed.models import Head
from stillopen.backoffice.ingest.models import ExceptionItem
from stillopen.backoffice.ingest.resolve import Decider, settle
from stillopen.backoffice.live import models, pages, publish
from stillopen.backoffice.live.news import News
from stillopen.backoffice.live.retention import forget_old
from stillopen.backoffice.stock.models import Level
from stillopen.register.usecases.receipts import list_store_receipts
from tests.backoffice.backups.test_backup import back_up, restore
from tests.conformance.live_shop import LiveShop, LiveTill
from tests.support.backoffice import Database


@pytest.fixture
def shop(backoffice: Database, tmp_path: Path) -> Iterator[LiveShop]:
    shop = LiveShop(tmp_path / "tills")
    yield shop
    shop.close()


def numbers(till: LiveTill, query: str = "") -> list[str]:
    return sorted(row.number for row in list_store_receipts(till.till, query, 500))


def test_the_figure_never_jumps_back(shop: LiveShop) -> None:
    """10 in stock, one sold: 9 at once, and 9 whatever is acknowledged, published or fetched after that."""
    till = shop.tills[0]
    shop.work()
    till.settle()
    assert till.shown("milk") == 1_000_000
    till.sell("milk")
    seen = [till.shown("milk")]
    for step in (till.exchange, till.exchange, shop.work, till.exchange, till.settle, till.restart):
        step()
        seen.append(till.shown("milk"))
    assert seen == [999_000] * 7
    assert till.till.live.published.counts.included  # … and the figure does count it by now


def test_the_sales_of_other_tills_come_down(shop: LiveShop) -> None:
    one, two, _ = shop.tills
    shop.work()
    for till in shop.tills:
        till.settle()
    one.sell("milk", 3)
    one.settle()
    assert (one.shown("milk"), two.shown("milk")) == (997_000, 1_000_000)
    shop.work()
    two.settle()
    assert two.shown("milk") == 997_000
    assert two.shown("unheard of") is None
    two.sell("unheard of")
    assert two.shown("unheard of") is None  # the Back Office has never heard of it either
    shop.check()


def test_a_sale_and_a_delivery_of_as_much(shop: LiveShop) -> None:
    """The level is what it was, and counts another fact: the till must hear of it."""
    one, two, _ = shop.tills
    shop.work()
    for till in (one, two):
        till.settle()
    one.sell("milk", 5)
    one.settle()
    shop.deliver("milk", 5)
    shop.work()
    for till in (one, two):
        till.settle()
    assert (one.shown("milk"), two.shown("milk")) == (1_000_000, 1_000_000)


def test_figures_alike_that_count_other_facts_are_told_apart(
    shop: LiveShop, backoffice: Database, tmp_path: Path
) -> None:
    """On the two sides of a restore: with one chain for both, a screen would keep the wrong one."""
    one, two, _ = shop.tills
    shop.work()
    back_up(tmp_path / "backups")
    heads = []
    for till in (one, two):
        till.sell("milk", 5)
        till.settle()
        shop.work()
        heads.append(Head.objects.get(scope=f"stock:{shop.store.id}"))
        if till is one:
            restore(backoffice, tmp_path / "backups")
    assert heads[0].seq == heads[1].seq and bytes(heads[0].chain) != bytes(heads[1].chain)
    for _ in range(2):
        for till in (one, two):
            till.settle()
        shop.work()
    assert (one.shown("milk"), two.shown("milk")) == (990_000, 990_000)


def test_what_is_held_and_not_applied_stays_in_sight_of_its_till(shop: LiveShop) -> None:
    one, two, _ = shop.tills
    one.sell("milk", 5, currency="USD")
    one.sell("milk", 1)
    one.settle()
    shop.work()
    one.settle()
    two.settle()
    assert shop.held() == 1
    assert (one.shown("milk"), two.shown("milk")) == (994_000, 999_000)
    shop.retry(one)
    assert one.shown("milk") == 994_000
    shop.work()
    two.settle()
    assert (one.shown("milk"), two.shown("milk")) == (994_000, 994_000)
    one.settle()
    assert one.shown("milk") == 994_000
    shop.check()


def test_a_level_that_moves_while_it_is_published_stays_dirty(shop: LiveShop) -> None:
    shop.work()
    assert not Level.objects.filter(dirty=True).exists()
    shop.tills[0].sell("milk")
    shop.tills[0].settle()
    assert [x.product_id for x in Level.objects.filter(dirty=True)] == ["milk"]
    shop.work()
    assert not Level.objects.filter(dirty=True).exists()
    assert models.Stock.objects.get(product_id="milk").quantity == 999


def test_a_level_that_comes_back_while_it_is_published_counts_what_moved_it(
    shop: LiveShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, _ = shop.tills
    shop.work()
    for till in shop.tills:
        till.settle()
    one.sell("milk")
    one.settle()
    right = publish.read_news

    def late(store: Store, now: datetime) -> News:
        news = right(store, now)
        one.sell("milk")
        one.settle()
        shop.deliver("milk", 1)  # as many as before
        monkeypatch.setattr(publish, "read_news", right)
        return news

    monkeypatch.setattr(publish, "read_news", late)
    for _ in range(3):
        shop.work()
        for till in shop.tills:
            till.settle()
    assert (one.shown("milk"), two.shown("milk")) == (999_000, 999_000)


def test_what_is_set_aside_is_no_longer_taken_off(shop: LiveShop) -> None:
    till = shop.tills[0]
    shop.work()
    till.settle()
    till.sell("milk", currency="USD")  # cannot be applied
    till.sell("milk")
    till.settle()
    shop.work()
    till.settle()
    assert till.shown("milk") == 998_000
    item = ExceptionItem.objects.get(code="wrong_currency")
    settle(shop.account.id, item.id, "set_aside", Decider("x"), shop.now)
    shop.work()
    till.settle()
    assert till.shown("milk") == 999_000


def test_a_disk_that_went_back_in_time_finds_its_place(shop: LiveShop, tmp_path: Path) -> None:
    """What it sold since the image is in the server's figures; what it sells now is not."""
    till, other, _ = shop.tills
    for _ in range(3):
        till.sell("milk")
    till.settle()
    till.image(tmp_path / "image")
    for _ in range(4):
        till.sell("milk")
    till.settle()
    shop.work()
    till.settle()
    other.settle()
    assert till.shown("milk") == 993_000
    till.restore(tmp_path / "image")
    till.sell("milk", 2)
    till.settle()
    shop.check()
    shop.work()
    till.settle()
    other.settle()
    shop.check()
    assert other.shown("milk") == 991_000


def test_a_lost_live_file_and_clear_cache_fetch_all_again(shop: LiveShop) -> None:
    one, two, _ = shop.tills
    two.sell("bread", 2)
    two.settle()
    shop.work()
    one.settle()
    one.till.close()
    for file in one.folder.glob("live.db*"):
        file.write_bytes(b"not a database" if file.suffix == ".db" else b"")
    one.restart()
    assert one.shown("bread") is None and numbers(one) == []
    one.settle()
    assert one.shown("bread") == 998_000 and len(numbers(one)) == 1
    one.engine.look_for_news(snapshot=True)
    one.sell("bread")
    one.settle()
    shop.check()
    assert len(numbers(one)) == 1


# -- receipts


def test_the_receipts_of_the_store_come_down_once(shop: LiveShop) -> None:
    one, two, _ = shop.tills
    made = [one.sell("milk") for _ in range(3)] + [two.sell("bread")]
    one.settle()
    two.settle()
    for _ in range(2):
        shop.work()
        one.settle()
        two.settle()
    assert numbers(two) == made[:3]  # its own lie in its journal
    assert numbers(one) == made[3:]
    assert [row.seq for row in models.Receipt.objects.order_by("seq")] == [1, 2, 3, 4]


def test_a_receipt_that_was_held_comes_down_when_it_is_booked(shop: LiveShop) -> None:
    one, two, _ = shop.tills
    held, plain = one.sell("milk", currency="USD"), one.sell("milk")
    one.settle()
    shop.work()
    two.settle()
    assert numbers(two) == [plain] and models.Pending.objects.count() == 1
    shop.retry(one)
    shop.work()
    two.settle()
    assert numbers(two) == [held, plain] and not models.Pending.objects.exists()


def test_a_till_whose_history_is_gone_shows_its_receipts_again(
    shop: LiveShop, tmp_path: Path
) -> None:
    till = shop.tills[0]
    made = [till.sell("milk") for _ in range(3)]
    till.settle()
    shop.work()
    till.reinstall(tmp_path / "new")
    till.settle()
    assert numbers(till) == made
    assert till.shown("milk") == 997_000
    till.sell("milk")
    shop.check()


def test_pages_are_followed_to_the_end(shop: LiveShop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_ROWS", 1)
    monkeypatch.setattr(pages, "MAX_RECEIPTS", 2)
    one, two, _ = shop.tills
    made = [one.sell("milk") for _ in range(7)]
    one.settle()
    shop.work()
    two.settle()
    assert numbers(two) == made
    shop.check()


def test_old_publications_and_receipts_are_forgotten(shop: LiveShop) -> None:
    one, two, _ = shop.tills
    one.sell("milk")
    one.settle()
    shop.work()
    two.settle()
    for file in (models.Publication, models.Receipt):
        assert file.objects.count()
    later = shop.now.replace(year=shop.now.year + 1)
    one.sell("milk")
    one.settle()
    shop.work()
    assert forget_old(later) > 0
    assert not models.Receipt.objects.exists()
    kept = models.Publication.objects.order_by("scope", "seq").values_list("scope", flat=True)
    assert len(kept) == len(set(kept)) == 2  # where a till that is in step stands
    two.settle()
    shop.check()


# -- any interleaving

Op = tuple[str, int, str]
TILL = st.integers(0, 2)
LOST = st.sampled_from(["", "", "", "request", "answer"])
OPS = st.one_of(
    st.tuples(st.just("sell"), TILL, st.sampled_from(["milk", "bread", "unheard of"])),
    st.tuples(st.just("refused"), TILL, st.just("milk")),
    st.tuples(st.just("exchange"), TILL, LOST),
    st.tuples(st.just("poke"), TILL, LOST),
    st.tuples(st.just("work"), TILL, st.just("")),
    st.tuples(st.just("retry"), TILL, st.just("")),
    st.tuples(st.just("restart"), TILL, st.just("")),
)
DISKS = st.one_of(OPS, st.tuples(st.sampled_from(["image", "restore"]), TILL, st.just("")))


def act(shop: LiveShop, op: str, till: LiveTill, what: str) -> None:
    match op:
        case "sell":
            till.sell(what)
        case "refused":
            till.sell(what, currency="USD")
        case "exchange":
            till.exchange(what)
        case "poke":
            till.engine.look_for_live()
            till.exchange(what)
        case "work":
            shop.work()
        case "retry":
            shop.retry(till)
        case "restart":
            till.restart()
        case "image":
            till.keep_image()
        case "restore":
            till.back_to_image()


def play(ops: list[Op], folder: Path) -> None:
    shop = LiveShop(folder)
    try:
        shop.work()
        for till in shop.tills:
            till.settle()
        shop.check()
        for op, number, what in ops:
            act(shop, op, shop.tills[number], what)
            shop.check()
        finish(shop)
    finally:
        shop.close()


def finish(shop: LiveShop) -> None:
    """The faults stop: every till shows the same, and that is every sale counted once."""
    for till in shop.tills:
        till.settle()
        shop.retry(till)
    shop.work()
    for till in shop.tills:
        till.settle()
    shop.check()
    for product in shop.products:
        assert {till.shown(product) for till in shop.tills} == {shop.left(product)}


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_ROWS", 1)
    monkeypatch.setattr(pages, "MAX_RECEIPTS", 2)


def run(folders: pytest.TempPathFactory, ops: st.SearchStrategy[Op], examples: int) -> None:
    """Any lists of ``ops``, each on a shop of its own."""

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(ops=st.lists(ops, min_size=5, max_size=40))
    def one(ops: list[Op]) -> None:
        play(ops, folders.mktemp("tills"))

    one()


def test_every_fact_is_counted_exactly_once_on_sqlite(
    sqlite_backoffice: Database, small_pages: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run(tmp_path_factory, OPS, 12)


def test_every_fact_is_counted_exactly_once_on_postgresql(
    postgres_backoffice: Database, small_pages: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run(tmp_path_factory, OPS, 4)


@pytest.mark.soak
def test_disks_that_go_back_in_time_count_every_fact_once(
    sqlite_backoffice: Database, small_pages: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run(tmp_path_factory, DISKS, 40)
