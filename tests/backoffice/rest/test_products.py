"""Products, publishing and stock over the REST API."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from stillopen.backoffice.catalogue.models import Product
from stillopen.backoffice.feed.models import Published
from stillopen.sync import records
from tests.backoffice.rest.conftest import Api, read, refused
from tests.backoffice.web.market import Market

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def published_price(product_id: str) -> int:
    """What registers see."""
    row = Published.objects.get(kind="product", record=UUID(product_id))
    record = records.decode(bytes(row.payload))
    assert isinstance(record, records.ProductRecord)
    return record.prices[0].amount


def test_products_are_found_by_sku_name_and_barcode(market: Market, api: Api) -> None:
    (found,) = api.rows("/products", sku="100")
    expected = {
        "sku": "100",
        "name": "Flat white",
        "price": 350,
        "cost": None,
        "currency": "EUR",
        "tax": "VAT 19 %",
        "tax_rate": "19",
        "category": "Coffee",
        "barcodes": ["400000000100"],
        "unit": "",
        "stopped": False,
        "published": True,
    }
    assert {name: found[name] for name in expected} == expected
    assert [p["sku"] for p in api.rows("/products", q="white flat")] == ["100"]
    assert [p["sku"] for p in api.rows("/products", q="400000000301")] == ["301"]
    assert api.rows("/products", sku="10") == []
    assert api.rows("/products", q="100 %") == []


def test_pages_of_products(market: Market, api: Api) -> None:
    every = [p["sku"] for p in api.rows("/products", limit=4)]
    assert every == sorted(p.sku for p in market.products)


def test_a_new_product_is_a_draft_until_published(market: Market, api: Api) -> None:
    body = {
        "sku": "T1",
        "name": "Tea",
        "price": 280,
        "cost": 40,
        "tax": "7",
        "category": "coffee",
        "barcodes": ["4001234567890"],
    }
    made = read(api.post("/products", body), 201)
    assert made["price"] == 280 and made["tax"] == "VAT 7 %" and made["category"] == "Coffee"
    assert made["published"] is False
    assert not Published.objects.filter(record=UUID(made["id"])).exists()
    published = read(api.post("/publish"))
    assert published["records"] == 1
    assert published_price(made["id"]) == 280
    assert api.rows("/products", sku="T1")[0]["published"] is True
    assert read(api.post("/publish")) == {"publication": published["publication"], "records": 0}


def test_one_barcode_may_stand_alone(market: Market, api: Api) -> None:
    made = read(
        api.post("/products", {"sku": "T2", "name": "Tea", "price": 1, "barcode": "71"}), 201
    )
    assert (made["barcode"], made["barcodes"]) == ("71", ["71"])
    address = f"/products/{made['id']}"
    assert read(api.patch(address, {"price": 2}))["barcode"] == "71"
    assert read(api.patch(address, {"barcode": None}))["barcodes"] == []
    both = {"barcode": "72", "barcodes": ["73"]}
    refused(api.patch(address, both), 422, "bad_request")


def test_a_price_is_a_draft_until_published(market: Market, api: Api) -> None:
    product = str(market.products[0].id)
    changed = read(api.patch(f"/products/{product}", {"price": 399}))
    assert (changed["price"], changed["published"]) == (399, False)
    assert published_price(product) == 350
    assert read(api.post("/publish"))["records"] == 1
    assert published_price(product) == 399


def test_sold_out_takes_effect_at_once(market: Market, api: Api) -> None:
    product = str(market.products[0].id)
    read(api.patch(f"/products/{product}", {"price": 999}))
    assert read(api.patch(f"/products/{product}", {"stopped": True}))["stopped"] is True
    record = records.decode(bytes(Published.objects.get(record=UUID(product)).payload))
    assert isinstance(record, records.ProductRecord)
    assert record.stopped and record.prices[0].amount == 350


def test_null_takes_a_category_away_and_is_no_price(market: Market, api: Api) -> None:
    address = f"/products/{market.products[0].id}"
    assert read(api.patch(address, {"category": None, "cost": None}))["category"] is None
    assert refused(api.patch(address, {"price": None}), 422, "bad_request")["fields"] == {
        "price": "null"
    }


#: body, status and code of the answer
BAD_PRODUCTS: list[tuple[object, int, str]] = [
    ({"sku": "100", "name": "Again", "price": 1}, 409, "sku_taken"),
    ({"sku": "X", "name": "N", "price": 1, "barcodes": ["400000000100"]}, 409, "barcode_taken"),
    ({"sku": "X", "name": "N", "price": -1}, 422, "bad_price"),
    ({"sku": "X", "name": "N", "price": 10**13 + 1}, 422, "bad_request"),
    ({"sku": "X", "name": "N", "price": 10**30}, 422, "bad_request"),
    ({"sku": "X", "name": "N", "price": 3.5}, 422, "bad_request"),
    ({"sku": "X", "name": "N", "price": "350"}, 422, "bad_request"),
    ({"sku": "X", "name": "N", "price": True}, 422, "bad_request"),
    ({"sku": "X", "name": "N"}, 422, "bad_request"),
    ({"sku": "", "name": "N", "price": 1}, 422, "bad_value"),
    ({"sku": "X", "name": "\u0000", "price": 1}, 422, "bad_value"),
    ({"sku": "X" * 65, "name": "N", "price": 1}, 422, "bad_value"),
    ({"sku": "X", "name": "N", "price": 1, "prise": 2}, 422, "bad_request"),
    ({"sku": "X", "name": "N", "price": 1, "tax": "21"}, 422, "unknown_tax"),
    ({"sku": "X", "name": "N", "price": 1, "category": "Tools"}, 422, "unknown_category"),
    ({"sku": "X", "name": "N", "price": 1, "barcodes": ["a b"]}, 422, "bad_barcode"),
    ([], 422, "bad_request"),
    ("{not json", 400, "bad_request"),
    ("", 422, "bad_request"),
]


def test_bad_products_are_refused(market: Market, api: Api) -> None:
    for body, status, code in BAD_PRODUCTS:
        refused(api.post("/products", body), status, code)
    assert Product.objects.count() == len(market.products)


def test_a_bad_change_is_refused_and_changes_nothing(market: Market, api: Api) -> None:
    address = f"/products/{market.products[0].id}"
    refused(api.patch(address, {"price": -1}), 422, "bad_price")
    refused(api.patch(address, {"price": 100, "sku": "101"}), 409, "sku_taken")
    refused(api.patch(f"/products/{uuid4()}", {"price": 1}), 404, "not_found")
    refused(api.patch("/products/100", {"price": 1}), 422, "bad_request")
    assert api.rows("/products", sku="100")[0]["price"] == 350


def test_stock_follows_sales(market: Market, api: Api) -> None:
    seller = market.seller()
    seller.open(NOON)
    seller.sell(NOON, [(market.products[0], "2"), (market.products[13], "0.25")])
    seller.sell(NOON, [(market.products[0], "1")])
    seller.send(NOON)
    (row,) = api.rows("/stock", sku="100")
    assert row == {
        "product": str(market.products[0].id),
        "sku": "100",
        "name": "Flat white",
        "store": "S1",
        "quantity": "-3",
    }
    by_sku = {r["sku"]: r["quantity"] for r in api.rows("/stock", limit=1)}
    assert by_sku == {"100": "-3", market.products[13].sku: "-0.25"}
    assert api.rows("/stock", sku="nothing") == []
