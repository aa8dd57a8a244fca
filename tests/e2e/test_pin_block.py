"""Five wrong PINs block the till: offline, through a power cut, until the Back Office lifts it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.process import wait_for
from tests.support.shop import ADMIN_EMAIL, ADMIN_PASSWORD, PIN, Register, Shop

pytestmark = pytest.mark.serial


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path).make()
    shop.backoffice.start()
    yield shop
    shop.close()


def try_pin(shop: Shop, register: Register, pin: str) -> tuple[int, str]:
    answer = register.post("/session", {"employee": shop.employees["Sales"], "pin": pin})
    return answer.status_code, answer.json().get("code", "")


def unblock(shop: Shop, page: Page, name: str) -> None:
    page.goto(shop.backoffice.url + "/registers")
    page.locator("input[type=email]").fill(ADMIN_EMAIL)
    page.locator("input[type=password]").fill(ADMIN_PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name=name).first.click()
    page.get_by_role("button", name="Unblock register").click()
    expect(page.get_by_text("unblocked").first).to_be_visible()


def test_a_block_survives_a_power_cut_offline_and_is_lifted_by_the_back_office(
    shop: Shop, page: Page
) -> None:
    register = shop.open_register()
    sold = register.sell({"100": "1"})
    shop.line.cut()
    tries = [try_pin(shop, register, "0000") for _ in range(3)]
    register.server.kill()
    register.server.start()
    tries += [try_pin(shop, register, "0000") for _ in range(2)]
    assert tries == [(401, "wrong_pin")] * 4 + [(423, "register_blocked")]

    register.server.kill()
    register.server.start()
    assert try_pin(shop, register, PIN) == (423, "register_blocked")
    till = page.context.new_page()
    till.goto(register.server.url)
    expect(till.get_by_role("heading", name="This register is blocked")).to_be_visible()

    shop.line.mend()
    wait_for(register.is_synced, 5, "the block is known at the Back Office")
    unblock(shop, page, register.name)
    expect(till.get_by_role("radiogroup", name="Employees")).to_be_visible(timeout=3000)
    assert try_pin(shop, register, PIN)[0] == 200
    assert [row["receipt"] for row in shop.every("/receipts")] == [sold["receipt"]]
