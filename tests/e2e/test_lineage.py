"""Disks and databases that go back in time, with real programs: nothing lost, nothing doubled, and the
screens say what is so."""

import copy
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.process import Server, run, wait_for
from tests.support.shop import Register, Shop

pytestmark = pytest.mark.story

WITHIN = 30.0  # seconds until everything has arrived


def serving(folder: Path, url: str = "") -> Iterator[Shop]:
    shop = Shop(folder, url).make()
    shop.backoffice.start()
    yield shop
    shop.close()


@pytest.fixture(scope="module")
def sqlite_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One for all tests, each with a register of its own."""
    yield from serving(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="module")
def postgres_shop(
    postgres_module_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    yield from serving(tmp_path_factory.mktemp("postgres"), postgres_module_url)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.soak)])
def shop(request: pytest.FixtureRequest) -> Shop:
    shop: Shop = request.getfixturevalue(f"{request.param}_shop")
    return shop


@pytest.fixture
def small_shop(sqlite_shop: Shop) -> Shop:
    """Where the database of the Back Office makes no difference."""
    return sqlite_shop


def on_folder(shop: Shop, register: Register, folder: Path, prefix: Sequence[str] = ()) -> Register:
    """A till that runs on ``folder``, beside ``register``."""
    twin = copy.copy(register)
    twin.folder, twin._token = folder, ""
    log = folder.parent / f"{folder.name}.log"
    words = ["register", "serve", "--data-dir", str(folder)]
    twin.server = Server(words, "/api/v1/status", log, prefix)
    shop.registers.append(twin)
    return twin


def copy_folder(shop: Shop, register: Register, name: str, prefix: Sequence[str] = ()) -> Register:
    """Stops ``register`` (nothing is copied while it is written) and copies its folder."""
    register.server.stop()
    folder = register.folder.with_name(f"{register.folder.name}-{name}")
    shutil.copytree(register.folder, folder)
    return on_folder(shop, register, folder, prefix)


def begin(shop: Shop, *registers: Register) -> None:
    for register in registers:
        register.start()
        register.sign_in(shop.employees["Sales"])


def sell(register: Register, count: int = 1) -> list[dict[str, Any]]:
    return [register.sell({"100": "1"}) for _ in range(count)]


def synced(*registers: Register) -> None:
    for register in registers:
        wait_for(
            register.is_synced, WITHIN, f"{register.folder.name} is green: {register.status()}"
        )


def numbers(answers: list[dict[str, Any]]) -> list[str]:
    return [answer["receipt"] for answer in answers]


def receipts(shop: Shop, register: Register) -> list[dict[str, Any]]:
    """Of all tills that ever were ``register``."""
    ours = re.compile(rf"S1-{register.name}([a-z][0-9]*)?-")
    return [row for row in shop.every("/receipts") if ours.match(row["receipt"])]


def arrived_once(shop: Shop, register: Register, sold: list[dict[str, Any]]) -> None:
    """Every answered sale is in the Back Office once, with its number, and nothing else is."""
    rows = receipts(shop, register)
    assert Counter(row["id"] for row in rows) == Counter(answer["id"] for answer in sold)
    assert sorted(row["receipt"] for row in rows) == sorted(numbers(sold))


def filed(shop: Shop, register: Register) -> set[str]:
    """Codes of the exceptions about ``register``."""
    return {row["code"] for row in shop.every("/exceptions") if row["register"] == register.name}


def healthy(*registers: Register) -> None:
    for register in registers:
        register.server.stop()
        verified = run("journal", "verify", str(register.folder))
        assert (verified.returncode, verified.stderr) == (0, "")


# -- the disk of a till ------------------------------------------------------------------------


def test_a_folder_that_is_copied_and_run_twice(shop: Shop) -> None:
    first = shop.open_register("R8")  # made now: whatever other tests did to the database
    sold = sell(first, 2)
    synced(first)
    second = copy_folder(shop, first, "copy")
    shop.line.cut()
    begin(shop, first, second)
    ours, theirs = sell(first, 2), sell(second, 3)
    assert numbers(ours) == numbers(theirs)[:2]  # printed before anybody could know
    assert first.status()["unsent"]["value"] == sum(answer["total"] for answer in ours)
    shop.line.mend()
    synced(first, second)
    for register in (first, second):  # whichever came first hears of the other with its next word
        assert register.post("/sync").status_code == 200
    later = sell(first) + sell(second)
    assert len({*numbers(later), *numbers(ours), *numbers(theirs)}) == 5
    assert sorted(n.split("-")[1] for n in numbers(later)) == ["R8b", "R8c"]
    synced(first, second)
    arrived_once(shop, first, sold + ours + theirs + later)
    assert {"journal_forked", "number_twice"} <= filed(shop, first)
    for register in (first, second):
        status = register.status()
        assert (status["state"], status["unsent"]["count"]) == ("synced", 0)
        assert (status["quarantined"], status["waiting"]) == (0, 0)
    healthy(first, second)


def test_a_folder_that_was_restored_from_an_image(small_shop: Shop) -> None:
    """Before it sells again: it is told at once, and the next receipt bears the new letter."""
    shop = small_shop
    register = shop.open_register("R2")
    sold = sell(register, 2)
    synced(register)
    image = copy_folder(shop, register, "image")
    begin(shop, register)
    sold += sell(register, 3)
    synced(register)
    register.server.stop()

    image.start()
    synced(image)
    image.sign_in(shop.employees["Sales"])
    wait_for(lambda: "disk_restored" in filed(shop, register), WITHIN, "a person is told")
    again = sell(image, 2)
    assert numbers(again) == ["S1-R2b-000001", "S1-R2b-000002"]
    synced(image)
    arrived_once(shop, register, sold + again)
    assert filed(shop, register) == {"disk_restored"}
    healthy(image)


def test_a_restored_folder_that_sells_before_it_is_told(small_shop: Shop) -> None:
    shop = small_shop
    register = shop.open_register("R3")
    sold = sell(register, 2)
    synced(register)
    image = copy_folder(shop, register, "image")
    begin(shop, register)
    sold += sell(register, 3)
    synced(register)
    register.server.stop()

    shop.line.cut()
    begin(shop, image)
    branch = sell(image, 2)
    assert numbers(branch) == ["S1-R3-000003", "S1-R3-000004"]
    shop.line.mend()
    synced(image)
    after = sell(image)
    assert numbers(after) == ["S1-R3b-000001"]
    synced(image)
    arrived_once(shop, register, sold + branch + after)
    assert filed(shop, register) == {"journal_forked", "number_twice"}
    healthy(image)


# -- another machine ------------------------------------------------------------------------------


def elsewhere(folder: Path) -> list[str]:
    """A command that runs another one with another /etc/machine-id; skips where that is not allowed."""
    name = folder / "machine-id"
    name.write_text("00000000000000000000000000000abc\n")
    if os.geteuid() != 0:
        pytest.skip("only root can give a process another /etc/machine-id")
    mount = f"mount --bind {name} /etc/machine-id"
    tried = subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip(f"no mount namespace here: {tried.stderr.decode().strip()}")
    return ["unshare", "-m", "sh", "-c", f'{mount} && exec "$@"', "sh"]


def test_a_folder_that_is_copied_to_another_machine(small_shop: Shop, tmp_path: Path) -> None:
    """It numbers under a label of its own from its first sale on; its facts arrive, and it gets nothing."""
    shop, prefix = small_shop, elsewhere(tmp_path)
    first = shop.open_register("R4")
    sold = sell(first, 2)
    synced(first)
    moved = copy_folder(shop, first, "moved", prefix)
    shop.line.cut()
    begin(shop, first, moved)
    sold += sell(first, 2)
    theirs = sell(moved, 2)
    labels = {number.split("-")[1] for number in numbers(theirs)}
    assert len(labels) == 1 and next(iter(labels)).startswith("R4x")
    assert [number[-6:] for number in numbers(theirs)] == ["000001", "000002"]
    shop.line.mend()
    synced(first)
    wait_for(lambda: moved.status()["unsent"]["count"] == 0, WITHIN, "its facts are handed in")
    arrived_once(shop, first, sold + theirs)
    assert "another_machine" in filed(shop, first)
    wait_for(lambda: moved.status()["state"] == "not_activated", WITHIN, "it says what is amiss")
    assert "machine" in moved.status()["sentence"]

    coffee = next(p for p in shop.every("/products") if p["sku"] == "100")
    assert shop.patch(f"/products/{coffee['id']}", {"price": 999}).status_code == 200
    assert shop.post("/publish").status_code in (200, 201)
    wait_for(lambda: sell(first)[0]["total"] == 999, WITHIN, "the new price is at the first till")
    theirs_later = sell(moved)
    assert theirs_later[0]["total"] == theirs[0]["total"] != 999  # it goes on with what it has
    assert moved.status()["state"] == "not_activated"
    synced(first)
    wait_for(lambda: moved.status()["unsent"]["count"] == 0, WITHIN, "its facts are handed in")
    assert {row["id"] for row in receipts(shop, first)} >= {a["id"] for a in theirs_later}
    healthy(first, moved)


# -- the database of the Back Office ------------------------------------------------------------------


def test_a_database_that_is_replaced_by_an_earlier_copy(shop: Shop) -> None:
    """By hand, with no command of ours: the till is offline and sells meanwhile."""
    register = shop.open_register("R9")
    sold = sell(register, 2)
    synced(register)
    shop.backoffice.stop()
    copy = shop.keep()
    shop.backoffice.start()
    sold += sell(register, 3)
    synced(register)
    assert len(receipts(shop, register)) == 5

    shop.line.cut()
    sold += sell(register, 2)
    shop.backoffice.kill()
    shop.put_back(copy)
    shop.backoffice.start()
    assert len(receipts(shop, register)) == 2
    sold += sell(register)
    shop.line.mend()
    wait_for(lambda: len(receipts(shop, register)) == len(sold), WITHIN, "all of it comes again")
    synced(register)
    arrived_once(shop, register, sold)
    assert "server_went_back" in filed(shop, register)
    assert numbers(sell(register)) == ["S1-R9-000009"]  # nothing parted
    synced(register)
    healthy(register)
