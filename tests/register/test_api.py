"""The local API as a stranger meets it: real application, real files."""

import http.server
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from stillopen.domain.errors import DomainError
from stillopen.register.app import build_app
from stillopen.register.linkview import LineState, LinkView
from stillopen.register.till import SyncResult, Till
from stillopen.register.web.api_frame import MAX_BODY
from stillopen.sync.records import RoleRecord
from tests.register.shop import PIN, SCOPES, Setting, change, publish

BASE = "http://127.0.0.1:8600/api/v1"


class Api:
    """Calls with or without a token."""

    def __init__(self, till: Till) -> None:
        self.till = till
        self.client = TestClient(
            build_app(till, None), base_url=BASE, raise_server_exceptions=False
        )
        self.token = ""

    def call(self, method: str, path: str, body: object = None, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        headers |= more.pop("headers", {})
        if body is not None:
            more["json"] = body
        return self.client.request(method, BASE + path, headers=headers, **more)

    def post(self, path: str, body: object = None, **more: Any) -> httpx.Response:
        return self.call("POST", path, body, **more)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.call("GET", path, **more)

    def sign_in(self, employee: str = "1") -> None:
        answer = self.post("/session", {"employee": employee, "pin": PIN})
        assert answer.status_code == 200, answer.text
        self.token = answer.json()["token"]


@pytest.fixture
def api(till: Till) -> Iterator[Api]:
    made = Api(till)
    yield made
    made.client.close()


@pytest.fixture
def selling(api: Api) -> Api:
    api.sign_in()
    assert api.post("/shift/open", {"float": 10000}).status_code == 200
    return api


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The details of an error that has the shape of all errors."""
    content = answer.json()
    assert (answer.status_code, content["code"]) == (status, code), content
    assert set(content) == {"code", "message", "details"}
    assert content["message"].endswith(".") and len(content["message"]) > 8
    details: dict[str, Any] = content["details"]
    return details


def sale(**changed: object) -> dict[str, object]:
    body: dict[str, object] = {
        "id": str(uuid.uuid4()),
        "lines": [
            {"sku": "100", "quantity": "2"},
            {"barcode": "2112345003320", "quantity": "1"},
        ],
        "tenders": [{"type": "cash", "amount": 2000}],
    }
    return {**body, **changed}


# -- who ----------------------------------------------------------------------------------


def test_session(api: Api) -> None:
    answer = api.post("/session", {"employee": "3", "pin": PIN, "colour": "ignored"})
    content = answer.json()
    assert content["token"] and content["name"] == "Sol" and content["role"] == "Salesperson"
    api.token = content["token"]
    assert api.get("/session").json()["employee"] == "3"
    assert api.call("DELETE", "/session").status_code == 200
    refused(api.get("/session"), 401, "signed_out")


def test_five_wrong_pins(api: Api) -> None:
    for left in (4, 3, 2, 1):
        answer = api.post("/session", {"employee": "1", "pin": "0000"})
        assert refused(answer, 401, "wrong_pin") == {"tries_left": left}
    refused(api.post("/session", {"employee": "1", "pin": "0000"}), 423, "register_blocked")
    refused(api.post("/session", {"employee": "1", "pin": PIN}), 423, "register_blocked")
    assert api.get("/status").json()["blocked"] is True


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/clear-cache"),
        ("POST", "/shift/open"),
        ("POST", "/shift/close"),
        ("GET", "/shift/report"),
        ("POST", "/sales"),
        ("GET", "/receipts/S1-R1-000001"),
        ("GET", "/products"),
        ("GET", "/session"),
        ("DELETE", "/session"),
    ],
)
@pytest.mark.parametrize("token", ["", "made-up", "\u00fc"])
def test_calls_need_a_session(api: Api, method: str, path: str, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}".encode("latin-1")} if token else {}
    answer = api.call(method, path, headers=headers)
    refused(answer, 401, "signed_out")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


# -- bad bodies ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw", [b"{", b"", b"\xff\xfe{}", b"[" * 100_000, b"nonsense", b'{"id":}', b"{}{}"]
)
def test_malformed_json(selling: Api, raw: bytes) -> None:
    for path in ("/sales", "/shift/close", "/session"):
        answer = selling.call("POST", path, content=raw)
        code = "bad_field" if raw == b"" else "bad_json"
        refused(answer, 422 if raw == b"" else 400, code)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/session", {"employee": "1"}),
        ("/session", {"employee": 1, "pin": PIN}),
        ("/session", {"employee": None, "pin": PIN}),
        ("/session", []),
        ("/shift/close", {}),
        ("/shift/close", {"counted": "14350"}),
        ("/shift/close", {"counted": 143.5}),
        ("/shift/close", {"counted": True}),
        ("/shift/close", {"counted": 1, "denominations": [1]}),
        ("/sales", "sale"),
        ("/sales", sale(id=7)),
        ("/sales", sale(lines={"sku": "100"})),
        ("/sales", sale(lines=["100"])),
        ("/sales", sale(lines=[{"sku": "100", "quantity": 1}])),
        ("/sales", sale(tenders=[{"type": "cash"}])),
        ("/sales", sale(tenders=[{"type": "gold", "amount": 1}])),
        ("/sales", sale(tenders=[{"type": "cash", "amount": "20.00"}])),
        ("/sales", sale(tenders=[{"type": "cash", "amount": 20.5}])),
        ("/sales", sale(customer=7)),
        ("/sales", {k: v for k, v in sale().items() if k != "id"}),
        ("/sales", {k: v for k, v in sale().items() if k != "lines"}),
        ("/activate", {"backoffice": "http://127.0.0.1:1"}),
    ],
)
def test_fields_of_the_wrong_kind(selling: Api, path: str, body: object) -> None:
    before = selling.till.journal.head()
    refused(selling.post(path, body), 422, "bad_field")
    assert selling.till.journal.head() == before


def test_a_body_that_is_too_large(selling: Api) -> None:
    large = sale(note="x" * MAX_BODY)
    refused(selling.post("/sales", large), 413, "body_too_large")

    def parts() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * 100_000

    refused(selling.call("POST", "/sales", content=parts()), 413, "body_too_large")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/sales", 405, "method_not_allowed"),
        ("POST", "/status", 405, "method_not_allowed"),
        ("DELETE", "/products", 405, "method_not_allowed"),
        ("PUT", "/session", 405, "method_not_allowed"),
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/sales/1/2", 404, "not_found"),
    ],
)
def test_wrong_ways_are_answered_in_json(
    api: Api, method: str, path: str, status: int, code: str
) -> None:
    refused(api.call(method, path), status, code)


def test_below_api_everything_is_json(api: Api) -> None:
    refused(api.client.get("http://127.0.0.1:8600/api/v9/status"), 404, "not_found")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8600", 200),
        ("localhost:8600", 200),
        ("[::1]:8600", 200),
        ("192.168.1.20:8600", 200),  # an address cannot be rebound
        ("till.example", 421),
        ("localhost.till.example", 421),
        ("", 421),
        ("a:b:c", 421),
    ],
)
def test_only_our_own_names_are_answered(api: Api, host: str, status: int) -> None:
    assert api.get("/status", headers={"Host": host}).status_code == status


def test_another_sites_page_changes_nothing(selling: Api) -> None:
    answer = selling.post("/sales", sale(), headers={"Origin": "https://shop.example"})
    refused(answer, 403, "foreign_origin")
    answer = selling.post("/sales", sale(), headers={"Origin": "http://127.0.0.1:8600"})
    assert answer.status_code == 201


# -- the state ----------------------------------------------------------------------------


def test_status_needs_no_session(api: Api) -> None:
    content = api.get("/status").json()
    head = api.till.journal.head()
    assert content["state"] == "reconnecting" and content["indicator"] == "yellow"
    assert content["journal"] == {"epoch": head.epoch, "seq": 0, "hash": "00" * 32}
    assert content["acked"] == {"epoch": head.epoch, "seq": 0}
    assert content["catalogue"]["products"] == 7
    assert (content["account"], content["store"], content["register"]) == ("acc-1", "S1", "R1")
    assert content["unsent"] == {"count": 0, "value": 0, "oldest_at": None, "sales": 0}
    assert content["quarantined"] == 0 and content["last_exchange_at"] is None
    assert content["version"]


def test_status_counts_what_is_unsent(selling: Api) -> None:
    for _ in range(3):
        assert selling.post("/sales", sale()).status_code == 201
    content = selling.get("/status").json()
    assert content["unsent"]["count"] == 5
    assert content["unsent"]["value"] == 3 * 1032
    assert content["unsent"]["oldest_at"] == "2026-03-02T11:00:00Z"
    assert content["sentence"] == "3 sales worth €30.96 are saved here and not sent yet"


def test_sync(selling: Api) -> None:
    refused(selling.post("/sync"), 503, "offline")

    async def synced(*, snapshot: bool = False, retry: bool = False) -> SyncResult:
        return SyncResult(3, 7)

    selling.till.sync_now = synced
    answer = selling.post("/sync")
    assert answer.json() == {"message": "Synced successfully", "sent": 3, "received": 7}


def test_clear_cache_is_refused_unless_green(selling: Api) -> None:
    asked: list[bool] = []

    async def synced(*, snapshot: bool = False, retry: bool = False) -> SyncResult:
        asked.append(snapshot)
        return SyncResult(0, publish(selling.till, Setting()))

    selling.till.sync_now = synced
    for state in LineState:
        if state is not LineState.CONNECTED:
            selling.till.set_link(LinkView(state=state))
            refused(selling.post("/clear-cache"), 409, "not_synced")
    assert asked == []
    before = selling.till.journal.head()
    selling.till.set_link(LinkView(state=LineState.CONNECTED))
    assert selling.post("/clear-cache").json()["received"] > 7
    assert asked == [True] and selling.till.journal.head() == before
    selling.sign_in("3")
    seller = RoleRecord(name="Salesperson", permissions=("sale.sell",))
    change(selling.till, (SCOPES[0], "role-Salesperson", seller))
    refused(selling.post("/clear-cache"), 403, "not_permitted")


# -- the shift ----------------------------------------------------------------------------


def test_a_day_at_the_till(api: Api) -> None:
    api.sign_in("3")
    refused(api.post("/sales", sale()), 409, "shift_not_open")
    refused(api.post("/shift/close", {"counted": 0}), 409, "shift_not_open")
    refused(api.get("/shift/report"), 409, "shift_not_open")
    refused(api.post("/shift/open", {"float": -1}), 422, "bad_amount")
    assert api.post("/shift/open", {"float": 10000}).json()["float"] == 10000
    refused(api.post("/shift/open", {"float": 1}), 409, "shift_already_open")
    api.post("/sales", sale())
    report = api.get("/shift/report").json()
    assert (report["expected"], report["z_number"]) == (11032, None)
    z = api.post("/shift/close", {"counted": 11000}).json()
    assert (z["z_number"], z["expected"], z["counted"], z["difference"]) == (1, 11032, 11000, -32)
    assert (z["grand_total"], z["currency"], z["totals"]["sales_count"]) == (1032, "EUR", 1)
    refused(api.post("/shift/close", {"counted": 0}), 409, "shift_not_open")


# -- selling ------------------------------------------------------------------------------


def test_a_sale(selling: Api) -> None:
    body = sale(customer="C-1")
    answer = selling.post("/sales", body)
    assert answer.status_code == 201
    content = answer.json()
    assert content["receipt"] == "S1-R1-000001" and content["id"] == body["id"]
    assert (content["total"], content["tax"], content["change"]) == (1032, 112 + 22, 968)
    assert (content["currency"], content["seq"], content["rounding"]) == ("EUR", 3, 0)
    assert [t["name"] for t in content["taxes"]] == ["19 %", "7 %"]
    stored = selling.till.journal.entries.stored(str(body["id"]))
    assert stored is not None and stored[0].receipt == "S1-R1-000001"


def test_the_same_id_again(selling: Api) -> None:
    body = sale()
    first = selling.post("/sales", body)
    again = selling.post("/sales", body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    selling.post("/shift/close", {"counted": 0})
    assert selling.post("/sales", body).status_code == 200
    for other in (
        {**body, "tenders": [{"type": "cash", "amount": 2001}]},
        {**body, "lines": [{"sku": "100", "quantity": "2"}]},
        {**body, "customer": "C-2"},
    ):
        refused(selling.post("/sales", other), 409, "id_reused")
    assert selling.till.journal.receipts_made() == 1


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"tenders": [{"type": "cash", "amount": 1031}]}, "tender_short"),
        ({"tenders": []}, "tender_short"),
        ({"tenders": [{"type": "external_card", "amount": 1033}]}, "tender_excess"),
        ({"tenders": [{"type": "cash", "amount": -5}]}, "bad_tender"),
        ({"tenders": [{"type": "cash", "amount": 10**30}]}, "bad_tender"),
        ({"lines": [{"sku": "nowhere", "quantity": "1"}]}, "unknown_product"),
        ({"lines": [{"barcode": "nowhere", "quantity": "1"}]}, "unknown_product"),
        ({"lines": [{"quantity": "1"}]}, "bad_line"),
        ({"lines": [{"sku": "100", "quantity": "0"}]}, "bad_quantity"),
        ({"lines": [{"sku": "100", "quantity": "-1"}]}, "bad_quantity"),
        ({"lines": [{"sku": "100", "quantity": "1.0001"}]}, "bad_quantity"),
        ({"lines": [{"sku": "100", "quantity": "NaN"}]}, "bad_quantity"),
        ({"lines": [{"sku": "100", "quantity": ""}]}, "bad_quantity"),
        ({"lines": [{"sku": "100", "quantity": "1_0"}]}, "bad_quantity"),
        ({"lines": [{"sku": "100", "quantity": "1e1"}]}, "bad_quantity"),
        ({"lines": [{"sku": "100", "quantity": "٢"}]}, "bad_quantity"),
        ({"lines": []}, "empty_cart"),
        ({"id": "7"}, "bad_id"),
        ({"customer": "x" * 300}, "text_too_long"),
        (
            {"tenders": [{"type": "external_card", "amount": 1032, "reference": "x" * 300}]},
            "text_too_long",
        ),
    ],
)
def test_sales_that_are_refused(selling: Api, changed: dict[str, object], code: str) -> None:
    before = selling.till.journal.head()
    refused(selling.post("/sales", sale(**changed)), 422, code)
    assert selling.till.journal.head() == before


def test_null_is_the_same_as_nothing_given(selling: Api) -> None:
    card = {"type": "external_card", "amount": 1032}
    body = sale(tenders=[{**card, "reference": None}], customer=None, note=None)
    assert selling.post("/sales", body).status_code == 201
    bare = {"id": body["id"], "lines": body["lines"], "tenders": [card]}
    assert selling.post("/sales", bare).status_code == 200


def test_what_is_not_found_is_said_in_one_sentence(selling: Api) -> None:
    answer = selling.post("/sales", sale(lines=[{"sku": "x" * 5000, "quantity": "1"}]))
    refused(answer, 422, "unknown_product")
    assert len(answer.content) < 600


def test_what_is_short_is_said(selling: Api) -> None:
    answer = selling.post("/sales", sale(tenders=[{"type": "cash", "amount": 1000}]))
    assert refused(answer, 422, "tender_short") == {"due": 32}


def test_card_and_cash(selling: Api) -> None:
    tenders = [{"type": "external_card", "amount": 500}, {"type": "cash", "amount": 1000}]
    content = selling.post("/sales", sale(tenders=tenders)).json()
    assert (content["change"], content["rounding"]) == (468, 0)
    given = selling.get(f"/receipts/{content['receipt']}").json()["tenders"]
    assert given[0] == {"type": "external_card", "amount": 500, "reference": ""}


def test_a_receipt_as_it_was_made(selling: Api) -> None:
    body = sale(customer="C-1", note="gift")
    made = selling.post("/sales", body).json()
    receipt = selling.get(f"/receipts/{made['receipt']}").json()
    for name in ("receipt", "id", "total", "net", "tax", "change", "currency", "seq", "taxes"):
        assert receipt[name] == made[name]
    assert (receipt["customer"], receipt["note"], receipt["cashier"]) == ("C-1", "gift", "Ada")
    first, second = receipt["lines"]
    assert (first["sku"], first["quantity"], first["gross"]) == ("100", "2", 700)
    assert (second["quantity"], second["gross"], second["tax_rate"]) == ("0.074", 332, "7")
    assert receipt["business_day"] == "2026-03-02" and receipt["status"] == "unsent"
    refused(selling.get("/receipts/S1-R1-000099"), 404, "no_such_receipt")


def test_products(selling: Api) -> None:
    content = selling.get("/products", params={"q": "flat"}).json()
    assert content["next"] is None
    (found,) = content["results"]
    assert found["sku"] == "100" and found["name"] == "Flat white" and found["price"] == 350
    assert found["barcode"] == "4006381333931" and found["available"] is None
    assert found["currency"] == "EUR" and found["stopped"] is False
    everything = selling.get("/products").json()["results"]
    assert len(everything) == 7
    pages, cursor = [], "0"
    while cursor:
        page = selling.get("/products", params={"limit": "3", "cursor": cursor}).json()
        pages += page["results"]
        cursor = page["next"]
    assert pages == everything
    assert selling.get("/products", params={"q": '"\0*'}).json()["results"] == []
    refused(selling.get("/products", params={"limit": "x"}), 422, "bad_field")
    refused(selling.get("/products", params={"limit": "0"}), 422, "bad_field")


def test_the_last_sale_is_damaged_and_selling_goes_on(selling: Api) -> None:
    body = sale()
    made = selling.post("/sales", body).json()
    with selling.till.journal.transaction() as db:
        db.execute("UPDATE entry SET body = replace(body, 'tax', 'tbx') WHERE seq = ?", made["seq"])
    refused(selling.get(f"/receipts/{made['receipt']}"), 409, "receipt_damaged")
    refused(selling.post("/sales", body), 409, "receipt_damaged")
    for page in ("/login", "/", "/sell", "/receipts", f"/receipts/{made['receipt']}"):
        assert selling.client.get(f"http://127.0.0.1:8600{page}").status_code < 500, page
    assert selling.post("/sales", sale()).status_code == 201


def test_a_full_disk_is_said_plainly(selling: Api) -> None:
    class Full:
        def is_low(self) -> bool:
            return True

        def require(self) -> None:
            raise DomainError("disk_full", "The disk of this till is almost full.")

    selling.till.journal.db.room = Full()  # type: ignore[assignment]
    refused(selling.post("/sales", sale()), 507, "disk_full")


def test_a_mistake_of_ours_is_one_sentence(api: Api) -> None:
    api.till.journal.close()
    refused(api.get("/status"), 500, "internal_error")


# -- before all that ----------------------------------------------------------------------


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Api]:
    made = Api(Till.open(tmp_path / "fresh"))
    yield made
    made.client.close()


def test_a_register_that_is_not_activated(fresh: Api) -> None:
    content = fresh.get("/status").json()
    assert (content["indicator"], content["state"]) == ("gray", "not_activated")
    refused(fresh.post("/session", {"employee": "1", "pin": PIN}), 409, "not_activated")


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        ("shop.example", 422, "bad_url"),
        ("ftp://shop.example", 422, "bad_url"),
        ("http://", 422, "bad_url"),
        ("http://shop.example:99999", 422, "bad_url"),
        ("http://shop.example", 422, "tls_required"),
        ("http://10.0.0.1:8700", 422, "tls_required"),
        ("http://127.0.0.1:9", 503, "offline"),
    ],
)
def test_activation_that_cannot_be(fresh: Api, url: str, status: int, code: str) -> None:
    body = {"backoffice": url, "account": "A", "license_key": "K"}
    refused(fresh.post("/activate", body), status, code)
    assert fresh.get("/status").json()["state"] == "not_activated"


def test_something_else_answers_an_activation(fresh: Api, stranger: str) -> None:
    body = {"backoffice": stranger, "account": "A", "license_key": "K"}
    refused(fresh.post("/activate", body), 422, "not_a_backoffice")


@pytest.fixture
def stranger() -> Iterator[str]:
    """A web server that is no Back Office."""
    from_thread = _Stranger()
    yield from_thread.url
    from_thread.close()


class _Stranger:
    def __init__(self) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"<html>Welcome</html>")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
