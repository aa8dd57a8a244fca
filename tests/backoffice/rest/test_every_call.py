"""Every call of the REST API: nothing without a token, nothing of another account. A new call without an
entry here fails the test."""

from datetime import UTC, datetime

import pytest

from stillopen.backoffice.catalogue.verbs import change_product
from stillopen.backoffice.ingest.models import ExceptionItem
from stillopen.backoffice.rest_api.api import api as described
from tests.backoffice.rest.conftest import Api, read, refused
from tests.backoffice.web.market import Market

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NO_TOKEN = {"/healthz"}
#: Lists: of a stranger they are empty, or have the stranger's own rows only.
LISTS = {"/receipts", "/shifts", "/registers", "/products", "/stock", "/exceptions"}
#: call → body; the id in the address is another account's.
OF_ONE = {
    ("GET", "/receipts/{number}"): None,
    ("PATCH", "/products/{product_id}"): {"price": 1},
    ("GET", "/exceptions/{exception_id}"): None,
    ("POST", "/exceptions/{exception_id}/retry"): None,
    ("POST", "/exceptions/{exception_id}/resolve"): {"fix": "set_aside"},
}
#: Calls that make or say something of the caller's own account, tested below.
OWN = {("POST", "/products"), ("POST", "/publish"), ("GET", "/metrics")}


def calls() -> set[tuple[str, str]]:
    paths = described.get_openapi_schema()["paths"]
    return {(m.upper(), p.removeprefix("/api/v1")) for p, ways in paths.items() for m in ways}


def test_every_call_is_looked_at_here() -> None:
    known = {("GET", p) for p in LISTS | NO_TOKEN} | set(OF_ONE) | OWN
    assert calls() == known


@pytest.fixture
def ids(market: Market) -> dict[str, str]:
    """What the addresses name: things of ``market``."""
    seller = market.seller()
    seller.open(NOON)
    made = seller.sell(NOON, [(market.products[0], "1")])
    seller.till.add_bytes(b"nonsense")
    seller.send(NOON)
    return {
        "{number}": made.number,
        "{product_id}": str(market.products[0].id),
        "{exception_id}": str(ExceptionItem.objects.get(code="bad_entry").id),
    }


def address(path: str, ids: dict[str, str]) -> str:
    for name, value in ids.items():
        path = path.replace(name, value)
    return path


def test_nothing_without_a_token(market: Market, ids: dict[str, str]) -> None:
    for method, path in calls():
        if path not in NO_TOKEN:
            refused(Api().send(method, address(path, ids), {}), 401, "bad_token")
            refused(Api("x").send(method, address(path, ids), {}), 401, "bad_token")


def test_nothing_of_another_account(
    market: Market, ids: dict[str, str], api: Api, stranger: Api
) -> None:
    for path in LISTS:
        own = {str(row) for row in api.rows(path)}
        assert own and not own & {str(row) for row in stranger.rows(path)}, path
    for (method, path), body in OF_ONE.items():
        refused(stranger.send(method, address(path, ids), body), 404, "not_found")
    change_product(market.products[0], {"price": 1}, None)
    assert read(stranger.post("/publish"))["records"] == 0
    made = read(stranger.post("/products", {"sku": "S", "name": "S", "price": 1}), 201)
    assert made["id"] not in {p["id"] for p in api.rows("/products")}
    metrics = stranger.get("/metrics").content.decode()
    assert "stillopen_receipts_total 0.0" in metrics and 'register="R1"' not in metrics
    held = ExceptionItem.objects.get(code="bad_entry")
    assert held.resolved_at is None


def test_settling_an_exception(market: Market, ids: dict[str, str], api: Api) -> None:
    held = f"/exceptions/{ids['{exception_id}']}"
    (row,) = api.rows("/exceptions")
    assert (row["severity"], row["state"], row["fixes"]) == (
        "held",
        "quarantined",
        ["retry", "set_aside"],
    )
    again = read(api.post(f"{held}/retry"))
    assert (again["applied"], again["left"]) == (0, 1)
    assert "Nothing was applied" in again["outcome"] and "cannot be read" in again["outcome"]
    wrong = refused(api.post(f"{held}/resolve", {"fix": "accept"}), 409, "fix_not_possible")
    assert wrong["fixes"] == ["retry", "set_aside"]
    done = read(api.post(f"{held}/resolve", {"fix": "set_aside", "note": "booked by hand"}))
    assert done["resolved_at"] is not None and done["state"] == "set_aside"
    refused(api.post(f"{held}/resolve", {"fix": "set_aside"}), 409, "settled")
    refused(api.get("/exceptions", state="lost"), 422, "bad_request")
    full = read(api.get(held))
    assert full["fact"] == "nonsense" and full["seq"] == 3 and len(full["hash"]) == 64
    assert [h["fix"] for h in full["history"]] == ["retry", "set_aside"]
    assert full["history"][1]["details"]["note"] == "booked by hand"
    assert [x["id"] for x in api.rows("/exceptions", state="settled")] == [full["id"]]
