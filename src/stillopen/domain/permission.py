"""What a role may do, at the register and in the Back Office, and the three roles of a new account."""

from enum import StrEnum


class Permission(StrEnum):
    """Stable codes; the words for people are in :data:`WORDS`."""

    REGISTER_OPEN = "register.open"
    REGISTER_CLOSE = "register.close"
    SELL = "sale.sell"
    DISCOUNT = "sale.discount"
    REPRINT = "sale.reprint"
    PAY_IN = "cash.pay_in"
    PAY_OUT = "cash.pay_out"
    DROP = "cash.drop"
    NO_SALE = "cash.no_sale"
    X_REPORT = "shift.x_report"
    SETTINGS = "register.settings"
    CLEAR_CACHE = "register.clear_cache"
    BO_REPORTS = "backoffice.reports"
    BO_CATALOGUE = "backoffice.catalogue"
    BO_PUBLISH = "backoffice.publish"
    BO_PEOPLE = "backoffice.people"
    BO_REGISTERS = "backoffice.registers"
    BO_SETTINGS = "backoffice.settings"


WORDS: dict[Permission, str] = {
    Permission.REGISTER_OPEN: "Open the register",
    Permission.REGISTER_CLOSE: "Close the register",
    Permission.SELL: "Sell",
    Permission.DISCOUNT: "Give discounts",
    Permission.REPRINT: "Print a receipt again",
    Permission.PAY_IN: "Pay cash in",
    Permission.PAY_OUT: "Pay cash out",
    Permission.DROP: "Drop cash to the safe",
    Permission.NO_SALE: "Open the drawer without a sale",
    Permission.X_REPORT: "See the X report",
    Permission.SETTINGS: "Change the settings of the till",
    Permission.CLEAR_CACHE: "Clear the cache",
    Permission.BO_REPORTS: "See receipts, shifts and reports",
    Permission.BO_CATALOGUE: "Edit products, categories and quick keys",
    Permission.BO_PUBLISH: "Publish changes",
    Permission.BO_PEOPLE: "Manage employees and roles",
    Permission.BO_REGISTERS: "Manage registers",
    Permission.BO_SETTINGS: "Change taxes and settings",
}

_SALESPERSON = frozenset(
    {
        Permission.REGISTER_OPEN,
        Permission.REGISTER_CLOSE,
        Permission.SELL,
        Permission.REPRINT,
        Permission.X_REPORT,
        Permission.CLEAR_CACHE,  # harmless: refused unless green, and out of reach of every sale
    }
)
_MANAGER = frozenset(Permission) - {Permission.BO_PEOPLE, Permission.BO_SETTINGS}

#: The roles that every account starts with; editable afterwards.
DEFAULT_ROLES: dict[str, frozenset[Permission]] = {
    "Administrator": frozenset(Permission),
    "Manager": _MANAGER,
    "Salesperson": _SALESPERSON,
}
