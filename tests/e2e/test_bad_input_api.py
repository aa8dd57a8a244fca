"""Bad input to every call of the two APIs: a status that fits, a stable code, one sentence, no 500."""

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.shop import Register, Shop, sale

ESPRESSO = {"sku": "100", "quantity": "1"}
CASH = {"type": "cash", "amount": 1000}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shop = Shop(tmp_path_factory.mktemp("shop")).make()
    shop.backoffice.start()
    yield shop
    shop.close()


@pytest.fixture(scope="module")
def register(shop: Shop) -> Register:
    return shop.open_register()


def refused(answer: httpx.Response, status: int | tuple[int, ...], code: str = "") -> Any:
    """The details of an error answer, after its form has been checked."""
    allowed = (status,) if isinstance(status, int) else status
    assert answer.status_code in allowed, (answer.status_code, answer.text)
    assert answer.headers["content-type"].startswith("application/json")
    error = answer.json()
    assert set(error) == {"code", "message", "details"}, error
    assert error["message"].rstrip().endswith((".", "!", "?")), error
    assert "\n" not in error["message"]
    assert "Traceback" not in answer.text
    if code:
        assert error["code"] == code
    return error["details"]


def make_sale(**changes: object) -> dict[str, object]:
    return sale({"100": "1"}, tender=1000) | changes


def lines(*values: object) -> dict[str, object]:
    return make_sale(lines=list(values))


SALES = [
    ({}, 422, ""),
    ([], 422, ""),
    ("x", 422, ""),
    (make_sale(id="17"), 422, "bad_id"),
    (make_sale(id=17), 422, ""),
    (make_sale(id=None), 422, ""),
    (make_sale(lines="x"), 422, ""),
    (lines(), 422, ""),
    (lines({"sku": "nothing", "quantity": "1"}), 422, "unknown_product"),
    (lines({"barcode": "0000000000000", "quantity": "1"}), 422, "unknown_product"),
    (lines({"quantity": "1"}), 422, ""),
    (lines({"sku": "100", "barcode": "2000000001005", "quantity": "1"}), 422, ""),
    (lines({"sku": "100", "quantity": "0"}), 422, ""),
    (lines({"sku": "100", "quantity": "-1"}), 422, ""),
    (lines({"sku": "100", "quantity": "1.2345"}), 422, ""),
    (lines({"sku": "100", "quantity": "many"}), 422, ""),
    (lines({"sku": "100", "quantity": "NaN"}), 422, ""),
    (lines({"sku": "100", "quantity": "Infinity"}), 422, ""),
    (lines({"sku": "100", "quantity": "1e30"}), 422, ""),
    (lines({"sku": "100", "quantity": None}), 422, ""),
    (make_sale(tenders=[]), 422, "tender_short"),
    (make_sale(tenders=[{"type": "cash", "amount": 219}]), 422, "tender_short"),
    (make_sale(tenders=[{"type": "cash", "amount": -5}, CASH]), 422, ""),
    (make_sale(tenders=[{"type": "cash", "amount": 2.5}]), 422, ""),
    (make_sale(tenders=[{"type": "cash", "amount": "1000"}]), 422, ""),
    (make_sale(tenders=[{"type": "cash", "amount": 10**30}]), 422, ""),
    (make_sale(tenders=[{"type": "gold", "amount": 1000}]), 422, ""),
    (make_sale(tenders=[{"type": "external_card", "amount": 221}]), 422, ""),
    (make_sale(customer=7), 422, ""),
    (make_sale(customer="x" * 10_000), 422, ""),
]


@pytest.mark.parametrize(("body", "status", "code"), SALES)
def test_a_sale_that_is_none(register: Register, body: object, status: int, code: str) -> None:
    before = register.status()["journal"]["seq"]
    refused(register.post("/sales", body), status, code)
    assert register.status()["journal"]["seq"] == before, "nothing may be journalled"


