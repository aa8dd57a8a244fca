"""Registers in the administration: their options. What happens at them is on the page Registers."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from stillopen.backoffice.accounts.models import Store
from stillopen.backoffice.administration.base import AccountAdmin, AccountForm, mark, user_of
from stillopen.backoffice.devices import verbs
from stillopen.backoffice.devices.models import Register
from stillopen.domain.permission import Permission


class RegisterForm(AccountForm):
    class Meta:
        model = Register
        fields = ("several_employees",)
        help_texts = {"several_employees": "The PIN pad comes up as soon as a sale is paid."}


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
        ("Options, in force at once", {"fields": ("several_employees",)}),
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
        verbs.change_options(row, several_employees=row.several_employees, user=user_of(request))
