"""Stock and receipts of a store between real programs: two tills, one Back Office, a line that is cut."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.process import wait_for
from tests.support.shop import Register, Shop

GOODS = [
    ("100", "Espresso", "2.20", "50"),
    ("101", "Apples", "2.99", "12.5"),
    ("102", "Advice", "9", ""),
]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    products = tmp_path / "goods.csv"
    with products.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sku", "name", "price", "stock"])
        writer.writerows(GOODS)
    shop = Shop(tmp_path).make(products)
    shop.backoffice.start()
    yield shop
    shop.close()


def available(register: Register, sku: str) -> str | None:
    found = register.get("/products", q=sku).json()["results"]
    left: str | None = found[0]["available"]
    return left


def test_two_tills_share_stock_and_receipts(shop: Shop) -> None:
    one, two = shop.open_register("R1"), shop.open_register("R2")
    wait_for(lambda: available(one, "100") == "50", 15, "the stock has come down")
    assert (available(one, "101"), available(one, "102")) == ("12.5", None)

    number = one.sell({"100": "2"})["receipt"]
    assert available(one, "100") == "48"  # at once
    wait_for(lambda: available(two, "100") == "48", 15, "the other till knows of it")
    assert available(one, "100") == "48"
    wait_for(lambda: two.get(f"/receipts/{number}").status_code == 200, 15, "and of the receipt")
    shared, made = two.get(f"/receipts/{number}").json(), one.get(f"/receipts/{number}").json()
    assert (shared.pop("own"), made.pop("own")) == (False, True)
    assert shared == made | {"status": "sent"}

    shop.line.cut()
    sold = [one.sell({"100": "1", "101": "0.5"})["receipt"] for _ in range(3)]
    assert (available(one, "100"), available(one, "101")) == ("45", "11")
    one.server.kill()
    one.server.start()
    one.sign_in(shop.employees["Sales"])
    assert (available(one, "100"), available(one, "101")) == ("45", "11")
    assert available(two, "100") == "48"
    shop.backoffice.kill()
    shop.backoffice.start()
    shop.line.mend()
    wait_for(lambda: available(two, "100") == "45", 30, "what was sold in the outage is counted")
    assert available(one, "100") == "45"
    wait_for(lambda: two.get(f"/receipts/{sold[-1]}").status_code == 200, 15, "its receipts, too")
    assert shop.get("/stock", sku="100").json()["results"][0]["quantity"] == "45"
