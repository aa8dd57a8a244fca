"""Tokens, errors, registers, exceptions, health and metrics of the REST API."""

import hashlib
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from stillopen.backoffice.accounts.models import ApiToken
from stillopen.backoffice.accounts.users import revoke_token
from stillopen.backoffice.catalogue.verbs import change_product
from stillopen.backoffice.devices import verbs
from stillopen.backoffice.devices.models import Register
from tests.backoffice.rest.conftest import Api, read, refused
from tests.backoffice.web.market import Market, Seller

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
READING = (
    "/receipts", "/receipts/S1-R1-000001", "/shifts", "/registers", "/products", "/stock",
    "/exceptions", "/metrics",
)  # fmt: skip


@pytest.fixture
def seller(market: Market) -> Seller:
    seller = market.seller()
    seller.open(NOON)
    seller.sell(NOON, [(market.products[0], "1")])
    return seller


def test_without_a_token_nothing_is_told(market: Market) -> None:
    for path in READING:
        for wrong in (Api(), Api("so_wrong")):
            response = wrong.get(path)
            refused(response, 401, "bad_token")
            assert response["WWW-Authenticate"] == "Bearer"


def test_writing_needs_a_token_too(market: Market) -> None:
    refused(Api().post("/products", {"sku": "X", "name": "N", "price": 1}), 401, "bad_token")
    refused(Api().patch(f"/products/{market.products[0].id}", {"price": 1}), 401, "bad_token")
    refused(Api().post("/publish"), 401, "bad_token")


def test_another_scheme_is_no_token(market: Market) -> None:
    client = Client(headers={"Authorization": f"Basic {market.token}"})
    refused(client.get("/api/v1/receipts"), 401, "bad_token")  # type: ignore[arg-type]


def test_a_revoked_token_opens_nothing(market: Market, api: Api) -> None:
    token = ApiToken.objects.get(digest=hashlib.sha256(market.token.encode()).hexdigest())
    read(api.get("/receipts"))
    token.refresh_from_db()
    assert token.last_used_at is not None
    revoke_token(token, None)
    refused(api.get("/receipts"), 401, "bad_token")


def test_a_token_of_another_account_sees_and_changes_nothing(
    market: Market, seller: Seller, api: Api, stranger: Api
) -> None:
    made = seller.receipts[0]
    seller.till.add_bytes(b"nonsense")
    seller.send(NOON)
    (exception,) = api.rows("/exceptions")
    assert api.rows("/receipts") and api.rows("/shifts") and api.rows("/stock")
    for path in ("/receipts", "/shifts", "/registers", "/stock", "/exceptions"):
        assert stranger.rows(path) == []
    refused(stranger.get(f"/receipts/{made.number}"), 404, "not_found")
    own = {p["id"] for p in stranger.rows("/products")}
    assert own and not own & {str(p.id) for p in market.products}
    address = f"/products/{market.products[0].id}"
    refused(stranger.patch(address, {"price": 1}), 404, "not_found")
    refused(stranger.post(f"/exceptions/{exception['id']}/retry"), 404, "not_found")
    refused(stranger.get("/receipts", register="R1"), 422, "unknown_register")
    change_product(market.products[0], {"price": 1}, None)
    assert read(stranger.post("/publish"))["records"] == 0
    body = stranger.get("/metrics").content.decode()
    assert "stillopen_receipts_total 0.0" in body and 'register="R1"' not in body


def test_errors_of_django_have_our_shape(api: Api) -> None:
    refused(api.get("/nothing/here"), 404, "not_found")
    refused(api.get("/"), 404, "not_found")
    refused(api.post("/receipts", {}), 405, "method_not_allowed")
    assert "GET" in api.post("/receipts", {})["Allow"]
    refused(api.send("DELETE", "/products"), 405, "method_not_allowed")
    refused(api.get("/products", q="\0"), 422, "bad_request")


def test_the_description_names_every_call(api: Api) -> None:
    described = read(Api().get("/openapi.json"))
    calls = {
        (method.upper(), path.removeprefix("/api/v1"))
        for path, methods in described["paths"].items()
        for method in methods
    }
    assert calls == {
        ("GET", "/receipts"),
        ("GET", "/receipts/{number}"),
        ("GET", "/shifts"),
        ("GET", "/registers"),
        ("GET", "/products"),
        ("POST", "/products"),
        ("PATCH", "/products/{product_id}"),
        ("POST", "/publish"),
        ("GET", "/stock"),
        ("GET", "/exceptions"),
        ("GET", "/exceptions/{exception_id}"),
        ("POST", "/exceptions/{exception_id}/retry"),
        ("POST", "/exceptions/{exception_id}/resolve"),
        ("GET", "/healthz"),
        ("GET", "/metrics"),
    }
    names = [p["name"] for p in described["paths"]["/api/v1/receipts"]["get"]["parameters"]]
    assert {"register", "from", "to", "cursor", "limit"} == set(names)


