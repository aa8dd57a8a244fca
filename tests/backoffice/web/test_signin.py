"""Signing in, and who may see what."""

import re

import pytest
from django.test import Client

from stillopen.backoffice.accounts.models import User
from stillopen.backoffice.accounts.opening import open_store
from stillopen.backoffice.web.signin import MAX_TRIES
from tests.backoffice.web.conftest import Visitor, make_user
from tests.backoffice.web.market import EMAIL, PASSWORD, Market, make_market
from tests.backoffice.web.test_reading import NOON

PAGES = (
    "/", "/receipts", "/shifts", "/registers", "/exceptions", "/products", "/stock", "/employees",
    "/changes", "/registers/new", "/employees/new",
)  # fmt: skip


def test_every_page_asks_to_sign_in_and_comes_back(market: Market) -> None:
    client = Client()
    for path in PAGES:
        response = client.get(path)
        assert response.status_code == 302
        assert response["Location"] == f"/login?next={path.replace('/', '%2F')}"
    form = {"email": f" {EMAIL.upper()} ", "password": PASSWORD, "next": "/receipts?to=2026-03-01"}
    response = client.post("/login", form)
    assert (response.status_code, response["Location"]) == (302, "/receipts?to=2026-03-01")
    assert client.get("/receipts").status_code == 200
    assert client.get("/login")["Location"] == "/"


def test_signing_in_never_leads_elsewhere(market: Market) -> None:
    for wrong in ("https://evil.example/", "//evil.example/", "javascript:alert(1)"):
        form = {"email": EMAIL, "password": PASSWORD, "next": wrong}
        assert Client().post("/login", form)["Location"] == "/"


def test_a_wrong_password_is_refused_and_after_some_tries_a_pause(market: Market) -> None:
    client = Client()
    form = {"email": EMAIL, "password": "wrong"}
    for _ in range(MAX_TRIES):
        response = client.post("/login", form)
        assert response.status_code == 401
        assert "do not belong together" in response.content.decode()
        assert "wrong" not in re.findall(r'value="([^"]*)"', response.content.decode())
    right = {"email": EMAIL, "password": PASSWORD}
    assert client.post("/login", right).status_code == 429
    other = {"email": "someone@else.example", "password": "wrong"}
    assert client.post("/login", other).status_code == 401


def test_signing_out(market: Market, owner: Visitor) -> None:
    assert "Signed out." in owner.post("/logout")
    assert owner.client.get("/").status_code == 302
    assert owner.client.get("/logout").status_code == 405


def test_a_refresh_after_the_session_ended_leaves_the_page(market: Market) -> None:
    response = Client().get("/registers", headers={"HX-Request": "true"})
    assert (response.status_code, response["HX-Redirect"]) == (204, "/login")


def test_forms_need_their_token(market: Market) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(market.user)
    assert client.post("/publish").status_code == 403


def test_a_user_without_an_account_or_switched_off_sees_nothing(market: Market) -> None:
    lost = User.objects.create_user("lost@else.example", password=PASSWORD)
    assert "does not belong to an account" in Visitor(lost).get("/", 422)
    market.user.is_active = False
    market.user.save()
    client = Client()
    client.force_login(market.user)
    assert client.get("/").status_code == 302


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("Salesperson", {"/changes"}),
        ("Manager", set(PAGES) - {"/employees", "/employees/new"}),
        ("Administrator", set(PAGES)),
    ],
)
def test_pages_follow_the_role(market: Market, role: str, allowed: set[str]) -> None:
    visitor = Visitor(make_user(market, role, "who@corner.example"))
    seen = {path for path in PAGES if visitor.client.get(path).status_code == 200}
    assert seen == allowed
    refused = next(iter(set(PAGES) - seen), None)
    if refused:
        assert "Your role does not include" in visitor.get(refused, 403)
    body = visitor.get("/changes")
    links = set(re.findall(r'href="(/[a-z]*/?)"', body)) & set(PAGES)
    assert links <= allowed | {"/"}
    assert ('href="/employees"' in body) == ("/employees" in allowed)


def test_changes_follow_the_role_too(market: Market) -> None:
    visitor = Visitor(make_user(market, "Salesperson", "who@corner.example"))
    product = market.products[0]
    visitor.client.post(f"/products/{product.id}/price", {"price": "1.00"})
    visitor.client.post(f"/products/{product.id}/stop", {"stopped": "on"})
    visitor.client.post("/publish", {"seen": "1"})
    visitor.client.post(f"/employees/{market.employees[0].id}/switch", {"active": ""})
    product.refresh_from_db()
    market.employees[0].refresh_from_db()
    assert (product.price, product.stopped, market.employees[0].active) == (350, False, True)


def test_a_user_of_one_store_sees_that_store_only(market: Market) -> None:
    second = open_store(market.account, "S2", "Harbour", "Europe/Berlin", None)
    ours, theirs = market.seller("R1"), market.seller("R1", second)
    for seller in (ours, theirs):
        seller.open(NOON)
        seller.sell(NOON, [(market.products[0], "1")])
        seller.till.add_bytes(b"nonsense")
        seller.send(NOON)
    user = make_user(market, "Manager", "harbour@corner.example")
    user.stores.set([second])
    visitor = Visitor(user)
    for path in ("/receipts", "/shifts", "/registers", "/exceptions"):
        body = visitor.get(path)
        assert "S2-R1" in body and "S1-R1" not in body
    assert "S1" not in visitor.get("/stock").replace("S1-", "")
    visitor.get(f"/receipts/{ours.receipts[0].number}", 404)
    visitor.get(f"/receipts/{theirs.receipts[0].number}")
    visitor.get(f"/shifts/{ours.till.shift}", 404)
    visitor.get(f"/registers/{ours.register.id}", 404)
    visitor.post(f"/registers/{ours.register.id}/revoke")
    ours.register.refresh_from_db()
    assert ours.register.state == "active"


def test_the_store_in_view_can_be_chosen(market: Market, owner: Visitor) -> None:
    second = open_store(market.account, "S2", "Harbour", "Europe/Berlin", None)
    for seller in (market.seller("R1"), market.seller("R1", second)):
        seller.open(NOON)
        seller.sell(NOON, [(market.products[0], "1")])
        seller.send(NOON)
    both = owner.get("/receipts")
    assert "S1-R1-000001" in both and "S2-R1-000001" in both
    one = owner.post("/store", store=str(second.id), back="/receipts")
    assert "S1-R1-000001" not in one and "S2-R1-000001" in one
    stranger = make_market("other@else.example", "Elsewhere").store
    every = owner.post("/store", store=str(stranger.id), back="https://evil.example/")
    assert "Sales today" in every
    assert "S1-R1-000001" in owner.get("/receipts")


def test_another_accounts_things_are_not_there(market: Market, owner: Visitor) -> None:
    other = make_market("other@else.example", "Elsewhere")
    seller = other.seller("R70707")
    seller.open(NOON)
    seller.sell(NOON, [(other.products[0], "1")])
    seller.send(NOON)
    owner.get("/receipts/S1-R70707-000001", 404)
    owner.get(f"/registers/{seller.register.id}", 404)
    owner.get(f"/employees/{other.employees[0].id}", 404)
    for path in ("/", "/receipts", "/shifts", "/registers"):
        assert "R70707" not in owner.get(path)
    owner.post(f"/products/{other.products[0].id}/price", price="0.01")
    other.products[0].refresh_from_db()
    assert other.products[0].price == 350
