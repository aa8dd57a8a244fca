"""A small shop on each database."""

from decimal import Decimal

import pytest

from stillopen.backoffice.accounts.models import Account, Role, Store, User
from stillopen.backoffice.accounts.opening import open_account
from stillopen.backoffice.accounts.users import create_user, ensure_administrator
from stillopen.backoffice.catalogue.models import Product
from stillopen.backoffice.catalogue.publishing import publish_drafts
from stillopen.backoffice.catalogue.verbs import create_product
from tests.support.backoffice import Database

PASSWORD = "correct horse"


@pytest.fixture
def shop(backoffice: Database) -> Account:
    return open_account("Corner Shop", "EUR", "Europe/Berlin", Decimal(19))


@pytest.fixture
def store(shop: Account) -> Store:
    return shop.stores.get(code="S1")


@pytest.fixture
def other_shop(shop: Account) -> Account:
    """A second account in the same database, with its administrator and a published product."""
    other = open_account("Elsewhere", "EUR", "Europe/Vienna", Decimal(20))
    ensure_administrator(other, "elsewhere@example.com", PASSWORD)
    create_product(other, {"sku": "E1", "name": "Theirs", "price": 100}, None)
    publish_drafts(other, None)
    return other


@pytest.fixture
def admin(shop: Account) -> User:
    return ensure_administrator(shop, "admin@example.com", PASSWORD)


@pytest.fixture
def salesperson(shop: Account) -> User:
    """A user whose role allows nothing in the Back Office."""
    role = Role.objects.get(account=shop, name="Salesperson")
    return create_user(shop, "sales@example.com", PASSWORD, role, None)


@pytest.fixture
def manager(shop: Account) -> User:
    role = Role.objects.get(account=shop, name="Manager")
    return create_user(shop, "manager@example.com", PASSWORD, role, None)


@pytest.fixture
def apple(shop: Account) -> Product:
    """A published product at 1.00."""
    made = create_product(shop, {"sku": "A1", "name": "Apple", "price": 100}, None)
    publish_drafts(shop, None)
    return made
