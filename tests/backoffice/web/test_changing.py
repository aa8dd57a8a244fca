"""What people change on the pages: prices, publishing, registers, employees, exceptions."""

import re
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from django.db import connection
from django.test.utils import CaptureQueriesContext

from stillopen.backoffice.accounts.models import Employee
from stillopen.backoffice.catalogue.verbs import change_product
from stillopen.backoffice.devices.licensing import license_digest
from stillopen.backoffice.devices.models import Register
from stillopen.backoffice.feed.models import Published
from stillopen.backoffice.ingest.models import ExceptionItem
from stillopen.sync import records
from tests.backoffice.web.conftest import Visitor
from tests.backoffice.web.market import Market
from tests.backoffice.web.test_reading import text

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def published(kind: str, record: UUID) -> records.Record:
    row = Published.objects.get(kind=kind, record=record, deleted=False)
    return records.decode(bytes(row.payload))


def published_price(record: UUID) -> int:
    product = published("product", record)
    assert isinstance(product, records.ProductRecord)
    return product.prices[0].amount


def test_a_price_goes_from_its_field_to_the_registers(market: Market, owner: Visitor) -> None:
    product = market.products[0]
    assert 'class="changes-bar"' not in owner.get("/products")
    answer = owner.htmx(f"/products/{product.id}/price", price="3,90")
    body = answer.content.decode()
    assert re.search(rf'<tr id="product-{product.id}"', body)
    assert 'value="3.90"' in body and "price 3.50 → 3.90" in body
    assert 'hx-swap-oob="true"' in body and "1 change not published" in body
    assert published_price(product.id) == 350

    preview = text(owner.get("/changes"))
    assert "Flat white Product prices 3.50 → 3.90 owner@corner.example" in preview
    page = text(owner.post("/publish"))
    assert re.search(r"Published as number \d+: 1 record on the way", page)
    assert "Everything is published" in page
    assert published_price(product.id) == 390


def test_the_form_works_without_scripts_too(market: Market, owner: Visitor) -> None:
    product = market.products[0]
    page = owner.post(f"/products/{product.id}/price", price="3.60")
    assert 'value="3.60"' in page and "1 change not published" in page
    assert "write digits" in owner.post(f"/products/{product.id}/price", price="cheap")


def test_a_price_that_cannot_be_read_stays_in_its_field(market: Market, owner: Visitor) -> None:
    product = market.products[0]
    for wrong in ("cheap", "-1", "3.999", "1e3", ""):
        body = owner.htmx(f"/products/{product.id}/price", price=wrong).content.decode()
        assert "aria-invalid" in body and 'role="alert"' in body
        assert f'value="{wrong}"' in body
    product.refresh_from_db()
    assert product.price == 350
    assert "not published" not in owner.get("/products")


def test_suspicious_prices_lead_to_the_preview_first(market: Market, owner: Visitor) -> None:
    product, other = market.products[0], market.products[1]
    change_product(product, {"price": 35}, market.user)
    change_product(other, {"price": 0}, market.user)
    page = text(owner.post("/publish"))
    assert "Some prices look unusual" in page
    assert "3.50 → 0.35 is -90 %" in page and "The price is 0.00." in page
    assert "2 prices look unusual" in page
    assert published_price(product.id) == 350
    assert "Published as number" in owner.post("/publish", seen="1")
    assert published_price(product.id) == 35


def test_a_change_taken_back_publishes_nothing(market: Market, owner: Visitor) -> None:
    product = market.products[0]
    change_product(product, {"price": 400}, market.user)
    change_product(product, {"price": 350}, market.user)
    assert "changed back" in owner.get("/changes")
    assert "Nothing differed" in owner.post("/publish")


def test_sold_out_is_at_once_and_carries_no_draft_along(market: Market, owner: Visitor) -> None:
    product = market.products[0]
    owner.htmx(f"/products/{product.id}/price", price="9.90")
    body = owner.htmx(f"/products/{product.id}/stop", stopped="on").content.decode()
    assert "Sold out" in body and "Sell again" in body
    record = published("product", product.id)
    assert isinstance(record, records.ProductRecord)
    assert (record.stopped, record.prices[0].amount) == (True, 350)
    owner.htmx(f"/products/{product.id}/stop", stopped="")
    again = published("product", product.id)
    assert isinstance(again, records.ProductRecord) and not again.stopped


