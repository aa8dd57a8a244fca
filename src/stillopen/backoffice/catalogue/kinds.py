"""The kinds of records that are edited here, and the table of each."""

from uuid import UUID

from django.db.models import Model

from stillopen.backoffice.accounts.models import Account, Employee, Role, Store
from stillopen.backoffice.catalogue.models import (
    Category,
    PaymentType,
    Product,
    QuickKeys,
    TaxRate,
)
from stillopen.backoffice.devices.models import Register
from stillopen.domain.permission import Permission

ACCOUNT_SETTINGS = "account_settings"
STORE_SETTINGS = "store_settings"
REGISTER_SETTINGS = "register_settings"
TAX_RATE = "tax_rate"
CATEGORY = "category"
PRODUCT = "product"
QUICK_KEYS = "quick_keys"
ROLE = "role"
EMPLOYEE = "employee"
PAYMENT_TYPE = "payment_type"

#: kind (of sync.records) → table. In the order in which a preview lists them.
TABLES: dict[str, type[Model]] = {
    PRODUCT: Product,
    CATEGORY: Category,
    QUICK_KEYS: QuickKeys,
    TAX_RATE: TaxRate,
    PAYMENT_TYPE: PaymentType,
    EMPLOYEE: Employee,
    ROLE: Role,
    ACCOUNT_SETTINGS: Account,
    STORE_SETTINGS: Store,
    REGISTER_SETTINGS: Register,
}

#: kind → what people call it.
WORDS: dict[str, str] = {
    PRODUCT: "Product",
    CATEGORY: "Category",
    QUICK_KEYS: "Quick keys",
    TAX_RATE: "Tax rate",
    PAYMENT_TYPE: "Payment type",
    EMPLOYEE: "Employee",
    ROLE: "Role",
    ACCOUNT_SETTINGS: "Account settings",
    STORE_SETTINGS: "Store settings",
    REGISTER_SETTINGS: "Register settings",
}

#: kind → what a user's role needs for editing it.
NEEDS: dict[str, Permission] = {
    PRODUCT: Permission.BO_CATALOGUE,
    CATEGORY: Permission.BO_CATALOGUE,
    QUICK_KEYS: Permission.BO_CATALOGUE,
    TAX_RATE: Permission.BO_SETTINGS,
    PAYMENT_TYPE: Permission.BO_SETTINGS,
    EMPLOYEE: Permission.BO_PEOPLE,
    ROLE: Permission.BO_PEOPLE,
    ACCOUNT_SETTINGS: Permission.BO_SETTINGS,
    STORE_SETTINGS: Permission.BO_SETTINGS,
    REGISTER_SETTINGS: Permission.BO_REGISTERS,
}

_KIND_OF = {table: kind for kind, table in TABLES.items()}

#: A record of any kind: (kind, id).
Key = tuple[str, UUID]


def kind_of(row: Model) -> str:
    """The kind of an edited row; KeyError for a table that is not published."""
    return _KIND_OF[type(row)]


def key_of(row: Model) -> Key:
    return kind_of(row), row.pk
