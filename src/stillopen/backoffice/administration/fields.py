"""Form fields of the administration: money in major units, lists, permissions, the offline policy."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from stillopen.backoffice.accounts.access import BACK_OFFICE
from stillopen.backoffice.catalogue import values
from stillopen.domain.errors import DomainError
from stillopen.domain.money import format_plain
from stillopen.domain.permission import WORDS
from stillopen.domain.policy import Capability

T = TypeVar("T")

CAPABILITY_WORDS: dict[Capability, str] = {
    Capability.CASH_SALE: "Sell for cash",
    Capability.INTEGRATED_CARD: "Take cards through the till",
    Capability.EXTERNAL_CARD: "Take cards on a terminal of its own",
    Capability.LAYBY: "Laybys",
    Capability.ON_ACCOUNT: "Sell on account",
    Capability.SEARCH: "Search by name",
    Capability.CUSTOMER_CREATE: "Add customers",
    Capability.CUSTOMER_EDIT: "Edit customers",
    Capability.GIFT_CARD: "Sell and redeem gift cards",
    Capability.LOYALTY_EARN: "Earn loyalty points",
    Capability.LOYALTY_REDEEM: "Redeem loyalty points",
    Capability.PARK: "Park and discard sales",
    Capability.INVENTORY: "See stock",
    Capability.REFUND: "Refund",
}


class WallClockField(forms.SplitDateTimeField):
    """A time on each store's own wall; in the database it stands as if it were UTC."""

    def prepare_value(self, value: Any) -> Any:
        return value.replace(tzinfo=None) if isinstance(value, datetime) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)

    def compress(self, data_list: Any) -> Any:
        with timezone.override(UTC):
            return super().compress(data_list)


def checked(check: Callable[..., T], *arguments: Any) -> T:
    """A rule of ours as a form knows it."""
    try:
        return check(*arguments)
    except DomainError as error:
        raise ValidationError(error.message, code=error.code) from error


class MoneyField(forms.Field):
    """Minor units inside, major units for people; the form that holds it sets ``currency``."""

    currency = "EUR"

    def __init__(self, **kwargs: Any) -> None:
        attrs = {"inputmode": "decimal", "autocomplete": "off"}
        kwargs.setdefault("widget", UnfoldAdminTextInputWidget(attrs=attrs))
        super().__init__(**kwargs)

    def prepare_value(self, value: Any) -> Any:
        return format_plain(value, self.currency) if isinstance(value, int) else value

    def to_python(self, value: Any) -> int | None:
        if value in self.empty_values:
            return None
        text = str(value).strip()
        if text.count(",") == 1 and "." not in text:
            text = text.replace(",", ".")
        return checked(values.read_price, text, self.currency)

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != initial)
        except ValidationError:
            return True


class ListField(forms.CharField):
    """A list of short texts, one per line."""

    def __init__(self, *, separator: str = r"\s*\n\s*", **kwargs: Any) -> None:
        kwargs.setdefault("widget", UnfoldAdminTextareaWidget(attrs={"rows": 3}))
        kwargs.setdefault("required", False)
        self.separator = re.compile(separator)
        super().__init__(**kwargs)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list | tuple) else value

    def to_python(self, value: Any) -> Any:
        if isinstance(value, list):
            return value
        return [part for part in self.separator.split(value or "") if part]

    def validate(self, value: Any) -> None:
        if self.required and not value:
            raise ValidationError(self.error_messages["required"], code="required")

    def run_validators(self, value: Any) -> None:
        """Those of CharField are about one text."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(data) != list(initial or []))


class PermissionMatrix(forms.CheckboxSelectMultiple):
    """Two columns of check boxes: what a role may do at the register, and in the Back Office."""

    template_name = "administration/permission_matrix.html"

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        chosen = set(value or ())
        context["columns"] = [
            ("At the register", self._rows(name, chosen, in_back_office=False)),
            ("In the Back Office", self._rows(name, chosen, in_back_office=True)),
        ]
        return context

    def _rows(
        self, name: str, chosen: set[str], in_back_office: bool
    ) -> Iterable[dict[str, object]]:
        for permission, words in WORDS.items():
            if (permission in BACK_OFFICE) == in_back_office:
                yield {
                    "id": f"id_{name}_{permission.name.lower()}",
                    "value": permission.value,
                    "words": words,
                    "chosen": permission.value in chosen,
                }


class PermissionsField(forms.MultipleChoiceField):
    def __init__(self, **kwargs: Any) -> None:
        choices = [(permission.value, words) for permission, words in WORDS.items()]
        super().__init__(choices=choices, widget=PermissionMatrix, required=False, **kwargs)

    def clean(self, value: Any) -> list[str]:
        return sorted(super().clean(value))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return set(initial or ()) != set(data or ())


class PolicyTable(forms.Widget):
    """One row per capability: as the preset says, always, or never while offline."""

    template_name = "administration/policy_table.html"

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        answers: Mapping[str, bool] = value if isinstance(value, dict) else {}
        context["rows"] = [
            {
                "name": f"{name}__{capability.value}",
                "words": words,
                "answer": _ANSWERS[answers.get(capability.value)],
            }
            for capability, words in CAPABILITY_WORDS.items()
        ]
        context["options"] = [("", "As the preset"), ("yes", "Yes"), ("no", "No")]
        return context

    def value_from_datadict(self, data: Any, files: Any, name: str) -> dict[str, bool]:
        given = {c.value: data.get(f"{name}__{c.value}", "") for c in CAPABILITY_WORDS}
        return {key: answer == "yes" for key, answer in given.items() if answer in ("yes", "no")}

    def format_value(self, value: Any) -> Any:
        return value


_ANSWERS: dict[bool | None, str] = {None: "", True: "yes", False: "no"}


class PolicyField(forms.Field):
    """Capability → whether it is allowed offline; what is not there is as the preset says."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=PolicyTable, required=False, **kwargs)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool((initial or {}) != (data or {}))
