import pytest

from stillopen.backoffice.ingest.models import ExceptionItem
from stillopen.backoffice.ingest.resolve import Decider, settle
from stillopen.backoffice.live import publish as pub
from stillopen.backoffice.stock.models import Level
from tests.conformance.live_shop import LiveShop


@pytest.fixture
def shop(backoffice, tmp_path):
    s = LiveShop(tmp_path / "tills")
    yield s
    s.close()


def test_set_aside_left_out(shop: LiveShop) -> None:
    till = shop.tills[0]
    shop.work()
    till.settle()
    till.sell("milk", currency="USD")   # quarantined: wrong currency
    till.sell("milk")
    till.settle()
    shop.work()
    till.settle()
    assert till.shown("milk") == 998_000
    item = ExceptionItem.objects.get(code="wrong_currency")
    settle(shop.account.id, item.id, "set_aside", Decider("x"), shop.now)
    shop.work()
    till.settle()
    assert Level.objects.get(product_id="milk").quantity == 999
    assert till.shown("milk") == 999_000


def test_aba(shop: LiveShop, monkeypatch) -> None:
    one, two, _ = shop.tills
    shop.work()
    for t in shop.tills:
        t.settle()
    one.sell("milk"); one.settle()       # 999, dirty
    real = pub.read_news
    def late(store, now):
        news = real(store, now)
        one.sell("milk"); one.settle()   # 998
        shop.deliver("milk", 1)          # 999 again
        monkeypatch.setattr(pub, "read_news", real)
        return news
    monkeypatch.setattr(pub, "read_news", late)
    shop.work()
    for _ in range(3):
        shop.work()
        for t in shop.tills:
            t.settle()
    assert Level.objects.get(product_id="milk").quantity == 999
    assert (one.shown("milk"), two.shown("milk")) == (999_000, 999_000)