def test_the_same_sale_again_and_another_one_under_its_id(register: Register) -> None:
    body = make_sale()
    first = register.post("/sales", body)
    again = register.post("/sales", body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    other = body | {"tenders": [{"type": "cash", "amount": 2000}]}
    refused(register.post("/sales", other), 409, "id_reused")


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"id": 1e999}'])
def test_a_body_that_is_no_json(register: Register, raw: bytes) -> None:
    for path in ("/session", "/sales", "/shift/open", "/shift/close"):
        headers = register.headers()
        url = f"{register.server.url}/api/v1{path}"
        answer = httpx.post(url, content=raw, headers=headers, timeout=20)
        refused(answer, (400, 409, 422))


def test_a_body_that_is_too_large(register: Register) -> None:
    answer = register.post("/sales", make_sale(customer="x" * 40_000_000), timeout=60)
    refused(answer, 413)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"employee": "999", "pin": "1111"},
        {"employee": "", "pin": ""},
        {"employee": 7, "pin": "1111"},
        {"employee": "101"},
        {"employee": "101", "pin": 4711},
        {"employee": "101", "pin": None},
    ],
)
def test_nobody_signs_in(register: Register, body: object) -> None:
    refused(register.post("/session", body), (401, 422))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/shift/open"),
        ("POST", "/shift/close"),
        ("GET", "/shift/report"),
        ("POST", "/sales"),
        ("GET", "/receipts/S1-R1-000001"),
        ("POST", "/clear-cache"),
    ],
)
@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Bearer nonsense"}, {"Authorization": "x"}]
)
def test_nothing_without_a_session(
    register: Register, method: str, path: str, header: dict[str, str]
) -> None:
    url = f"{register.server.url}/api/v1{path}"
    refused(httpx.request(method, url, json={}, headers=header), 401)


@pytest.mark.parametrize("amount", [None, "100", 1.5, -1, 10**30, True])
def test_a_float_or_a_count_that_is_no_amount(register: Register, amount: object) -> None:
    refused(register.post("/shift/open", {"float": amount}), (409, 422))
    refused(register.post("/shift/close", {"counted": amount}), 422)
    assert register.get("/shift/report").status_code == 200, "the shift is still open"


def test_a_shift_is_opened_once(register: Register) -> None:
    refused(register.post("/shift/open", {"float": 0}), 409, "shift_already_open")


@pytest.mark.parametrize("number", ["S1-R1-999999", "nonsense", "..%2f..", "%00", "x" * 5000])
def test_a_receipt_that_is_none(register: Register, number: str) -> None:
    refused(register.get(f"/receipts/{number}"), 404)


@pytest.mark.parametrize(
    "q", ["", "%", '"', "' OR 1=1 --", "*", "a" * 10_000, "NEAR(", "\x00", "é"]
)
def test_searching_for_anything_is_fine(register: Register, q: str) -> None:
    answer = register.get("/products", q=q)
    assert answer.status_code == 200, answer.text
    assert isinstance(answer.json()["results"], list)


def test_paths_and_methods_that_are_none(register: Register) -> None:
    refused(register.get("/nothing"), 404)
    refused(register.post("/status", {}), 405)


def test_a_refused_sale_is_no_sale_at_the_back_office(shop: Shop, register: Register) -> None:
    made = register.sell({"100": "1"}, tender=220)
    refused(register.post("/sales", make_sale(tenders=[])), 422)
    assert register.post("/sync").status_code == 200
    newest = max(row["receipt"] for row in shop.every("/receipts"))
    assert newest == made["receipt"]


