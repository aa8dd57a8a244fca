"""A shop lives through an outage: the whole story in a real browser, the line cut on the wire."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.process import wait_for
from tests.support.shop import Shop
from tests.support.till import TillScreen

pytestmark = pytest.mark.serial


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    shop = Shop(tmp_path, url).make()
    shop.backoffice.start()
    yield shop
    shop.close()


def test_a_shop_sells_through_an_outage(shop: Shop, page: Page) -> None:
    register = shop.add_register()
    register.start()
    till = TillScreen(page, register)
    till.open()
    till.sign_in("Sales")
    till.open_register("100.00")

    sold = [till.sell("Espresso")]
    till.expect_state("synced", within=3)
    wait_for(lambda: receipts(shop) == sold, 3, "the first sale is in the Back Office")

    shop.line.cut()
    till.expect_state("offline", within=5)
    bar = page.locator("#line .line.red")
    expect(bar).to_contain_text("Offline since")
    expect(bar).to_contain_text("Nothing comes back from the Back Office")

    sold += [till.sell("Flat white"), till.sell("Croissant"), till.sell("Apples")]
    expect(bar).to_contain_text("3 sales, €8.39 not sent")
    report = till.x_report()
    assert "10.59" in report  # 2.20 + 3.50 + 1.90 + 2.99
    assert receipts(shop) == sold[:1]

    till.tap("Espresso")
    register.server.kill()  # in the middle of a sale
    register.server.start()
    people = page.get_by_role("radiogroup", name="Employees")
    expect(people).to_be_visible(timeout=10_000)  # the screen finds its way back by itself
    expect(page.locator("body")).to_contain_text(sold[-1])  # what the last sale was
    till.sign_in("Sales")
    till.expect_state("offline", within=5)
    expect(page.locator("#lines .cl")).to_have_count(1)  # the open sale is still there
    sold.append(till.pay_exact())
    assert sold == [f"S1-R1-{n:06d}" for n in range(1, 6)]

    shop.line.mend()
    till.expect_state("synced", within=2)
    assert receipts(shop) == sold
    assert sum(row["total"] for row in shop.every("/receipts")) == 12_79

    espresso = shop.get("/products", sku="100").json()["results"][0]
    assert shop.patch(f"/products/{espresso['id']}", {"price": 245}).status_code == 200
    expect(till.tile("Espresso")).to_contain_text("2.20")  # a draft reaches nobody
    published = time.monotonic()
    assert shop.post("/publish").status_code == 200
    expect(till.tile("Espresso")).to_contain_text("2.45", timeout=1000)
    assert time.monotonic() - published < 1.5


def receipts(shop: Shop) -> list[str]:
    return sorted(row["receipt"] for row in shop.every("/receipts"))
