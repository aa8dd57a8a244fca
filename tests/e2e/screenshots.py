"""``make screenshots``: the pictures in the documentation, taken from the running programs.

Makes a demo shop in a temporary folder, sells a little, cuts the line, and looks at it.
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from stillopen.demo import shop as demo
from tests.support.browser import TILL, launch
from tests.support.shop import ADMIN_EMAIL, ADMIN_PASSWORD, Register, Shop
from tests.support.till import TillScreen

WIDE = {"width": 1440, "height": 900}
CASHIER, PIN = "Aylin", "3333"


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="stillopen-pictures-") as scratch:
        shop = Shop(Path(scratch))
        try:
            for browser in launch():
                take(shop, browser, folder)
        finally:
            shop.close()


def take(shop: Shop, browser: Browser, folder: Path) -> None:
    register = open_shop(shop)
    page = browser.new_page(viewport=TILL)  # type: ignore[arg-type]
    till = TillScreen(page, register)
    till.open()
    save(page, folder / "login.png")
    till.sign_in(CASHIER, PIN)
    till.open_register("150.00")
    a_few_sales(till)
    fill_cart(till)
    till.expect_state("synced", within=5)
    save(page, folder / "order.png")
    page.locator("#pay").click()
    expect(page.locator("[data-exact]")).to_be_visible()
    save(page, folder / "pay.png")
    page.locator("[data-back]").click()
    offline(shop, till, folder)
    back_office(shop, browser, folder)


def open_shop(shop: Shop) -> Register:
    """The demo's own people and products."""
    shop.make(demo.PRODUCTS, demo.TAX, roles=(), name=demo.ACCOUNT)
    for person in demo.EMPLOYEES:
        shop.add_employee(person.name, person.role, person.pin, person.last_name)
    shop.backoffice.start()
    register = shop.add_register()
    register.start()
    return register


def a_few_sales(till: TillScreen) -> None:
    for basket in (
        ["Flat white", "Cortado"],
        ["Espresso"],
        ["Filter coffee", "Latte", "Chai latte"],
    ):
        for product in basket:
            till.tap(product)
        till.pay_exact()


def fill_cart(till: TillScreen) -> None:
    for product in ("Flat white", "Flat white", "Cappuccino", "Hot chocolate"):
        till.tap(product)


def offline(shop: Shop, till: TillScreen, folder: Path) -> None:
    shop.line.cut()
    till.expect_state("offline", within=8)
    till.pay_exact()
    till.sell("Cold brew")
    fill_cart(till)
    save(till.page, folder / "offline.png")
    till.open("/sync/status")
    save(till.page, folder / "status.png")
    shop.line.mend()
    till.expect_state("synced", within=8)


def back_office(shop: Shop, browser: Browser, folder: Path) -> None:
    page = browser.new_page(viewport=WIDE)  # type: ignore[arg-type]
    page.goto(shop.backoffice.url)
    sign_in(page)
    save(page, folder / "backoffice.png")


def sign_in(page: Page) -> None:
    page.locator("input[type=email], input[name=email], input[name=username]").first.fill(
        ADMIN_EMAIL
    )
    page.locator("input[type=password]").fill(ADMIN_PASSWORD)
    page.locator("button[type=submit], form button").last.click()
    page.wait_for_load_state("networkidle")


def save(page: Page, path: Path) -> None:
    page.evaluate("document.fonts.ready")
    page.wait_for_timeout(300)  # until the last transition has come to rest
    page.screenshot(path=path)
    print(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