# -- Back Office ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/receipts"),
        ("GET", "/receipts/S1-R1-000001"),
        ("GET", "/shifts"),
        ("GET", "/registers"),
        ("GET", "/products"),
        ("POST", "/products"),
        ("PATCH", "/products/1"),
        ("POST", "/publish"),
        ("GET", "/stock"),
        ("GET", "/exceptions"),
        ("POST", "/exceptions/1/retry"),
    ],
)
@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Bearer nonsense"}, {"Authorization": "x"}]
)
def test_nothing_without_a_token(
    shop: Shop, method: str, path: str, header: dict[str, str]
) -> None:
    url = f"{shop.backoffice.url}/api/v1{path}"
    refused(httpx.request(method, url, json={}, headers=header), 401)


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"name": "X", "price": 100},
        {"sku": "n1", "price": 100},
        {"sku": "n1", "name": "X"},
        {"sku": "n1", "name": "X", "price": -1},
        {"sku": "n1", "name": "X", "price": 1.5},
        {"sku": "n1", "name": "X", "price": "1.00"},
        {"sku": "n1", "name": "X", "price": 10**30},
        {"sku": "", "name": "X", "price": 100},
        {"sku": "n1", "name": "", "price": 100},
        {"sku": "n1", "name": "X", "price": 100, "tax": "no such"},
        {"sku": "100", "name": "A second espresso", "price": 100},
        {"sku": "x" * 10_000, "name": "X", "price": 100},
    ],
)
def test_a_product_that_is_none(shop: Shop, body: object) -> None:
    refused(shop.post("/products", body), (409, 422))
    assert shop.get("/products", sku="n1").json()["results"] == []


@pytest.mark.parametrize(
    "changes", [{"price": -1}, {"price": "x"}, {"price": None}, {"price": 1.5}]
)
def test_a_price_that_is_none(shop: Shop, changes: object) -> None:
    product = shop.get("/products", sku="100").json()["results"][0]
    refused(shop.patch(f"/products/{product['id']}", changes), 422)
    assert shop.get("/products", sku="100").json()["results"][0]["price"] == product["price"]


@pytest.mark.parametrize("id", ["1", "nonsense", str(uuid.UUID(int=0)), "%00"])
def test_things_that_are_not_there(shop: Shop, id: str) -> None:
    refused(shop.patch(f"/products/{id}", {"price": 100}), (404, 422))
    refused(shop.post(f"/exceptions/{id}/retry"), (404, 422))
    refused(shop.get(f"/receipts/{id}"), (404, 422))


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/receipts", {"cursor": "nonsense"}),
        ("/receipts", {"cursor": "\x00"}),
        ("/receipts", {"from": "yesterday"}),
        ("/receipts", {"to": "2026-13-45"}),
        ("/shifts", {"cursor": "nonsense"}),
        ("/products", {"cursor": "nonsense"}),
        ("/exceptions", {"cursor": "nonsense"}),
    ],
)
def test_questions_that_are_none(shop: Shop, path: str, parameters: dict[str, str]) -> None:
    refused(shop.get(path, **parameters), (400, 422))


@pytest.mark.parametrize("raw", [b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_no_json_at_the_back_office(shop: Shop, raw: bytes) -> None:
    url = f"{shop.backoffice.url}/api/v1/products"
    refused(httpx.post(url, content=raw, headers=shop.headers(), timeout=20), (400, 422))


def test_addresses_that_are_none(shop: Shop) -> None:
    refused(shop.get("/nothing"), 404)
    refused(shop.post("/healthz"), 405)


def test_health_and_metrics_and_the_description(shop: Shop) -> None:
    assert httpx.get(f"{shop.backoffice.url}/api/v1/healthz").status_code == 200
    assert "# TYPE" in shop.get("/metrics").text
    assert shop.get("/openapi.json").json()["openapi"].startswith("3.")


@pytest.mark.parametrize("path", ["exchange", "activate", "poke", "nothing"])
@pytest.mark.parametrize("raw", [b"", b"{}", b"\x80", b"\x28\xb5\x2f\xfd garbage", b"\xff" * 5000])
def test_garbage_on_the_sync_api(shop: Shop, path: str, raw: bytes) -> None:
    answer = httpx.post(f"{shop.backoffice.url}/sync/v1/{path}", content=raw, timeout=20)
    assert 400 <= answer.status_code < 500, (answer.status_code, answer.text)
    assert set(answer.json()) == {"code", "message", "details"}