def test_registers_tell_what_they_said_last(market: Market, seller: Seller, api: Api) -> None:
    now = timezone.now()
    seller.sell(NOON, [(market.products[0], "3")])
    seller.send(now, keep=1, value=1050)
    (row,) = api.rows("/registers")
    expected = {
        "register": "R1",
        "store": "S1",
        "state": "connected",
        "head": {"epoch": seller.till.epoch, "seq": 3},
        "acked": {"epoch": seller.till.epoch, "seq": 2},
        "not_received": 1,
        "currency": "EUR",
        "receipts_made": 2,
        "shift_open": True,
        "applied": False,
        "blocked": False,
        "software": "0.1.0",
    }
    assert {name: row[name] for name in expected} == expected
    assert (row["unsent"]["count"], row["unsent"]["value"]) == (1, 1050)
    assert datetime.fromisoformat(row["unsent"]["oldest_at"]) <= now
    assert row["last_seen_at"].endswith("Z")
    assert row["behind"] > 0
    assert row["clock_offset"] == pytest.approx(0.4, abs=0.05)


def test_states_of_registers(market: Market, api: Api) -> None:
    now = timezone.now()
    ago = now - timedelta(hours=1)
    silent, off, fresh = (market.seller(name) for name in ("R1", "R2", "R3"))
    silent.open(ago)
    silent.send(ago)
    off.open(ago)
    off.close(ago)
    off.send(ago)
    gone = market.seller("R4")
    verbs.revoke(gone.register, None)
    verbs.add_register(market.store, "R5", None)
    states = {r["register"]: r["state"] for r in api.rows("/registers")}
    assert states == {
        "R1": "not_heard",
        "R2": "off",
        "R3": "never_synced",
        "R4": "revoked",
        "R5": "not_activated",
    }
    fresh.send(now)
    Register.objects.filter(id=off.register.id).update(head_seq=9)
    states = {r["register"]: r["state"] for r in api.rows("/registers")}
    assert (states["R3"], states["R2"]) == ("connected", "not_heard")


def test_an_exception_can_be_tried_again(market: Market, seller: Seller, api: Api) -> None:
    made = seller.receipts[0]
    wrong = msgspec.structs.replace(made, number="S1-R1-000777", total=made.total + 1)
    seller.till.add("sale", wrong)
    seller.till.add_bytes(b"nonsense")
    seller.send(NOON)
    by_code = {x["code"]: x for x in api.rows("/exceptions", limit=1)}
    assert set(by_code) == {"totals_differ", "bad_entry"}
    held, seen = by_code["bad_entry"], by_code["totals_differ"]
    assert (held["register"], held["store"], held["resolved_at"]) == ("R1", "S1", None)
    again = read(api.post(f"/exceptions/{held['id']}/retry"))
    assert (again["applied"], again["left"], again["resolved_at"]) == (0, 1, None)
    settled = read(api.post(f"/exceptions/{seen['id']}/retry"))
    assert settled["resolved_at"] is not None
    assert [x["id"] for x in api.rows("/exceptions")] == [held["id"]]
    refused(api.post("/exceptions/00000000-0000-0000-0000-000000000000/retry"), 404, "not_found")
    refused(api.post("/exceptions/one/retry"), 422, "bad_request")


def test_health_needs_no_token(market: Market) -> None:
    for address in ("/healthz", "/api/v1/healthz"):
        assert read(Client().get(address))["status"] == "ok"  # type: ignore[arg-type]
        assert Client().head(address).status_code == 200


def test_health_without_a_database(market: Market) -> None:
    def refuse(*_: object) -> object:
        raise OperationalError("the disk is gone")

    for address in ("/healthz", "/api/v1/healthz"):
        with connection.execute_wrapper(refuse):
            refused(Client().get(address), 503, "database_unavailable")  # type: ignore[arg-type]


def test_a_call_without_a_database_says_so(market: Market, api: Api) -> None:
    def refuse(*_: object) -> object:
        raise OperationalError("the disk is gone")

    with connection.execute_wrapper(refuse):
        refused(api.get("/receipts"), 503, "database_unavailable")


def metric(body: str, name: str) -> float:
    (line,) = [x for x in body.splitlines() if x.startswith(f"{name} ")]
    return float(line.rpartition(" ")[2])


def test_metrics(market: Market, seller: Seller, api: Api) -> None:
    seller.sell(NOON, [(market.products[0], "3")])
    seller.send(timezone.now(), keep=1, value=1050)
    client = Client(headers={"Authorization": f"Bearer {market.token}"})
    response = client.get("/metrics")
    assert response["Content-Type"].startswith("text/plain")
    body = response.content.decode()
    labels = '{register="R1",store="S1"}'
    assert metric(body, 'stillopen_registers{state="connected"}') == 1
    assert metric(body, 'stillopen_registers{state="revoked"}') == 0
    assert metric(body, f"stillopen_register_unsent{labels}") == 1
    assert metric(body, f"stillopen_register_unsent_value_minor_units{labels}") == 1050
    assert metric(body, f"stillopen_register_not_received{labels}") == 1
    assert 0 <= metric(body, f"stillopen_register_last_seen_seconds{labels}") < 60
    assert metric(body, 'stillopen_entries{status="applied"}') == 2
    assert metric(body, "stillopen_receipts_total") == 1
    assert metric(body, "stillopen_exceptions_open") == 0
    assert api.get("/metrics").content.decode().count("\n") == body.count("\n")
    assert Client().get("/metrics").status_code == 401
