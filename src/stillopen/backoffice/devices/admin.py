"""Registers in the administration: their options. What happens at them is on the page Registers."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from stillopen.backoffice.accounts.models import Store
from stillopen.backoffice.administration.base import AccountAdmin, AccountForm, mark, user_of
from stillopen.backoffice.devices import verbs
from stillopen.backoffice.devices.line_times import (
    USUAL,
    LineTimes,
    check_line_times,
    line_times,
    times_of,
)
from stillopen.backoffice.devices.models import Register
from stillopen.domain.errors import DomainError
from stillopen.domain.permission import Permission

_TIMES = LineTimes.__struct_fields__


class RegisterForm(AccountForm):
    class Meta:
        model = Register
        fields = ("several_employees", *_TIMES)
        help_texts = {
            "several_employees": "The PIN pad comes up as soon as a sale is paid.",
            "yellow_after": f"Seconds without a sign of life; left empty, {USUAL.yellow_after:g}.",
            "red_after": f"Seconds without a sign of life; left empty, {USUAL.red_after:g}.",
            "probe_every": f"Seconds; left empty, {USUAL.probe_every:g}.",
        }

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        chosen = {name: self.cleaned_data.get(name) for name in _TIMES}
        if not self.errors:
            try:
                check_line_times(times_of(chosen))
            except DomainError as error:
                raise forms.ValidationError(error.message, error.code) from error
        return cleaned


@admin.register(Register)
class RegisterAdmin(AccountAdmin):
    """Adding, revoking and unblocking is done on the page Registers."""

    needs = Permission.BO_REGISTERS
    form = RegisterForm
    can_add = False
    list_display = ("title", "state_words", "device_name", "software", "last_seen_at")
    list_select_related = ("store",)
    readonly_fields = ("store", "name", "state", "device_name", "software", "last_seen_at")
    fieldsets = (
        ("Options, in force at once", {"fields": ("several_employees", *_TIMES)}),
        ("Register", {"fields": (("store", "name"), "state")}),
        ("Device", {"fields": ("device_name", "software", "last_seen_at")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(store__in=self._own(Store, request))

    @display(description="Register", ordering="name")
    def title(self, register: Register) -> str:
        return str(register)

    @display(description="State")
    def state_words(self, register: Register) -> str:
        words = register.get_state_display()
        if register.state == Register.State.ACTIVE:
            return words
        return mark(words, "red" if register.state == Register.State.REVOKED else "gray")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Nothing yet: the verb below stores and publishes the options, outside this transaction."""

    def after_saving(self, request: HttpRequest, row: Any) -> None:
        verbs.change_options(
            row,
            several_employees=row.several_employees,
            times=line_times(row),
            user=user_of(request),
        )
