"""The administration: drafts and publishing from its forms, and that accounts are walls."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client

from stillopen.backoffice.accounts.models import (
    Account,
    ApiToken,
    Employee,
    Role,
    Store,
    User,
)
from stillopen.backoffice.accounts.opening import open_store
from stillopen.backoffice.accounts.people import create_employee
from stillopen.backoffice.accounts.users import create_user
from stillopen.backoffice.catalogue import drafts
from stillopen.backoffice.catalogue.models import Category, Product, QuickKeys, TaxRate
from stillopen.backoffice.catalogue.verbs import (
    change_product,
    create_category,
    create_product,
    schedule_price,
)
from stillopen.backoffice.devices import verbs
from stillopen.backoffice.devices.line_times import USUAL
from stillopen.domain.pricing import Price
from tests.backoffice.core.conftest import PASSWORD
from tests.backoffice.core.seen import on_sqlite, seen

PRODUCTS = "/admin/catalogue/product/"
NO_PRICES = {"price_changes-TOTAL_FORMS": "0", "price_changes-INITIAL_FORMS": "0"}


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def boss(admin: User) -> Client:
    return signed_in(admin)


def said(response: HttpResponse) -> str:
    return " ".join(str(m) for m in get_messages(response.wsgi_request))  # type: ignore[attr-defined]


def problems(response: Any) -> dict[str, list[str]]:
    assert response.status_code == 200, response.status_code
    errors: dict[str, list[str]] = response.context_data["adminform"].form.errors
    return errors


def product_form(product: Product, **changes: str) -> dict[str, str]:
    form = {
        "name": product.name,
        "sku": product.sku,
        "price": "1.00",
        "tax": str(product.tax_id),
        "barcodes": "\n".join(product.barcodes),
        "active": "on",
    }
    return form | NO_PRICES | changes


def test_a_saved_product_is_a_draft_and_publishing_is_a_button(
    shop: Account, apple: Product, boss: Client
) -> None:
    address = f"{PRODUCTS}{apple.id}/change/"
    page = boss.get(address).content.decode()
    assert "Save and Publish" in page and 'value="1.00"' in page and "Price (EUR)" in page
    answer = boss.post(address, product_form(apple, price="1.20", barcodes="4001 4002"))
    assert answer.status_code == 302 and "draft" in said(answer)
    assert seen(shop, "product")[apple.id].prices == (Price(amount=100),)
    assert [c.what for c in drafts.pending(shop)] == ["price 1.00 → 1.20, barcodes changed"]
    answer = boss.post(address, product_form(apple, price="1,30", _publish="1"))
    assert "Published 1 record" in said(answer)
    record = seen(shop, "product")[apple.id]
    assert (record.prices, record.barcodes) == ((Price(amount=130),), ())
    assert drafts.pending(shop) == []


def test_publishing_points_at_a_price_that_looks_like_a_slip(apple: Product, boss: Client) -> None:
    form = product_form(apple, price="0.10", _publish="1")
    words = said(boss.post(f"{PRODUCTS}{apple.id}/change/", form))
    assert "look again: 1.00 → 0.10 is -90 %." in words and "Published 1 record" in words


def test_saving_without_a_change_is_no_draft(shop: Account, apple: Product, boss: Client) -> None:
    boss.post(f"{PRODUCTS}{apple.id}/change/", product_form(apple))
    assert drafts.pending(shop) == []


def test_a_new_product_with_a_dated_price(shop: Account, apple: Product, boss: Client) -> None:
    new = {
        **product_form(apple, name="Pear", sku="P1", price="2.50", _publish="1"),
        "price_changes-TOTAL_FORMS": "1",
        "price_changes-0-amount": "2.00",
        "price_changes-0-since_0": "2030-01-01",
        "price_changes-0-since_1": "00:00",
    }
    assert boss.post(f"{PRODUCTS}add/", new).status_code == 302
    pear = Product.objects.get(sku="P1")
    assert pear.account_id == shop.id
    flip = datetime.fromisoformat("2030-01-01")
    assert pear.price_changes.get().since == flip.replace(tzinfo=UTC)
    assert seen(shop, "product")[pear.id].prices == (
        Price(amount=250),
        Price(amount=200, since=flip),
    )


def test_a_dated_price_keeps_the_time_that_was_typed(
    shop: Account, apple: Product, boss: Client
) -> None:
    schedule_price(apple, 90, datetime.fromisoformat("2030-07-01T06:30"), None)
    page = boss.get(f"{PRODUCTS}{apple.pk}/change/").content.decode()
    assert 'value="06:30' in page, "as typed, in whatever zone the store is"


def test_times_are_those_of_the_shop(store: Store, boss: Client) -> None:
    """``Europe/Berlin`` is an hour ahead of UTC in winter."""
    seen_at = datetime.fromisoformat("2026-01-15T13:04:00Z")
    register, _ = verbs.add_register(store, "R1", None)
    type(register).objects.filter(pk=register.pk).update(last_seen_at=seen_at)
    assert "15 Jan 2026, 14:04" in boss.get("/admin/devices/register/").content.decode()


BAD_FORMS = [
    ({"price": "x"}, "price"),
    ({"price": "-1"}, "price"),
    ({"price": "1.005"}, "price"),
    ({"price": ""}, "price"),
    ({"name": " "}, "name"),
    ({"sku": "TAKEN"}, "sku"),
    ({"barcodes": "4999"}, "barcodes"),
    ({"tax": "00000000-0000-0000-0000-000000000000"}, "tax"),
]


@on_sqlite
@pytest.mark.parametrize(("changes", "field"), BAD_FORMS)
def test_a_form_says_what_is_wrong_with_it(
    shop: Account, apple: Product, boss: Client, changes: dict[str, str], field: str
) -> None:
    create_product(shop, {"sku": "TAKEN", "name": "x", "price": 1, "barcodes": ["4999"]}, None)
    answer = boss.post(f"{PRODUCTS}{apple.id}/change/", product_form(apple, **changes))
    assert list(problems(answer)) == [field]
    apple.refresh_from_db()
    assert (apple.name, apple.price) == ("Apple", 100)


def chosen(action: str, *rows: Any) -> dict[str, Any]:
    return {"action": action, "_selected_action": [str(row.pk) for row in rows]}


def test_bulk_actions(shop: Account, apple: Product, boss: Client) -> None:
    pear = create_product(shop, {"sku": "P", "name": "Pear", "price": 2}, None)
    boss.post(PRODUCTS, chosen("sold_out", apple, pear))
    assert seen(shop, "product")[apple.id].stopped and pear.id not in seen(shop, "product")
    boss.post(PRODUCTS, chosen("available", apple))
    assert not seen(shop, "product")[apple.id].stopped
    boss.post(PRODUCTS, chosen("publish_chosen", pear))
    assert pear.id in seen(shop, "product")
    boss.post(PRODUCTS, chosen("take_out", apple))
    assert apple.id in seen(shop, "product")
    boss.post(PRODUCTS, chosen("publish_chosen", apple))
    assert apple.id not in seen(shop, "product")
    boss.post(PRODUCTS, chosen("put_back", apple))
    assert Product.objects.get(id=apple.id).active


def test_searching_and_filtering(shop: Account, apple: Product, boss: Client) -> None:
    fruit = create_category(shop, "Fruit", None)
    change_product(apple, {"barcodes": ["40084", "12"], "category": fruit}, None)
    create_product(shop, {"sku": "P", "name": "Pear", "price": 2}, None)
    for query in ("q=appl", "q=A1", "q=40084", f"category__id__exact={fruit.id}"):
        page = boss.get(f"{PRODUCTS}?{query}").content.decode()
        assert "Apple" in page and "Pear" not in page, query
    assert "Draft" in boss.get(PRODUCTS).content.decode()


def test_deleting_a_category_and_a_tax_rate(shop: Account, apple: Product, boss: Client) -> None:
    fruit = create_category(shop, "Fruit", None)
    change_product(apple, {"category": fruit}, None)
    boss.post(f"/admin/catalogue/category/{fruit.id}/delete/", {"post": "yes"})
    assert not Category.objects.exists() and Product.objects.get(id=apple.id).category is None
    boss.post(f"/admin/catalogue/taxrate/{apple.tax_id}/delete/", {"post": "yes"})
    assert TaxRate.objects.filter(id=apple.tax_id).exists()
    role = Role.objects.create(account=shop, name="Nobody's")
    boss.post(f"/admin/accounts/role/{role.id}/delete/", {"post": "yes"})
    assert not Role.objects.filter(id=role.id).exists()


def test_quick_keys_are_written_as_skus(shop: Account, apple: Product, boss: Client) -> None:
    pear = create_product(shop, {"sku": "P", "name": "Pear", "price": 2}, None)
    add = "/admin/catalogue/quickkeys/add/"
    form = {"name": "Fruit", "position": "0", "products": "P\r\nA1\r\nP\r\n"}
    assert "products" in problems(boss.post(add, {**form, "products": "nothing"}))
    assert boss.post(add, {**form, "_publish": "1"}).status_code == 302
    page = QuickKeys.objects.get()
    assert page.products == [str(pear.id), str(apple.id)]
    assert pear.id in seen(shop, "product")  # the tile needs it
    shown = boss.get(f"/admin/catalogue/quickkeys/{page.id}/change/").content.decode()
    assert "P\nA1" in shown and "Pear · Apple" in shown


def test_the_settings_of_the_account(shop: Account, boss: Client) -> None:
    assert boss.get("/admin/accounts/account/").status_code == 302
    address = f"/admin/accounts/account/{shop.id}/change/"
    form = {
        "name": "Corner Shop",
        "tax_rounding": "line",
        "default_tax": str(shop.default_tax),
        "cash_rounding": "0.05",
        "offline_preset": "strict",
        "offline_overrides__search": "yes",
        "offline_overrides__cash_sale": "no",
        "embedded_prefixes": "21 price\n23 weight",
        "_publish": "1",
    }
    assert boss.post(address, form).status_code == 302
    [settings] = seen(shop, "account_settings").values()
    rules = settings.rules
    assert (rules.tax_inside, rules.tax_rounding, rules.cash_rounding) == (False, "line", 5)
    assert settings.offline_preset == "strict"
    assert settings.offline_overrides == {"search": True, "cash_sale": False}
    assert settings.embedded_prefixes == {"21": "price", "23": "weight"}
    bad = {**form, "embedded_prefixes": "7 price"}
    assert list(problems(boss.post(address, bad))) == ["embedded_prefixes"]


def test_a_new_employee_and_a_new_pin_take_effect_at_once(
    shop: Account, store: Store, boss: Client
) -> None:
    role = Role.objects.get(account=shop, name="Salesperson")
    form = {"name": "Mia", "last_name": "Kurz", "role": str(role.id), "stores": [str(store.id)]}
    add = "/admin/accounts/employee/add/"
    assert list(problems(boss.post(add, {**form, "active": "on"}))) == ["pin"]
    assert boss.post(add, {**form, "pin": "4711", "active": "on"}).status_code == 302
    mia = Employee.objects.get()
    scope = f"store:{store.id}"
    first = seen(shop, "employee", scope)[mia.id]
    assert (mia.code, first.name) == ("101", "Mia")
    assert "4711" not in boss.get(f"/admin/accounts/employee/{mia.id}/change/").content.decode()

    address = f"/admin/accounts/employee/{mia.id}/change/"
    form |= {"code": "101", "name": "Maria"}
    assert "draft" in said(boss.post(address, {**form, "pin": "8888", "active": "on"}))
    second = seen(shop, "employee", scope)[mia.id]
    assert (second.name, second.pin_hash != first.pin_hash) == ("Mia", True)
    boss.post(address, form)  # without the tick: switched off
    assert seen(shop, "employee", scope) == {}


def test_stores_out_of_sight_stay_with_a_person(shop: Account, store: Store, admin: User) -> None:
    second = open_store(shop, "S2", "Two", "UTC", None)
    role = Role.objects.get(account=shop, name="Salesperson")
    mia = create_employee(
        shop, name="Mia", last_name="K", pin="4711", role=role, stores=[store, second], user=None
    )
    admin.stores.set([store])
    form = {"name": "Mia", "last_name": "K", "code": "101", "role": str(role.id), "active": "on"}
    signed_in(admin).post(f"/admin/accounts/employee/{mia.id}/change/", form)
    assert [s.code for s in mia.stores.all()] == ["S2"]


def test_the_options_of_a_register_take_effect_at_once(
    shop: Account, store: Store, boss: Client
) -> None:
    register, _ = verbs.add_register(store, "R1", None)
    address = f"/admin/devices/register/{register.id}/change/"
    assert boss.post(address, {"several_employees": "on"}).status_code == 302
    settings = seen(shop, "register_settings", f"register:{register.id}")[register.id]
    assert settings.several_employees and settings.yellow_after == USUAL.yellow_after

    assert "more than 10" in str(problems(boss.post(address, {"yellow_after": "10"})))
    assert boss.post(address, {"yellow_after": "10", "red_after": "20"}).status_code == 302
    settings = seen(shop, "register_settings", f"register:{register.id}")[register.id]
    assert (settings.yellow_after, settings.red_after) == (10.0, 20.0)
    assert 'value="10.0"' in boss.get(address).content.decode()


def test_a_token_is_shown_once(shop: Account, boss: Client) -> None:
    page = boss.post("/admin/accounts/apitoken/add/", {"name": "till"}).content.decode()
    assert "so_" in page
    token = ApiToken.objects.get(account=shop)
    assert token.digest not in page
    assert "so_" not in boss.get("/admin/accounts/apitoken/").content.decode()
    boss.post("/admin/accounts/apitoken/", chosen("revoke", token))
    token.refresh_from_db()
    assert token.revoked_at is not None


def test_users_are_managed_with_care(shop: Account, admin: User, boss: Client) -> None:
    manager = Role.objects.get(account=shop, name="Manager")
    add = "/admin/accounts/user/add/"
    form = {"email": "New@Example.com", "role": str(manager.id), "is_active": "on"}
    assert "password" in problems(boss.post(add, form))
    assert "password" in problems(boss.post(add, {**form, "password": "short"}))
    assert boss.post(add, {**form, "password": PASSWORD}).status_code == 302
    made = User.objects.get(username="new@example.com")
    assert made.check_password(PASSWORD) and made.account_id == shop.id
    address = f"/admin/accounts/user/{made.id}/change/"
    assert boss.post(address, {**form, "first_name": "N"}).status_code == 302
    made.refresh_from_db()
    assert made.check_password(PASSWORD) and made.first_name == "N"
    own = {"email": admin.email, "role": str(admin.role_id)}
    assert "is_active" in problems(boss.post(f"/admin/accounts/user/{admin.id}/change/", own))


def test_nobody_takes_over_a_user_who_may_more(shop: Account, admin: User) -> None:
    people = Role.objects.create(account=shop, name="HR", permissions=["backoffice.people"])
    hr = signed_in(create_user(shop, "hr@example.com", PASSWORD, people, None))
    address = f"/admin/accounts/user/{admin.id}/change/"
    form = {"email": admin.email, "role": str(admin.role_id), "is_active": "on"}
    assert hr.post(address, {**form, "password": "taken over!"}).status_code == 403
    administrator = str(admin.role_id)
    raised = {"email": "x@example.com", "password": PASSWORD, "is_active": "on"}
    assert "role" in problems(
        hr.post("/admin/accounts/user/add/", {**raised, "role": administrator})
    )
    own = f"/admin/accounts/role/{people.id}/change/"
    more = {"name": "HR", "permissions": ["backoffice.people", "backoffice.settings"]}
    assert "permissions" in problems(hr.post(own, more))
    fine = {"name": "HR", "permissions": ["backoffice.people", "sale.sell"]}
    assert hr.post(own, fine).status_code == 302


PAGES = {
    "catalogue/product": "Manager",
    "catalogue/category": "Manager",
    "catalogue/quickkeys": "Manager",
    "devices/register": "Manager",
    "catalogue/taxrate": None,
    "catalogue/paymenttype": None,
    "accounts/employee": None,
    "accounts/role": None,
    "accounts/user": None,
    "accounts/store": None,
    "accounts/apitoken": None,
}


def test_a_role_opens_what_it_says(
    boss: Client, manager: User, salesperson: User, shop: Account
) -> None:
    managing, selling = signed_in(manager), signed_in(salesperson)
    for page, opens_for in PAGES.items():
        assert boss.get(f"/admin/{page}/").status_code == 200, page
        expected = 200 if opens_for == "Manager" else 403
        assert managing.get(f"/admin/{page}/").status_code == expected, page
        assert selling.get(f"/admin/{page}/").status_code == 403, page
    assert boss.get("/admin/").status_code == 200
    assert b"Tax rates" not in managing.get("/admin/").content
    away = Client().get("/admin/", follow=True)
    assert away.redirect_chain[-1][0].startswith("/login?next=")


def _everything(account: Account) -> dict[str, Any]:
    """One row of each kind of ``account``."""
    return {
        "catalogue/product": Product.objects.filter(account=account).first(),
        "catalogue/taxrate": TaxRate.objects.filter(account=account).first(),
        "catalogue/category": Category.objects.create(account=account, name="Theirs"),
        "catalogue/quickkeys": QuickKeys.objects.create(account=account, name="Theirs"),
        "catalogue/paymenttype": account.payment_types.first(),
        "accounts/account": account,
        "accounts/store": account.stores.first(),
        "accounts/role": Role.objects.filter(account=account, name="Manager").first(),
        "accounts/user": User.objects.filter(account=account).first(),
        "accounts/employee": Employee.objects.create(
            account=account, name="T", last_name="T", code="1", role=account.roles.first()
        ),
        "devices/register": verbs.add_register(account.stores.get(), "R9", None)[0],
        "accounts/apitoken": ApiToken.objects.create(account=account, name="t", digest="d"),
    }


def test_accounts_are_walls(
    shop: Account, apple: Product, boss: Client, other_shop: Account
) -> None:
    theirs = _everything(other_shop)
    for page, row in theirs.items():
        if page != "accounts/account":
            link = f"/admin/{page}/{row.pk}/"
            assert link not in boss.get(f"/admin/{page}/").content.decode(), page
        for way in ("change", "delete", "history"):
            answer = boss.get(f"/admin/{page}/{row.pk}/{way}/")
            assert answer.status_code in (302, 403, 404), (page, way)
            if answer.status_code == 302:
                assert answer["Location"].endswith("/admin/"), (page, answer["Location"])
        answer = boss.post(f"/admin/{page}/{row.pk}/change/", {"name": "Mine now"})
        assert answer.status_code in (302, 403), page
        assert str(getattr(type(row).objects.get(pk=row.pk), "name", "")) != "Mine now"
    boss.post(PRODUCTS, chosen("sold_out", theirs["catalogue/product"]))
    assert not Product.objects.get(account=other_shop).stopped


def test_nothing_of_another_account_can_be_chosen_in_a_form(
    shop: Account, apple: Product, store: Store, boss: Client, other_shop: Account
) -> None:
    theirs = _everything(other_shop)
    address = f"{PRODUCTS}{apple.id}/change/"
    page = boss.get(address).content.decode()
    for kind in ("catalogue/taxrate", "catalogue/category"):
        assert str(theirs[kind].pk) not in page
        field = "tax" if kind.endswith("rate") else "category"
        answer = boss.post(address, product_form(apple, **{field: str(theirs[kind].pk)}))
        assert list(problems(answer)) == [field]
    filters = boss.get(PRODUCTS).content.decode()
    assert "Theirs" not in filters
    person = {"name": "M", "last_name": "K", "pin": "4711", "active": "on"}
    add = "/admin/accounts/employee/add/"
    own_role = str(Role.objects.get(account=shop, name="Salesperson").id)
    foreign_role = {**person, "role": str(theirs["accounts/role"].pk), "stores": [str(store.id)]}
    assert list(problems(boss.post(add, foreign_role))) == ["role"]
    foreign_store = {**person, "role": own_role, "stores": [str(theirs["accounts/store"].pk)]}
    assert list(problems(boss.post(add, foreign_store))) == ["stores"]
    sku = theirs["catalogue/product"].sku
    tiles = {"name": "Q", "position": "0", "products": sku}
    assert "products" in problems(boss.post("/admin/catalogue/quickkeys/add/", tiles))
