"""Drafts, publishing them, and what does not wait for that."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from decimal import Decimal

import pytest
from django.db import connections

from stillopen.backoffice.accounts.models import Account, Role, Store, User
from stillopen.backoffice.accounts.people import (
    change_employee,
    create_employee,
    save_role,
    set_pin,
    switch_off,
    switch_on,
)
from stillopen.backoffice.catalogue import drafts
from stillopen.backoffice.catalogue.editing import save_draft
from stillopen.backoffice.catalogue.models import Category, DraftChange, Product, QuickKeys
from stillopen.backoffice.catalogue.publishing import (
    preview,
    publish_drafts,
    publish_records,
)
from stillopen.backoffice.catalogue.verbs import (
    change_product,
    create_category,
    create_product,
    create_tax_rate,
    delete_category,
    delete_tax_rate,
    remove_product,
    schedule_price,
    stop_products,
)
from stillopen.backoffice.feed.models import Head
from stillopen.domain.permission import DEFAULT_ROLES, Permission
from stillopen.domain.pricing import Price
from stillopen.domain.tax import TaxRounding
from tests.backoffice.core.seen import on_sqlite, refused, seen

#: The wall clock of whichever store.
NEW_YEAR = datetime.fromisoformat("2030-01-01")


def test_a_new_account_is_published_with_all_it_starts_with(shop: Account, store: Store) -> None:
    [settings] = seen(shop, "account_settings").values()
    assert settings.rules.currency == "EUR"
    assert settings.rules.tax_inside and settings.rules.tax_rounding is TaxRounding.TOTAL
    assert settings.rules.cash_rounding == 0
    [(rate_id, rate)] = seen(shop, "tax_rate").items()
    assert (rate.name, rate.rate) == ("VAT 19 %", Decimal(19))
    assert settings.default_tax == str(rate_id)
    roles = {role.name: set(role.permissions) for role in seen(shop, "role").values()}
    assert roles == {name: {p.value for p in some} for name, some in DEFAULT_ROLES.items()}
    assert {p.type for p in seen(shop, "payment_type").values()} == {"cash", "external_card"}
    [(store_id, own)] = seen(shop, "store_settings", f"store:{store.id}").items()
    assert (store_id, own.code, own.timezone) == (store.id, "S1", "Europe/Berlin")
    assert drafts.pending(shop) == []


def test_a_draft_is_not_seen_until_it_is_published(shop: Account, apple: Product) -> None:
    change_product(apple, {"price": 120}, None)
    assert seen(shop, "product")[apple.id].prices == (Price(amount=100),)
    assert [c.what for c in drafts.pending(shop)] == ["price 1.00 → 1.20"]
    assert publish_drafts(shop, None).records == 1
    assert seen(shop, "product")[apple.id].prices == (Price(amount=120),)
    assert drafts.pending(shop) == []


def test_a_change_back_is_published_as_nothing(shop: Account, apple: Product) -> None:
    change_product(apple, {"price": 120}, None)
    change_product(apple, {"price": 100}, None)
    [row] = preview(shop)
    assert row.action == "unchanged"
    before = Head.objects.get(account_id=shop.id, scope="account").seq
    assert publish_drafts(shop, None).records == 0
    assert Head.objects.get(account_id=shop.id, scope="account").seq == before
    assert drafts.pending(shop) == []


def test_a_change_that_changes_nothing_is_no_draft(shop: Account, apple: Product) -> None:
    change_product(apple, {"price": 100, "name": "Apple"}, None)
    assert drafts.pending(shop) == []


def test_what_is_changed_while_publishing_stays_a_draft(shop: Account, apple: Product) -> None:
    change_product(apple, {"price": 120}, None)
    read = drafts.pending(shop)
    change_product(apple, {"price": 130}, None)
    drafts.forget(read)
    assert [c.what for c in drafts.pending(shop)] == ["price 1.20 → 1.30"]


def test_save_and_publish_leaves_other_drafts_alone(shop: Account, apple: Product) -> None:
    pear = create_product(shop, {"sku": "P1", "name": "Pear", "price": 200}, None)
    change_product(apple, {"price": 120}, None)
    publish_records(shop, [("product", pear.id)], None)
    assert seen(shop, "product")[pear.id].name == "Pear"
    assert seen(shop, "product")[apple.id].prices == (Price(amount=100),)
    assert [c.record for c in drafts.pending(shop)] == [apple.id]


def test_save_and_publish_takes_along_what_the_record_needs(shop: Account) -> None:
    fruit = create_category(shop, "Fruit", None)
    reduced = create_tax_rate(shop, "Reduced", Decimal("7"), None)
    pear = create_product(
        shop, {"sku": "P1", "name": "Pear", "price": 2, "category": fruit, "tax": reduced}, None
    )
    page = QuickKeys(account=shop, name="Fruit", products=[str(pear.id)])
    save_draft(page, "new page", None)
    publish_records(shop, [("quick_keys", page.id)], None)
    assert seen(shop, "product")[pear.id].category == str(fruit.id)
    assert fruit.id in seen(shop, "category") and reduced.id in seen(shop, "tax_rate")
    assert drafts.pending(shop) == []


def test_dated_prices_travel_ahead_as_wall_clock(shop: Account, apple: Product) -> None:
    schedule_price(apple, 80, NEW_YEAR, None)
    schedule_price(apple, 90, NEW_YEAR, None)  # the same moment: replaced
    publish_drafts(shop, None)
    assert seen(shop, "product")[apple.id].prices == (
        Price(amount=100),
        Price(amount=90, since=NEW_YEAR),
    )


def test_a_removed_product_is_deleted_and_may_come_back(shop: Account, apple: Product) -> None:
    remove_product(apple, None)
    assert [row.action for row in preview(shop)] == ["removed"]
    publish_drafts(shop, None)
    assert apple.id not in seen(shop, "product")
    change_product(apple, {"active": True}, None)
    publish_drafts(shop, None)
    assert apple.id in seen(shop, "product")


def test_deleting_a_category_keeps_its_products(shop: Account) -> None:
    fruit = create_category(shop, "Fruit", None)
    pear = create_product(shop, {"sku": "P", "name": "Pear", "price": 2, "category": fruit}, None)
    publish_drafts(shop, None)
    category_id = fruit.id
    delete_category(fruit, None)
    publish_drafts(shop, None)
    assert category_id not in seen(shop, "category")
    assert seen(shop, "product")[pear.id].category is None


def test_a_tax_rate_in_use_stays(shop: Account, apple: Product) -> None:
    refused("in_use", delete_tax_rate, apple.tax, None)
    spare = create_tax_rate(shop, "Spare", Decimal(3), None)
    delete_tax_rate(spare, None)
    assert publish_drafts(shop, None).records == 0


def test_the_stop_list_takes_effect_at_once_and_takes_no_draft_along(
    shop: Account, apple: Product
) -> None:
    change_product(apple, {"price": 999}, None)
    assert stop_products(shop, [apple.id], True, None) == 1
    record = seen(shop, "product")[apple.id]
    assert record.stopped and record.prices == (Price(amount=100),)
    assert [c.record for c in drafts.pending(shop)] == [apple.id]
    assert stop_products(shop, [apple.id], True, None) == 0  # already
    publish_drafts(shop, None)
    stop_products(shop, [apple.id], False, None)
    assert not seen(shop, "product")[apple.id].stopped
    assert drafts.pending(shop) == []


def test_stopping_what_was_never_published_publishes_nothing(shop: Account) -> None:
    fruit = create_category(shop, "Fruit", None)
    pear = create_product(shop, {"sku": "P", "name": "Pear", "price": 2, "category": fruit}, None)
    stop_products(shop, [pear.id], True, None)
    assert pear.id not in seen(shop, "product") and fruit.id not in seen(shop, "category")
    assert len(drafts.pending(shop)) == 2
    publish_drafts(shop, None)
    assert seen(shop, "product")[pear.id].stopped


def test_a_role_is_a_draft_but_comes_along_with_a_new_person(shop: Account, store: Store) -> None:
    trainee = Role(account=shop, name="Trainee", permissions=["sale.sell"])
    save_role(trainee, "new role", None)
    assert trainee.id not in seen(shop, "role")
    create_employee(
        shop, name="Mia", last_name="Kurz", pin="4711", role=trainee, stores=[store], user=None
    )
    assert seen(shop, "role")[trainee.id].permissions == ("sale.sell",)
    assert drafts.pending(shop) == []


def test_people_take_effect_at_once_without_other_drafts(shop: Account, store: Store) -> None:
    role = Role.objects.get(account=shop, name="Salesperson")
    mia = create_employee(
        shop, name="Mia", last_name="Kurz", pin="4711", role=role, stores=[store], user=None
    )
    scope = f"store:{store.id}"
    first = seen(shop, "employee", scope)[mia.id]
    assert (first.name, first.code, first.role) == ("Mia", "101", str(role.id))

    mia.name = "Maria"
    change_employee(mia, None, "name changed", None)
    set_pin(mia, "8888", None)
    second = seen(shop, "employee", scope)[mia.id]
    assert second.pin_hash != first.pin_hash and second.name == "Mia"

    switch_off(mia, None)
    assert seen(shop, "employee", scope) == {}
    switch_on(mia, None)
    assert seen(shop, "employee", scope)[mia.id].name == "Maria"
    assert drafts.pending(shop) == []


def test_a_change_of_stores_is_a_draft(shop: Account, store: Store) -> None:
    second = Store.objects.create(account=shop, code="S2", name="Two", timezone="UTC")
    role = Role.objects.get(account=shop, name="Salesperson")
    mia = create_employee(
        shop, name="Mia", last_name="Kurz", pin="4711", role=role, stores=[store], user=None
    )
    change_employee(mia, [second], "stores changed", None)
    set_pin(mia, "9999", None)
    assert mia.id in seen(shop, "employee", f"store:{store.id}")
    assert seen(shop, "employee", f"store:{second.id}") == {}
    publish_drafts(shop, None)
    assert seen(shop, "employee", f"store:{store.id}") == {}
    assert mia.id in seen(shop, "employee", f"store:{second.id}")


def test_the_preview_shows_before_and_after_and_warns(shop: Account, apple: Product) -> None:
    change_product(apple, {"price": 10, "name": "Green apple"}, None)
    create_product(shop, {"sku": "F", "name": "Flyer", "price": 0}, None)
    schedule_price(apple, 160, NEW_YEAR, None)
    green, flyer = sorted(preview(shop), key=lambda row: row.title, reverse=True)
    assert (green.title, green.action) == ("Green apple", "changed")
    fields = {f.field: (f.before, f.after) for f in green.fields}
    assert fields == {
        "name": ("Apple", "Green apple"),
        "prices": ("1.00", "0.10, 1.60 from 2030-01-01 00:00"),
    }
    assert green.warnings == (
        "1.00 → 0.10 is -90 %.",
        "1.00 → 1.60 from 2030-01-01 00:00 is +60 %.",
    )
    assert (flyer.action, flyer.warnings) == ("new", ("The price is 0.00.",))


def test_a_small_change_of_price_is_no_warning(shop: Account, apple: Product) -> None:
    change_product(apple, {"price": 149}, None)
    assert [row.warnings for row in preview(shop)] == [()]


BAD_PRODUCTS = [
    ({"name": "x", "price": 1}, "missing_value"),
    ({"sku": " ", "name": "x", "price": 1}, "bad_value"),
    ({"sku": "x" * 65, "name": "x", "price": 1}, "bad_value"),
    ({"sku": "x", "name": "", "price": 1}, "bad_value"),
    ({"sku": "x", "name": "x", "price": -1}, "bad_price"),
    ({"sku": "x", "name": "x", "price": 10**14}, "bad_price"),
    ({"sku": "x", "name": "x", "price": 1, "cost": -1}, "bad_price"),
    ({"sku": "x", "name": "x", "price": 1, "barcodes": ["4 5"]}, "bad_barcode"),
    ({"sku": "A1", "name": "x", "price": 1}, "sku_taken"),
    ({"sku": "x", "name": "x", "price": 1, "barcodes": ["40084"]}, "barcode_taken"),
]


@on_sqlite
@pytest.mark.parametrize(("values", "code"), BAD_PRODUCTS)
def test_a_bad_product_is_refused(
    shop: Account, apple: Product, values: dict[str, object], code: str
) -> None:
    change_product(apple, {"barcodes": ["40084"]}, None)
    count = Product.objects.count()
    refused(code, create_product, shop, values, None)
    assert Product.objects.count() == count


def test_part_of_a_barcode_is_another_barcode(shop: Account, apple: Product) -> None:
    change_product(apple, {"barcodes": ["40084"]}, None)
    pear = create_product(
        shop, {"sku": "P", "name": "Pear", "price": 1, "barcodes": ["4008", " 4008 ", "%"]}, None
    )
    assert pear.barcodes == ["4008", "%"]


def test_nothing_of_another_account_can_be_named(shop: Account, other_shop: Account) -> None:
    theirs = Category.objects.create(account=other_shop, name="Theirs")
    values = {"sku": "x", "name": "x", "price": 1}
    refused("not_found", create_product, shop, values | {"category": theirs}, None)
    tax = other_shop.tax_rates.get()
    refused("not_found", create_product, shop, values | {"tax": tax}, None)


def test_verbs_ask_for_the_permission_and_the_account(
    shop: Account, apple: Product, salesperson: User, manager: User, other_shop: Account
) -> None:
    theirs = Product.objects.get(account=other_shop)
    refused("not_permitted", change_product, apple, {"price": 1}, salesperson)
    refused("not_permitted", publish_drafts, shop, salesperson)
    refused("not_permitted", stop_products, shop, [apple.id], True, salesperson)
    refused("not_permitted", create_tax_rate, shop, "x", Decimal(1), manager)
    refused("not_found", change_product, theirs, {"price": 1}, manager)
    change_product(apple, {"price": 120}, manager)
    [change] = DraftChange.objects.filter(account=shop)
    assert change.changed_by == manager


def test_nobody_hands_out_what_they_may_not_do(shop: Account, admin: User, manager: User) -> None:
    role = Role.objects.get(account=shop, name="Manager")
    role.permissions = [*role.permissions, Permission.BO_PEOPLE.value]
    save_role(role, "may manage people", admin)
    manager = User.objects.get(id=manager.id)
    sales = Role.objects.get(account=shop, name="Salesperson")
    sales.permissions = [*sales.permissions, Permission.BO_SETTINGS.value]
    refused("not_permitted", save_role, sales, "too much", manager)
    sales.permissions = ["sale.sell", "cash.drop"]
    save_role(sales, "less and more", manager)


def _edit_and_publish(product: Product, price: int) -> None:
    try:
        row = Product.objects.get(id=product.id)
        change_product(row, {"price": price}, None)
        publish_drafts(row.account, None)
    finally:
        connections.close_all()


def test_many_people_who_edit_and_publish_leave_the_last_state(
    shop: Account, apple: Product
) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda price: _edit_and_publish(apple, price), range(200, 224)))
    publish_drafts(shop, None)
    stored = Product.objects.get(id=apple.id).price
    assert seen(shop, "product")[apple.id].prices == (Price(amount=stored),)
    assert drafts.pending(shop) == []
