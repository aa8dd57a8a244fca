"""Importing products from CSV files: everything or nothing, and fast."""

import time
from decimal import Decimal
from pathlib import Path

import pytest

from stillopen.backoffice.accounts.models import Account, Store
from stillopen.backoffice.catalogue import drafts
from stillopen.backoffice.catalogue.importing import Imported, import_products
from stillopen.backoffice.catalogue.models import Category, Product, QuickKeys
from stillopen.backoffice.catalogue.publishing import publish_drafts, publish_records
from stillopen.backoffice.catalogue.verbs import create_product, create_tax_rate, remove_product
from stillopen.backoffice.stock.models import Level, Movement
from stillopen.domain.pricing import Price
from tests.backoffice.core.seen import on_sqlite, refused, seen

FULL = """\
sku,name,price,barcode,category,tax,cost,unit,stock,quick_key
C1,Espresso,2.20,,Coffee,19,0.35,,,Coffee:2
C2,Flat white,3.50,4000000000011|4000000000028,Coffee,,0.8,,,Coffee:1
A1,"Apple, red",2.99,,Fruit,Reduced,1.10,kg,12.5,yes
"""


def run(shop: Account, store: Store, folder: Path, text: str | bytes) -> Imported:
    path = folder / "products.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return import_products(shop, store, path, None)


@pytest.fixture
def reduced(shop: Account) -> None:
    create_tax_rate(shop, "Reduced", Decimal(7), None)


@pytest.mark.usefixtures("reduced")
def test_all_columns(shop: Account, store: Store, tmp_path: Path) -> None:
    done = run(shop, store, tmp_path, FULL)
    assert (done.rows, done.new, done.changed, done.stocked) == (3, 3, 0, 1)
    white = Product.objects.get(sku="C2")
    assert (white.name, white.price, white.cost) == ("Flat white", 350, 80)
    assert white.barcodes == ["4000000000011", "4000000000028"]
    assert white.category is not None and white.category.name == "Coffee"
    apple = Product.objects.get(sku="A1")
    assert (apple.name, apple.unit, apple.tax.name) == ("Apple, red", "kg", "Reduced")
    assert Level.objects.get(product_id=str(apple.id)).quantity == Decimal("12.5")
    pages = {page.name: page.products for page in QuickKeys.objects.all()}
    espresso = Product.objects.get(sku="C1")
    assert pages["Coffee"] == [str(white.id), str(espresso.id)]
    assert pages["Quick keys"] == [str(apple.id)]
    assert [c.name for c in Category.objects.all()] == ["Coffee", "Fruit"]


def test_a_pictogram_for_the_tile_and_a_colour_for_a_new_category(
    shop: Account, store: Store, tmp_path: Path
) -> None:
    head = "sku,name,price,category,pictogram,category_colour\n"
    run(shop, store, tmp_path, head + "C1,Espresso,2.20,Coffee,coffee,sand\n")
    assert Product.objects.get(sku="C1").picture == "coffee"
    assert Category.objects.get(name="Coffee").colour == "sand"
    run(shop, store, tmp_path, head + "C1,Espresso,2.20,Coffee,tea,mint\n")
    assert Product.objects.get(sku="C1").picture == "tea"
    assert Category.objects.get(name="Coffee").colour == "sand"
    error = refused("bad_row", run, shop, store, tmp_path, head + "C1,Espresso,2.20,,dragon,\n")
    assert "dragon" in error.message


@pytest.mark.usefixtures("reduced")
def test_they_are_drafts_until_published(shop: Account, store: Store, tmp_path: Path) -> None:
    done = run(shop, store, tmp_path, FULL)
    assert seen(shop, "product") == {}
    publish_records(shop, done.keys, None)
    prices = {p.sku: p.prices for p in seen(shop, "product").values()}
    assert prices["C1"] == (Price(amount=220),)
    assert len(seen(shop, "category")) == len(seen(shop, "quick_keys")) == 2
    # The rate was only a draft; products need it.
    assert len(seen(shop, "tax_rate")) == 2 and drafts.pending(shop) == []