def test_products_are_found_and_paged(market: Market, owner: Visitor) -> None:
    assert re.findall(r'id="product-', owner.get("/products", q="400000000301")) == ['id="product-']
    assert "No product found" in owner.get("/products", q="hammer")
    assert "was not given by this list" in owner.get("/products", 422, cursor="x")


def test_a_new_register_shows_its_key_once(market: Market, owner: Visitor) -> None:
    page = text(owner.post("/registers/new", store=str(market.store.id), name="R5"))
    register = Register.objects.get(name="R5")
    (key,) = re.findall(r"License Key ([A-Z0-9-]{15,}) Copy", page)
    assert register.license_digest == license_digest(key)
    assert market.account.public_id in page and "Back Office address" in page
    assert "http://testserver Account ID" in page
    assert key not in owner.get(f"/registers/{register.id}")
    fresh = text(owner.post(f"/registers/{register.id}/license"))
    (second,) = re.findall(r"License Key ([A-Z0-9-]{15,}) Copy", fresh)
    register.refresh_from_db()
    assert second != key and register.license_digest == license_digest(second)


def test_a_bad_register_is_refused_beside_its_form(market: Market, owner: Visitor) -> None:
    store = str(market.store.id)
    owner.post("/registers/new", store=store, name="R5")
    assert "has a register R5 already" in owner.post("/registers/new", 422, store=store, name="R5")
    assert "letters or digits" in owner.post("/registers/new", 422, store=store, name="R 6")
    assert "The name is missing" in owner.post("/registers/new", 422, store=store, name="")
    assert "no such store" in owner.post("/registers/new", 422, store="x", name="R6")
    assert Register.objects.count() == 1


def test_revoking_says_what_it_means_first(market: Market, owner: Visitor) -> None:
    seller = market.seller()
    seller.open(NOON)
    seller.sell(NOON, [(market.products[0], "1")])
    seller.send(NOON, keep=1, value=350)
    address = f"/registers/{seller.register.id}"
    page = text(owner.get(f"{address}/revoke"))
    assert "1 entry worth €3.50 have not been received" in page
    seller.register.refresh_from_db()
    assert seller.register.state == "active"
    done = text(owner.post(f"{address}/revoke"))
    assert "S1-R1 is revoked." in done and "New License Key" in done
    seller.register.refresh_from_db()
    assert seller.register.state == "revoked"


def test_unblocking_and_options_reach_the_register(market: Market, owner: Visitor) -> None:
    seller = market.seller()
    Register.objects.filter(id=seller.register.id).update(blocked=True)
    address = f"/registers/{seller.register.id}"
    assert "Unblock register" in owner.get(address)
    assert "S1-R1 is blocked by wrong PINs" in text(owner.get("/"))
    owner.post(f"{address}/unblock")
    first = published("register_settings", seller.register.id)
    assert isinstance(first, records.RegisterSettings)
    assert first.unblock and not first.several_employees
    owner.post(f"{address}/options", several_employees="on")
    second = published("register_settings", seller.register.id)
    assert isinstance(second, records.RegisterSettings) and second.several_employees
    owner.post(f"{address}/options")
    third = published("register_settings", seller.register.id)
    assert isinstance(third, records.RegisterSettings) and not third.several_employees


def test_the_limits_of_the_indicator_reach_the_register(market: Market, owner: Visitor) -> None:
    seller = market.seller()
    address = f"/registers/{seller.register.id}"
    page = owner.get(address)
    assert 'name="yellow_after" value="2.6"' in page and 'name="red_after" value="4.2"' in page
    owner.post(f"{address}/options", yellow_after="5,5", red_after="12", probe_every="")
    first = published("register_settings", seller.register.id)
    assert isinstance(first, records.RegisterSettings)
    assert (first.yellow_after, first.red_after, first.probe_every) == (5.5, 12.0, 1.0)
    assert 'name="yellow_after" value="5.5"' in owner.get(address)

    typed = {"several_employees": "on", "yellow_after": "20", "red_after": "soon"}
    page = owner.post(f"{address}/options", 422, **typed)
    assert "more than 20 and at most 120 seconds" in text(page)
    assert 'name="several_employees" checked' in page and 'name="red_after" value="soon"' in page
    assert f'hx-get="{address}"' in page, "the rest of it goes on being fresh"
    assert published("register_settings", seller.register.id) == first


