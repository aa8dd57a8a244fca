"""The offline policy: capability × state of the line, in this one table, editable per account.

Presets: *Standard* keeps everything working that can be made right afterwards; *Strict* allows only
what cannot go wrong without the Back Office. Yellow counts as online, except for integrated cards.
"""

from collections.abc import Mapping
from enum import StrEnum

from stillopen.domain.errors import DomainError


class Capability(StrEnum):
    CASH_SALE = "cash_sale"
    INTEGRATED_CARD = "integrated_card"
    EXTERNAL_CARD = "external_card"
    LAYBY = "layby"
    ON_ACCOUNT = "on_account"
    SEARCH = "search"
    CUSTOMER_CREATE = "customer_create"
    CUSTOMER_EDIT = "customer_edit"
    GIFT_CARD = "gift_card"
    LOYALTY_EARN = "loyalty_earn"
    LOYALTY_REDEEM = "loyalty_redeem"
    PARK = "park"
    INVENTORY = "inventory"
    REFUND = "refund"


class Line(StrEnum):
    """The line as the policy sees it."""

    ONLINE = "online"
    UNCERTAIN = "uncertain"  # yellow
    OFFLINE = "offline"  # red, or sync does not run


_C = Capability
STANDARD: frozenset[Capability] = frozenset(_C) - {
    _C.INTEGRATED_CARD,
    _C.GIFT_CARD,
    _C.LOYALTY_REDEEM,
}
STRICT: frozenset[Capability] = frozenset({_C.CASH_SALE, _C.EXTERNAL_CARD, _C.LAYBY, _C.ON_ACCOUNT})
#: What each preset allows while offline.
PRESETS: dict[str, frozenset[Capability]] = {"standard": STANDARD, "strict": STRICT}

_INSTEAD: dict[Capability, str] = {
    _C.INTEGRATED_CARD: "Card payments through the till need the line. Take cash, or use External card.",
    _C.EXTERNAL_CARD: "This shop does not take cards while offline. Take cash.",
    _C.SEARCH: "Searching by name needs the line. Scan the barcode or type the SKU.",
}


def allowed(
    capability: Capability, line: Line, preset: str, overrides: Mapping[str, bool] | None = None
) -> bool:
    """Whether ``capability`` may be used; ``overrides`` are the account's own answers while offline."""
    if line is Line.ONLINE:
        return True
    if line is Line.UNCERTAIN and capability is not Capability.INTEGRATED_CARD:
        return True
    answer = (overrides or {}).get(capability.value)
    return capability in PRESETS[preset] if answer is None else answer


def require(
    capability: Capability, line: Line, preset: str, overrides: Mapping[str, bool] | None = None
) -> None:
    """Raise ``DomainError not_offline`` with what to do instead, where the policy says no."""
    if not allowed(capability, line, preset, overrides):
        raise DomainError(
            "not_offline",
            _INSTEAD.get(capability, "This is not possible while the register is offline."),
            capability=capability.value,
        )
