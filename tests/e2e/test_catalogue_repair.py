"""A real till and a real Back Office: a large catalogue comes as a file, and damage on the disk is mended."""

import csv
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.shop import Shop

GOODS = 2300


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    file = tmp_path / "many.csv"
    with file.open("w", newline="") as out:
        write = csv.writer(out)
        write.writerow(["sku", "name", "price", "barcode"])
        write.writerows((f"{n}", f"Thing {n:04}", "1.00", f"{10**12 + n}") for n in range(GOODS))
    made = Shop(tmp_path).make(file)
    made.backoffice.start()
    yield made
    made.close()


def until(what: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.1)


def test_a_file_comes_and_a_flipped_bit_is_mended(shop: Shop) -> None:
    till = shop.add_register()
    catalogue = till.folder / "catalogue.db"
    assert catalogue.is_symlink()  # the first sync was the file
    with sqlite3.connect(catalogue) as db:
        damaged = db.execute("SELECT n, payload FROM row WHERE kind = 'product' LIMIT 1").fetchone()
        people = db.execute("SELECT n FROM row WHERE kind = 'employee' ORDER BY n").fetchall()
        wrong = damaged[1].replace(b"Thing", b"Thong")
        db.execute("UPDATE row SET payload = ? WHERE n = ?", (wrong, damaged[0]))
    db.close()
    till.start()

    def mended() -> bool:
        with sqlite3.connect(catalogue) as file:
            rows = file.execute("SELECT payload FROM row WHERE dead IS NULL").fetchall()
        file.close()
        return (damaged[1],) in rows and (wrong,) not in rows

    until(mended)
    until(till.is_synced)
    assert till.status()["catalogue"]["products"] == GOODS
    with sqlite3.connect(catalogue) as db:
        after = db.execute("SELECT n FROM row WHERE kind = 'employee' ORDER BY n").fetchall()
    db.close()
    assert after == people  # only the kind that differed was fetched again