def test_a_new_employee_is_at_the_registers_at_once(market: Market, owner: Visitor) -> None:
    role = str(market.employees[0].role_id)
    form = {"name": "Noor", "last_name": "Haddad", "pin": "4821", "code": "", "role": role}
    page = text(owner.post("/employees/new", **form, stores=[str(market.store.id)]))
    assert "Noor Haddad can sign in with code 103." in page
    person = Employee.objects.get(name="Noor")
    record = published("employee", person.id)
    assert isinstance(record, records.EmployeeRecord) and record.code == "103"

    owner.post(f"/employees/{person.id}/pin", pin="9999")
    changed = published("employee", person.id)
    assert isinstance(changed, records.EmployeeRecord) and changed.pin_hash != record.pin_hash
    assert "4 to 8 digits" in owner.post(f"/employees/{person.id}/pin", 422, pin="12")

    owner.post(f"/employees/{person.id}/switch", active="")
    assert Published.objects.get(kind="employee", record=person.id).deleted
    assert "Switched off" in owner.get("/employees")
    owner.post(f"/employees/{person.id}/switch", active="on")
    assert not Published.objects.get(kind="employee", record=person.id).deleted


def test_a_bad_employee_is_refused_and_the_form_keeps_what_was_typed(
    market: Market, owner: Visitor
) -> None:
    role, store = str(market.employees[0].role_id), [str(market.store.id)]
    good: dict[str, str | list[str]] = {
        "name": "Noor", "last_name": "Haddad", "pin": "4821", "role": role, "stores": store,
    }  # fmt: skip
    for change, words in (
        ({"pin": "12"}, "4 to 8 digits"),
        ({"name": ""}, "The name is missing"),
        ({"role": "x"}, "Choose a role"),
        ({"stores": []}, "at least one store"),
        ({"code": market.employees[0].code}, "already"),
    ):
        page = owner.post("/employees/new", 422, **{**good, **change})  # type: ignore[arg-type]
        assert words in text(page)
        assert 'value="Haddad"' in page and "4821" not in page
    assert Employee.objects.count() == 2


def test_exceptions_show_the_raw_fact_and_can_be_tried_again(
    market: Market, owner: Visitor
) -> None:
    seller = market.seller()
    seller.open(NOON)
    made = seller.sell(NOON, [(market.products[0], "1")])
    seller.till.add("sale", msgspec.structs.replace(made, number="S1-R1-000777", total=351))
    seller.till.add_bytes(b'{"not": "an <entry>"}')
    seller.send(NOON)
    page = owner.get("/exceptions")
    assert badge(page) == "2"
    assert "1 entry could not be applied" in text(page)
    first = text(owner.get("/"))
    assert "1 exception not booked 1 exception to look at" in first
    held = ExceptionItem.objects.get(code="bad_entry")
    seen = ExceptionItem.objects.get(code="totals_differ")
    page = owner.get(f"/exceptions/{held.id}")
    assert "an &lt;entry&gt;" in page or "an &lt;entry&gt;" in unescape_quotes(page)
    assert "could still not be applied" in owner.post(f"/exceptions/{held.id}/retry")
    assert "Marked as seen." in owner.post(f"/exceptions/{seen.id}/retry")
    assert "settled already" in owner.post(f"/exceptions/{seen.id}/retry")
    assert "could still not be applied" in owner.post("/exceptions/retry")
    assert badge(owner.get("/exceptions")) == "1"


def test_what_came_after_a_revocation_is_listed_as_a_whole(market: Market, owner: Visitor) -> None:
    cup = market.products[0]
    for name, sales in (("R1", 3), ("R2", 1)):
        seller = market.seller(name)
        Register.objects.filter(id=seller.register.id).update(state=Register.State.REVOKED)
        for _ in range(sales):
            seller.sell(NOON, [(cup, "1")])
        seller.send(NOON)
        with CaptureQueriesContext(connection) as asked:
            page = text(owner.get("/exceptions"))
        read = [query for query in asked if '"ingest_entry"."code" =' in query["sql"]]
        assert len(read) == 1, "one for all rows"
    assert "S1-R1 S1-R1-000001 one of 3 entries €10.50" in page
    assert "S1-R2 S1-R2-000001 €3.50" in page


def badge(html: str) -> str:
    """The number beside Exceptions in the navigation."""
    found = re.search(r'<span class="badge[^>]*>(?:<svg.*?</svg>)?(\d+)</span>', html)
    return found.group(1) if found else ""


def unescape_quotes(html: str) -> str:
    return html.replace("&#34;", '"')
