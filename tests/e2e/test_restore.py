"""A Back Office restored from a backup while tills are offline and sell; a till whose disk dies: with the
real programs, nothing is lost, nothing is doubled, and the screens say what is so."""

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.process import Server, last_value, output, run, wait_for
from tests.support.shop import ADMIN_EMAIL, ADMIN_PASSWORD, Register, Shop

pytestmark = pytest.mark.story

WITHIN = 30.0


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.soak)])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    shop = Shop(tmp_path, url).make()
    shop.backoffice.start()
    yield shop
    shop.close()


@pytest.fixture
def small_shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path).make()
    shop.backoffice.start()
    yield shop
    shop.close()


class Office:
    """The owner in a browser without a screen."""

    def __init__(self, shop: Shop) -> None:
        self._http = httpx.Client(
            base_url=shop.backoffice.url, trust_env=False, follow_redirects=True, timeout=20
        )
        self.post("/login", email=ADMIN_EMAIL, password=ADMIN_PASSWORD)

    def get(self, path: str) -> str:
        answer = self._http.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        return answer.text

    def post(self, path: str, **fields: str) -> str:
        if "csrftoken" not in self._http.cookies:
            self._http.get("/login")
        token = self._http.cookies["csrftoken"]
        answer = self._http.post(path, data={"csrfmiddlewaretoken": token, **fields})
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:500])
        return answer.text

    def close(self) -> None:
        self._http.close()


def sold_by(shop: Shop, name: str) -> Counter[str]:
    return Counter(
        row["receipt"] for row in shop.every("/receipts") if row["receipt"].startswith(f"S1-{name}")
    )


def sell(register: Register, count: int) -> list[str]:
    return [register.sell({"100": "1"})["receipt"] for _ in range(count)]


def synced(register: Register) -> None:
    wait_for(register.is_synced, WITHIN, f"{register.name} is green; {register.status()}")


def test_restored_while_a_till_is_offline_and_sells(shop: Shop) -> None:
    first = shop.open_register("R1")
    sold = sell(first, 2)
    synced(first)
    backups = shop.folder / "backups"
    made = last_value(shop.command("backup", str(backups), "--verify"))
    assert Path(made).exists()

    sold += sell(first, 1)
    later = shop.open_register("R2")  # the backup does not know it
    others = sell(later, 1)
    product = shop.get("/products", sku="100").json()["results"][0]
    shop.patch(f"/products/{product['id']}", {"price": 999})
    shop.post("/publish")
    wait_for(lambda: price(first) == 999, WITHIN, "the new price is at the till")
    synced(first)
    synced(later)
    refused = run("backoffice", "restore", *shop.place, str(backups), "--replace")
    assert refused.returncode == 1
    assert "[backoffice_running]" in refused.stderr or "[database_in_use]" in refused.stderr

    shop.line.cut()
    sold += sell(first, 2)
    assert first.status()["unsent"]["count"] == 2
    shop.backoffice.stop()
    told = shop.command("restore", str(backups), "--replace")
    assert "Registers to come back: S1-R1" in told and "S1-R2 was activated" in told
    shop.backoffice.start()
    assert sold_by(shop, "R1").total() == 2
    shop.line.mend()

    wait_for(lambda: len(sold_by(shop, "R1")) == 5, WITHIN, "what was sent before comes again")
    synced(first)
    assert sold_by(shop, "R1") == Counter(sold)
    wait_for(lambda: price(first) == 220, WITHIN, "the restored price is what the till has")
    assert later.status()["indicator"] != "green" and not sold_by(shop, "R2")

    office = Office(shop)
    item = re.search(r'/restored/([0-9a-f-]+)">\s*<input[^>]*>\s*<input type="hidden" name="again"',
                     office.get("/restored"))  # fmt: skip
    assert item is not None
    office.post(f"/restored/{item[1]}", again="on")
    wait_for(lambda: sold_by(shop, "R2") == Counter(others), WITHIN, "R2 is let in again")
    synced(later)
    assert sold_by(shop, "R1") == Counter(sold)
    assert "Is back" in office.get("/restored")
    office.close()


def price(register: Register) -> int:
    found: int = register.get("/products", q="Espresso").json()["results"][0]["price"]
    return found


def test_a_till_whose_disk_dies_without_a_line(small_shop: Shop) -> None:
    shop = small_shop
    stick = shop.folder / "stick"
    stick.mkdir()
    register = shop.add_register()
    words = ["register", "serve", "--data-dir", str(register.folder), "--mirror", str(stick)]
    register.server = Server(words, "/api/v1/status", shop.folder / "mirrored.log")
    register.start()
    register.sign_in(shop.employees["Sales"])
    register.post("/shift/open", {"float": 100_00})
    sold = sell(register, 2)
    synced(register)
    shop.line.cut()
    sold += sell(register, 3)
    register.server.kill()
    shutil.rmtree(register.folder)  # the disk is gone

    assert "the chain is intact" in output("journal", "verify", str(stick))
    new = shop.folder / "register-new"
    recovered = output("register", "recover", "--mirror", str(stick), "--data-dir", str(new))
    assert "5 sales" in recovered
    shop.line.mend()
    office = Office(shop)
    page = re.search(r'href="/registers/([0-9a-f-]{36})"', office.get("/registers"))
    assert page is not None
    office.post(f"/registers/{page[1]}/revoke")
    shown = re.search(
        r"([2-9A-Z]{5}(?:-[2-9A-Z]{5}){3})", office.post(f"/registers/{page[1]}/license")
    )
    assert shown is not None
    office.close()

    replacement = Register("R1", new, shop.line.url, shop.account, shown[1])
    shop.registers.append(replacement)
    replacement.activate()
    replacement.start()
    replacement.sign_in(shop.employees["Sales"])
    replacement.post("/shift/open", {"float": 100_00})
    sold += sell(replacement, 1)
    wait_for(lambda: sold_by(shop, "R1") == Counter(sold), WITHIN, "all of it is there, once")
    synced(replacement)
    # The old journal as a file brings nothing twice.
    file = shop.folder / "old.ndjson"
    file.write_text(output("journal", "export", str(stick)))
    assert "0 new entries" in shop.command("import-journal", str(file))
    assert sold_by(shop, "R1") == Counter(sold)
