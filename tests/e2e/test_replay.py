"""A day of baskets, sold through the local API while the line is cut, then sent; against our own sum."""

import csv
import random
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

from stillopen.demo.shop import PRODUCTS
from tests.support.process import wait_for
from tests.support.shop import Register, Shop

BASKETS = 60
SEED = 20260301


class Goods:
    def __init__(self, row: dict[str, str]) -> None:
        self.sku = row["sku"]
        self.price = Decimal(row["price"])
        self.rate = Decimal(row["tax"])
        self.by_weight = row["unit"] == "kg"

    def cents(self, quantity: str) -> int:
        exact = self.price * Decimal(quantity) * 100
        return int(exact.quantize(Decimal(1), ROUND_HALF_UP))


def catalogue() -> dict[str, Goods]:
    with PRODUCTS.open(newline="") as file:
        return {row["sku"]: Goods(row) for row in csv.DictReader(file)}


def baskets(goods: dict[str, Goods]) -> list[dict[str, str]]:
    """``sku → quantity``, some by weight; the same ones in every run."""
    chance = random.Random(SEED)
    made = []
    for _ in range(BASKETS):
        chosen = chance.sample(sorted(goods), chance.randint(1, 8))
        made.append({sku: amount(goods[sku], chance) for sku in chosen})
    return made


def amount(goods: Goods, chance: random.Random) -> str:
    return (
        f"{chance.randint(80, 2400) / 1000:.3f}" if goods.by_weight else str(chance.randint(1, 3))
    )


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path).make(PRODUCTS)
    shop.backoffice.start()
    yield shop
    shop.close()


def test_a_day_sold_offline_arrives_to_the_cent(shop: Shop) -> None:
    goods = catalogue()
    register = shop.open_register()
    wait_for(lambda: register.status()["catalogue"]["products"] == len(goods), 20, "the catalogue")
    shop.line.cut()
    made, expected = {}, {}
    for basket in baskets(goods):
        answer = register.sell(basket, tender=1_000_00)
        made[answer["receipt"]] = answer["total"]
        expected[answer["receipt"]] = sum(goods[sku].cents(n) for sku, n in basket.items())
        assert answer["change"] == 1_000_00 - answer["total"]
    assert made == expected
    wait_for(lambda: register.status()["state"] == "offline", 6, "the register is offline")
    unsent = register.status()["unsent"]
    assert unsent["value"] == sum(expected.values())
    assert unsent["count"] >= BASKETS

    shop.line.mend()
    wait_for(register.is_synced, 10, "everything is sent")
    rows = {row["receipt"]: row for row in shop.every("/receipts")}
    assert {number: row["total"] for number, row in rows.items()} == expected
    assert shop.every("/exceptions") == []
    check_shift(shop, register, sum(expected.values()))


def check_shift(shop: Shop, register: Register, total: int) -> None:
    """X, Z and what the Back Office adds up are the same figures."""
    report = register.get("/shift/report").json()
    assert report["totals"]["sales_total"] == total
    assert report["expected"] == 100_00 + total
    taxes = sum(row["tax"] for row in shop.every("/receipts"))
    assert sum(row["tax"] for row in report["totals"]["taxes"]) == taxes
    closed = register.post("/shift/close", {"counted": 100_00 + total - 150})
    assert closed.status_code == 200, closed.text
    assert closed.json()["difference"] == -150
    assert closed.json()["totals"] == report["totals"]
    wait_for(register.is_synced, 5, "the Z is sent")
    shift = shop.every("/shifts")[0]
    assert (shift["z_number"], shift["difference"]) == (1, -150)