@pytest.mark.usefixtures("reduced")
def test_again_changes_only_what_differs(shop: Account, store: Store, tmp_path: Path) -> None:
    run(shop, store, tmp_path, FULL)
    publish_drafts(shop, None)
    again = run(shop, store, tmp_path, FULL)
    assert (again.new, again.changed, again.stocked) == (0, 0, 0)
    assert drafts.pending(shop) == []
    changed = run(shop, store, tmp_path, FULL.replace("2.20", "2.40").replace("12.5", "10"))
    assert (changed.new, changed.changed, changed.stocked) == (0, 1, 1)
    assert publish_drafts(shop, None).records == 1
    assert sum(m.quantity for m in Movement.objects.all()) == Decimal(10)
    assert [level.quantity for level in Level.objects.all()] == [Decimal(10)]


def test_publishing_a_file_that_was_imported_as_drafts(
    shop: Account, store: Store, tmp_path: Path
) -> None:
    head = "sku,name,price,category,quick_key\n"
    run(shop, store, tmp_path, head + "A,Apple,1,Fruit,yes\nB,Pear,1,Fruit,yes\n")
    again = run(shop, store, tmp_path, head + "A,Apple,1,Fruit,yes\n")
    assert (again.new, again.changed) == (0, 0)
    publish_records(shop, again.keys, None)
    # The page of tiles shows both, so both come along.
    assert {p.sku for p in seen(shop, "product").values()} == {"A", "B"}
    assert len(seen(shop, "category")) == 1 and drafts.pending(shop) == []


def test_columns_that_are_not_there_leave_fields_alone(
    shop: Account, store: Store, tmp_path: Path
) -> None:
    run(shop, store, tmp_path, "sku,name,price,barcode,category\nA,Apple,1,4001,Fruit\n")
    run(shop, store, tmp_path, "sku,name,price\nA,Apple,2\n")
    apple = Product.objects.get(sku="A")
    assert (apple.price, apple.barcodes, str(apple.category)) == (200, ["4001"], "Fruit")
    run(shop, store, tmp_path, "sku,name,price,barcode,category\nA,Apple,2,,\n")
    apple.refresh_from_db()
    assert (apple.barcodes, apple.category) == ([], None)


@pytest.mark.usefixtures("reduced")
def test_an_empty_tax_leaves_the_rate_of_a_product(
    shop: Account, store: Store, tmp_path: Path
) -> None:
    run(shop, store, tmp_path, "sku,name,price,tax\nA,Apple,1,7\nB,Pear,1,\n")
    run(shop, store, tmp_path, "sku,name,price,tax\nA,Apple,2,\n")
    rates = {p.sku: p.tax.name for p in Product.objects.all()}
    assert rates == {"A": "Reduced", "B": "VAT 19 %"}


def test_files_as_spreadsheets_write_them(shop: Account, store: Store, tmp_path: Path) -> None:
    text = '\ufeffSKU; Name ;PRICE;colour\r\n A ; Crème brûlée ;1.5;red\r\n\r\n;;;\r\nB;"x ""y""";3\r\n'
    done = run(shop, store, tmp_path, text)
    assert (done.rows, done.unknown_columns) == (2, ("colour",))
    found = {p.sku: (p.name, p.price) for p in Product.objects.all()}
    assert found == {"A": ("Crème brûlée", 150), "B": ('x "y"', 300)}


def test_a_barcode_may_move_between_products_of_the_file(
    shop: Account, store: Store, tmp_path: Path
) -> None:
    head = "sku,name,price,barcode\n"
    run(shop, store, tmp_path, head + "A,Apple,1,4001\nB,Pear,1,4002\n")
    run(shop, store, tmp_path, head + "A,Apple,1,4002\nB,Pear,1,4001\n")
    assert Product.objects.get(sku="A").barcodes == ["4002"]


def test_a_removed_product_comes_back(
    shop: Account, store: Store, apple: Product, tmp_path: Path
) -> None:
    remove_product(apple, None)
    run(shop, store, tmp_path, "sku,name,price\nA1,Apple,1\n")
    apple.refresh_from_db()
    assert apple.active


