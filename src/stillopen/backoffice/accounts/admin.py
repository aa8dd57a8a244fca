"""Administration of the account's settings, stores, people, users and tokens."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.contrib.filters.admin import BooleanRadioFilter
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminEmailInputWidget,
    UnfoldAdminPasswordToggleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from stillopen.backoffice.accounts import people
from stillopen.backoffice.accounts.models import Account, ApiToken, Employee, Role, Store, User
from stillopen.backoffice.accounts.opening import check_timezone
from stillopen.backoffice.accounts.users import (
    check_may_manage,
    create_token,
    email_of,
    may_manage,
    revoke_token,
)
from stillopen.backoffice.administration.base import (
    AccountAdmin,
    AccountForm,
    DraftAdmin,
    OwnRelatedFilter,
    account_for,
    mark,
    user_of,
)
from stillopen.backoffice.administration.fields import (
    ListField,
    MoneyField,
    PermissionsField,
    PolicyField,
    checked,
)
from stillopen.backoffice.catalogue.models import TaxRate
from stillopen.design import TINTS
from stillopen.domain.barcode import Carries
from stillopen.domain.ids import check_code
from stillopen.domain.permission import Permission
from stillopen.domain.policy import PRESETS
from stillopen.domain.tax import TaxRounding

admin.site.unregister(Group)

_TAX_ROUNDING = (
    (TaxRounding.TOTAL.value, "Once per rate, on the total of the receipt"),
    (TaxRounding.LINE.value, "On every line"),
)


def _select(*choices: tuple[Any, str], **options: Any) -> forms.ChoiceField:
    return forms.ChoiceField(choices=list(choices), widget=UnfoldAdminSelectWidget, **options)


class AccountSettingsForm(AccountForm):
    tax_rounding = _select(*_TAX_ROUNDING, label="Tax is rounded")
    cash_rounding = MoneyField(
        label="Smallest cash step",
        required=False,
        help_text="Such as 0.05 where there are no smaller coins; empty for no rounding.",
    )
    default_tax = forms.ModelChoiceField(
        TaxRate.objects.none(),
        label="Default tax rate",
        widget=UnfoldAdminSelectWidget,
        help_text="For products that name none.",
    )
    offline_preset = _select(*((name, name.capitalize()) for name in PRESETS), label="Preset")
    offline_overrides = PolicyField(label="While offline")
    embedded_prefixes = ListField(
        label="Barcodes that carry a price or a weight",
        help_text="One two-digit prefix per line: “21 price” or “23 weight”.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["default_tax"].queryset = TaxRate.objects.filter(account=self.account)  # type: ignore[attr-defined]
        prefixes = self.instance.embedded_prefixes
        self.initial["embedded_prefixes"] = [f"{p} {what}" for p, what in prefixes.items()]

    def clean_cash_rounding(self) -> int:
        return self.cleaned_data["cash_rounding"] or 0

    def clean_default_tax(self) -> Any:
        return self.cleaned_data["default_tax"].id

    def clean_embedded_prefixes(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for line in self.cleaned_data["embedded_prefixes"]:
            prefix, _, what = line.partition(" ")
            if not (len(prefix) == 2 and prefix.isascii() and prefix.isdigit()):
                raise ValidationError(f"“{line}” does not begin with a prefix of two digits.")
            if what.strip() not in set(Carries):
                raise ValidationError(f"“{line}” says neither price nor weight.")
            found[prefix] = what.strip()
        return found

    class Meta:
        model = Account
        fields = (
            "name", "tax_inside", "tax_rounding", "default_tax", "cash_rounding",
            "offline_preset", "offline_overrides", "embedded_prefixes",
        )  # fmt: skip


@admin.register(Account)
class AccountSettingsAdmin(DraftAdmin):
    form = AccountSettingsForm
    can_add = False
    readonly_fields = ("public_id", "currency")
    fieldsets = (
        (None, {"fields": ("name", ("public_id", "currency"))}),
        ("Tax", {"fields": ("tax_inside", "tax_rounding", "default_tax")}),
        ("Cash", {"fields": ("cash_rounding",)}),
        ("What works offline", {"fields": ("offline_preset", "offline_overrides")}),
        ("Scanner", {"fields": ("embedded_prefixes",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        account = account_for(request)
        return Account.objects.filter(id=account.id)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """There is one account to see: its form."""
        here = reverse("admin:accounts_account_change", args=(account_for(request).id,))
        return HttpResponseRedirect(here)


class StoreForm(AccountForm):
    def clean_code(self) -> str:
        return checked(check_code, self.cleaned_data["code"], "store")

    def clean_timezone(self) -> str:
        checked(check_timezone, self.cleaned_data["timezone"])
        return str(self.cleaned_data["timezone"])

    class Meta:
        model = Store
        fields = (
            "code", "name", "timezone", "cutoff", "address", "vat_number", "receipt_header",
            "receipt_footer", "blind_close",
        )  # fmt: skip
        small = UnfoldAdminTextareaWidget(attrs={"rows": 3})
        widgets = {"address": small, "receipt_header": small, "receipt_footer": small}
        help_texts = {
            "code": "Stands in receipt numbers and stays.",
            "timezone": "Such as Europe/Berlin.",
            "cutoff": "Sales after midnight and before this hour belong to the day before.",
            "blind_close": "What should be in the drawer is shown only after it was counted.",
        }


@admin.register(Store)
class StoreAdmin(DraftAdmin):
    form = StoreForm
    list_display = ("code", "name", "timezone", "draft")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(pk__in=self._own(Store, request).values("pk"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("code",) if obj else ()


class RoleForm(AccountForm):
    permissions = PermissionsField(label="May")

    def clean_permissions(self) -> list[str]:
        wanted: list[str] = self.cleaned_data["permissions"]
        checked(people.check_may_grant, self.user, self.instance.permissions, wanted)
        return wanted

    class Meta:
        model = Role
        fields = ("name", "permissions")


@admin.register(Role)
class RoleAdmin(DraftAdmin):
    form = RoleForm
    list_display = ("name", "size", "employed", "draft")
    can_delete = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        active = Count("employees", filter=Q(employees__active=True))
        return super().get_queryset(request).annotate(employed=active)

    @display(description="Permissions")
    def size(self, role: Role) -> str:
        return f"{len(role.permissions)} of {len(Permission)}"

    @display(description="Employees")
    def employed(self, role: Any) -> int:
        return int(role.employed)

    def delete_model(self, request: HttpRequest, obj: Role) -> None:
        people.delete_role(obj, user_of(request))


class EmployeeForm(AccountForm):
    pin = forms.CharField(
        label="New PIN",
        required=False,
        widget=UnfoldAdminPasswordToggleWidget(
            attrs={"inputmode": "numeric", "autocomplete": "new-password"}
        ),
        help_text="4 to 8 digits; it is in force at once and cannot be read again.",
    )
    code = forms.CharField(
        label="Employee code",
        max_length=20,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="The next number if empty.",
    )
    colour = _select(("", "No colour"), *((t, t.capitalize()) for t in TINTS), required=False)

    def clean_pin(self) -> str:
        pin = self.cleaned_data["pin"]
        if not pin and self.instance._state.adding:
            raise ValidationError("A new employee needs a PIN.")
        if pin:
            self.instance.pin_hash = checked(people.hash_pin, self.account, pin)
        return str(pin)

    def clean_code(self) -> str:
        return self.cleaned_data["code"].strip() or people.next_code(self.account)

    class Meta:
        model = Employee
        fields = ("name", "last_name", "code", "role", "stores", "pin", "active", "colour")
        widgets = {"stores": UnfoldAdminCheckboxSelectMultipleWidget}
        help_texts = {"active": "Switched off, nobody can sign in as this person, at once."}


@admin.register(Employee)
class EmployeeAdmin(DraftAdmin):
    form = EmployeeForm
    list_display = ("full_name", "code", "role", "active", "draft")
    list_filter = (("role", OwnRelatedFilter), ("active", BooleanRadioFilter))
    list_select_related = ("role",)
    search_fields = ("name", "last_name", "code")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Those who work in one's stores, and those who work in none."""
        mine = Q(stores__in=self._own(Store, request)) | Q(stores=None)
        return super().get_queryset(request).filter(mine).distinct()

    @display(description="Name", ordering="name")
    def full_name(self, employee: Employee) -> str:
        return str(employee)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"stores": list(self._own(Store, request)), "active": True}

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Stores that this user does not see are not on the page, and stay."""
        employee = form.instance
        unseen = list(employee.stores.exclude(id__in=self._own(Store, request)))
        super().save_related(request, form, formsets, change)
        employee.stores.add(*unseen)
        if change:
            people.note_outside(employee, form.changed_data, user_of(request))

    def after_saving(self, request: HttpRequest, row: Any) -> None:
        people.take_effect(row, user_of(request))
        super().after_saving(request, row)


class UserForm(AccountForm):
    email = forms.EmailField(widget=UnfoldAdminEmailInputWidget, help_text="Signs in with it.")
    password = forms.CharField(
        label="New password",
        required=False,
        widget=UnfoldAdminPasswordToggleWidget(attrs={"autocomplete": "new-password"}),
    )

    def clean_email(self) -> str:
        email = checked(email_of, self.cleaned_data["email"])
        if User.objects.filter(username=email).exclude(pk=self.instance.pk).exists():
            raise ValidationError("This address is in use already.")
        return email

    def clean_password(self) -> str:
        password = str(self.cleaned_data["password"])
        if password:
            validate_password(password)
        elif self.instance._state.adding:
            raise ValidationError("A new user needs a password.")
        return password

    def clean_role(self) -> Role | None:
        role: Role | None = self.cleaned_data["role"]
        checked(check_may_manage, self.user, role)
        return role

    def clean_is_active(self) -> bool:
        active = bool(self.cleaned_data["is_active"])
        if not active and self.instance.pk == self.user.pk:
            raise ValidationError("You cannot switch yourself off.")
        return active

    def _post_clean(self) -> None:
        """An empty password leaves the one there is."""
        stored = self.instance.password
        super()._post_clean()  # type: ignore[misc]
        self.instance.password = stored
        self.instance.username = self.cleaned_data.get("email") or self.instance.username
        if self.cleaned_data.get("password"):
            self.instance.set_password(self.cleaned_data["password"])

    class Meta:
        model = User
        fields = ("email", "first_name", "last_name", "role", "stores", "password", "is_active")
        widgets = {"stores": UnfoldAdminCheckboxSelectMultipleWidget}
        labels = {"is_active": "May sign in"}
        help_texts = {"stores": "None chosen: all stores.", "is_active": ""}


@admin.register(User)
class UserAdmin(AccountAdmin):
    needs = Permission.BO_PEOPLE
    form = UserForm
    list_display = ("email", "full_name", "role", "is_active", "last_login")
    list_select_related = ("role",)
    search_fields = ("email", "first_name", "last_name")
    ordering = ("email",)

    @display(description="Name")
    def full_name(self, user: User) -> str:
        return user.get_full_name()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody takes over a user who may do more."""
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or may_manage(user_of(request), obj.role))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.is_staff = True  # Django's word for: may open the administration
        obj.save()

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        mine = self._own(Store, request)
        unseen = list(form.instance.stores.exclude(id__in=mine))
        super().save_related(request, form, formsets, change)
        form.instance.stores.add(*unseen)
        if not form.instance.stores.exists() and mine.count() < form.account.stores.count():
            form.instance.stores.set(mine)  # who sees some stores cannot give sight of all


@admin.register(ApiToken)
class ApiTokenAdmin(AccountAdmin):
    needs = Permission.BO_SETTINGS
    list_display = ("name", "created_at", "last_used_at", "state")
    fields = ("name",)
    actions = ("revoke",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)

    @display(description="State")
    def state(self, token: ApiToken) -> str:
        return mark("Revoked", "red") if token.revoked_at else "In use"

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        made, text = create_token(account_for(request), obj.name, user_of(request))
        obj.pk, obj.text = made.pk, text

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"Token “{obj.name}”",
            "text": obj.text,
            "back": reverse("admin:accounts_apitoken_changelist"),
            "opts": self.opts,
        }
        answer = TemplateResponse(request, "administration/shown_once.html", context)
        answer["Cache-Control"] = "no-store"
        return answer

    @admin.action(description="Revoke")
    def revoke(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        for token in tokens:
            revoke_token(token, user_of(request))
        messages.success(request, "They open nothing from now on.")
