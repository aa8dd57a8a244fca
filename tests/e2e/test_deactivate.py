"""Giving a register back, and being another one afterwards: real programs on real files."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.process import output, run, wait_for
from tests.support.shop import Register, Shop

pytestmark = pytest.mark.story

WITHIN = 30.0  # seconds


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path).make()
    shop.backoffice.start()
    yield shop
    shop.close()


def refused(register: Register) -> tuple[int, str]:
    answer = register.post("/deactivate")
    return answer.status_code, answer.json()["code"]


def entries(register: Register) -> list[str]:
    """The hashes of all entries that the file holds."""
    lines = output("journal", "export", str(register.folder)).splitlines()
    found = [json.loads(line) for line in lines if line]
    return [entry["hash"] for entry in found if "body" in entry]


def states(shop: Shop) -> dict[str, str]:
    return {r["register"]: r["state"] for r in shop.every("/registers")}


def test_a_register_is_given_back_and_the_device_becomes_another(shop: Shop) -> None:
    register = shop.open_register()
    first = register.sell({"100": "1"})["receipt"]
    assert register.post("/deactivate").json()["code"] == "not_permitted"
    register.sign_in(shop.employees["Manag"])
    assert refused(register) == (409, "shift_open")
    assert register.post("/shift/close", {"counted": 102_20}).status_code == 200
    shop.line.cut()
    wait_for(lambda: register.status()["state"] == "offline", WITHIN, "the line is cut")
    assert refused(register) == (503, "offline")
    assert register.status()["register"] == "R1"  # it stays what it is
    shop.line.mend()
    wait_for(register.is_synced, WITHIN, "all is sent")
    answer = register.post("/deactivate")
    assert (answer.status_code, answer.json()) == (200, {"store": "S1", "register": "R1"})
    status = register.status()
    assert (status["indicator"], status["state"]) == ("gray", "not_activated")
    assert "deactivated" in status["sentence"] and "journal" in status["sentence"]
    assert states(shop) == {"R1": "not_activated"}
    old = run("register", "activate", "--data-dir", str(register.folder), *register.activation)
    assert old.returncode and "unknown_license" in old.stderr
    before = entries(register)

    other = shop.add_register("R2", activate=False)
    other.folder, other.server = register.folder, register.server
    other.activate()
    wait_for(lambda: other.status()["catalogue"]["products"] == 4, WITHIN, "its first sync")
    other.sign_in(shop.employees["Sales"])
    assert other.post("/shift/open", {"float": 0}).status_code == 200
    assert other.sell({"101": "2"})["receipt"] == "S1-R2-000001"
    wait_for(other.is_synced, WITHIN, "the sale of the new register is sent")
    assert {r["receipt"] for r in shop.every("/receipts")} == {first, "S1-R2-000001"}
    assert shop.every("/exceptions") == []
    after = entries(other)
    assert after[: len(before)] == before and len(after) > len(before)
    assert output("journal", "verify", str(other.folder))
    assert other.get(f"/receipts/{first}").status_code == 200  # readable, and nobody's any more

    assert other.post("/shift/close", {"counted": 7_00}).status_code == 200
    busy = run("register", "deactivate", "--data-dir", str(other.folder))
    assert busy.returncode and "in_use" in busy.stderr
    other.server.stop()
    said = output("register", "deactivate", "--data-dir", str(other.folder))
    assert "Register S1-R2 is deactivated" in said
    assert states(shop) == {"R1": "not_activated", "R2": "not_activated"}
    assert len(shop.every("/receipts")) == 2