GOOD = "sku,name,price\nA,Apple,1\n"
BAD_ROWS = [
    (GOOD + "B,Pear,x\n", 3, "“x” is not a price"),
    (GOOD + "B,Pear,\n", 3, "is not a price"),
    (GOOD + 'B,Pear,"1,50"\n', 3, "decimal point"),
    (GOOD + "B,Pear,1.505\n", 3, "more digits"),
    (GOOD + "B,Pear,-1\n", 3, "below zero"),
    (GOOD + "B,Pear,1e2\n", 3, "is not a price"),
    (GOOD + "B,Pear,99999999999999\n", 3, "too large"),
    (GOOD + ",Pear,1\n", 3, "SKU"),
    (GOOD + "B,,1\n", 3, "name"),
    (GOOD + "\n\nB,Pear\n", 5, "is not a price"),
    (GOOD + "B,Pear,1,50\n", 3, "4 cells for 3 columns"),
    (GOOD + "A,Apple again,1\n", 3, "SKU A stands in line 2"),
    (GOOD + 'B,"two\nlines",1\nC,,1\n', 5, "name"),
    ("sku,name,price,tax\nA,Apple,1,33\n", 2, "no tax rate “33”"),
    ("sku,name,price,cost\nA,Apple,1,cheap\n", 2, "cost"),
    ("sku,name,price,stock\nA,Apple,1,1.2345\n", 2, "stock"),
    ("sku,name,price,stock\nA,Apple,1,many\n", 2, "stock"),
    ("sku,name,price,barcode\nA,Apple,1,40 01\n", 2, "barcode"),
    ("sku,name,price,barcode\nA,Apple,1,4001\nB,Pear,1,9|4001\n", 3, "4001 stands in line 2"),
    ("sku,name,price,barcode\nB,Pear,1,5000\n", 2, "“Own” (OWN) has the barcode 5000"),
    ("sku,name,price,unit\nA,Apple,1,kilogrammes\n", 2, "unit"),
]


@on_sqlite
@pytest.mark.parametrize(("text", "line", "words"), BAD_ROWS)
def test_a_bad_row_is_named_and_nothing_is_imported(
    shop: Account, store: Store, tmp_path: Path, text: str, line: int, words: str
) -> None:
    create_product(shop, {"sku": "OWN", "name": "Own", "price": 1, "barcodes": ["5000"]}, None)
    error = refused("bad_row", run, shop, store, tmp_path, text)
    assert error.message.startswith(f"Line {line}: ") and words in error.message
    assert error.details["line"] == line and "\n" not in error.message
    assert Product.objects.count() == 1


def test_other_bad_rows_are_counted(shop: Account, store: Store, tmp_path: Path) -> None:
    error = refused("bad_row", run, shop, store, tmp_path, GOOD + "B,,1\nC,,1\n,,1\n")
    assert error.message.startswith("Line 3: ") and error.message.endswith("(2 more bad rows)")


BAD_FILES: list[tuple[str | bytes, str]] = [
    (b"", "bad_columns"),
    (b"sku,name\nA,Apple\n", "bad_columns"),
    (b"sku,name,price,SKU\nA,Apple,1,B\n", "bad_columns"),
    (b"sku,name,price\nA,Caf\xe9,1\n", "bad_file"),
    (b'sku,name,price\nA,"Apple,1\n', "bad_file"),
    (b"PK\x03\x04\x00\x00\xff\xfe", "bad_file"),
]


@on_sqlite
@pytest.mark.parametrize(("content", "code"), BAD_FILES)
def test_a_file_that_is_none(
    shop: Account, store: Store, tmp_path: Path, content: bytes, code: str
) -> None:
    refused(code, run, shop, store, tmp_path, content)
    assert Product.objects.count() == 0


def test_ten_thousand_products_in_seconds(shop: Account, store: Store, tmp_path: Path) -> None:
    rows = "".join(
        f"{n},Product {n},{n % 900}.{n % 100:02},{200000000 + n},C{n % 8}\n" for n in range(10_000)
    )
    started = time.monotonic()
    done = run(shop, store, tmp_path, "sku,name,price,barcode,category\n" + rows)
    assert publish_records(shop, done.keys, None).records == 10_008
    assert time.monotonic() - started < 30  # about 4 s on an idle machine
    assert len(seen(shop, "product")) == 10_000
