"""The side bar of the administration: the daily pages first, then what is set up here."""

from django.http import HttpRequest

from stillopen.backoffice.accounts.models import User
from stillopen.backoffice.catalogue.drafts import pending_count
from stillopen.domain.permission import Permission as P

Item = tuple[str, str, str, P]

_DAILY: tuple[Item, ...] = (
    ("Overview", "/", "monitoring", P.BO_REPORTS),
    ("Receipts", "/receipts", "receipt_long", P.BO_REPORTS),
    ("Registers", "/registers", "point_of_sale", P.BO_REPORTS),
)
_GROUPS: tuple[tuple[str, tuple[Item, ...]], ...] = (
    (
        "Catalogue",
        (
            ("Products", "/admin/catalogue/product/", "sell", P.BO_CATALOGUE),
            ("Categories", "/admin/catalogue/category/", "category", P.BO_CATALOGUE),
            ("Quick keys", "/admin/catalogue/quickkeys/", "grid_view", P.BO_CATALOGUE),
            ("Tax rates", "/admin/catalogue/taxrate/", "percent", P.BO_SETTINGS),
            ("Payment types", "/admin/catalogue/paymenttype/", "payments", P.BO_SETTINGS),
        ),
    ),
    (
        "People",
        (
            ("Employees", "/admin/accounts/employee/", "badge", P.BO_PEOPLE),
            ("Roles", "/admin/accounts/role/", "shield_person", P.BO_PEOPLE),
            ("Users", "/admin/accounts/user/", "group", P.BO_PEOPLE),
        ),
    ),
    (
        "Set-up",
        (
            ("Account settings", "/admin/accounts/account/", "settings", P.BO_SETTINGS),
            ("Stores", "/admin/accounts/store/", "storefront", P.BO_SETTINGS),
            ("Register options", "/admin/devices/register/", "tune", P.BO_REGISTERS),
            ("API tokens", "/admin/accounts/apitoken/", "key", P.BO_SETTINGS),
        ),
    ),
)


def navigation(request: HttpRequest) -> list[dict[str, object]]:
    """Groups of places that the user may go to, in the shape that Unfold asks for."""
    user = request.user
    if not isinstance(user, User) or user.account is None:
        return []
    waiting = pending_count(user.account)
    daily = [_entry(request, item) for item in _DAILY if user.allows(item[3])]
    if user.allows(P.BO_PUBLISH):
        changes = _entry(request, ("Unpublished changes", "/changes", "publish", P.BO_PUBLISH))
        daily.append(
            {**changes, "badge": str(waiting), "badge_variant": "primary"} if waiting else changes
        )
    groups = [("", daily)]
    for title, items in _GROUPS:
        groups.append((title, [_entry(request, item) for item in items if user.allows(item[3])]))
    return [
        {"title": title, "separator": bool(title), "items": entries}
        for title, entries in groups
        if entries
    ]


def _entry(request: HttpRequest, item: Item) -> dict[str, object]:
    title, link, icon, _ = item
    here = link.startswith("/admin/") and request.path.startswith(link)
    return {"title": title, "link": link, "icon": icon, "active": lambda _: here}
