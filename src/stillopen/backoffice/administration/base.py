"""What all administration pages share: one account's rows only, permissions from the role, drafts.

Django's admin saves inside one transaction. What must happen after it (publishing) is done when that
has committed, in :meth:`AccountAdmin.changeform_view`.
"""

from collections.abc import Iterable
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, Model, OuterRef, QuerySet, UniqueConstraint
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.decorators import display

from stillopen.backoffice.accounts.access import stores_for
from stillopen.backoffice.accounts.models import Account, Store, User
from stillopen.backoffice.administration.fields import MoneyField
from stillopen.backoffice.catalogue import drafts, kinds
from stillopen.backoffice.catalogue.editing import account_of, save_draft
from stillopen.backoffice.catalogue.models import DraftChange
from stillopen.backoffice.catalogue.preview import preview_of
from stillopen.backoffice.catalogue.publishing import publish_records
from stillopen.domain.errors import DomainError
from stillopen.domain.permission import Permission

_WARNINGS = 5  # at most, above one page


def user_of(request: HttpRequest) -> User:
    """The signed-in user, who has an account; PermissionDenied otherwise."""
    user = request.user
    if not isinstance(user, User) or user.account is None:
        raise PermissionDenied
    return user


def account_for(request: HttpRequest) -> Account:
    account = user_of(request).account
    assert account is not None
    return account


class AccountForm(forms.ModelForm):
    """A form for a row of ``account``, which get_form sets; the account itself is not on the page."""

    account: ClassVar[Account]
    user: ClassVar[User]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance._state.adding and not isinstance(self.instance, Account):
            self.instance.account = self.account
        for field in self.fields.values():
            if isinstance(field, MoneyField):
                field.currency = self.account.currency
                field.label = f"{field.label} ({field.currency})"

    def clean(self) -> dict[str, Any] | None:
        """Names are unique within the account, which Django leaves out because it is not on the page."""
        super().clean()
        for name in _unique_in_account(type(self.instance)):
            if name in self.cleaned_data:
                rows = type(self.instance)._default_manager.filter(account=self.account)
                taken = rows.filter(**{name: self.cleaned_data[name]})
                if taken.exclude(pk=self.instance.pk).exists():
                    words = self.instance._meta.verbose_name
                    self.add_error(name, f"Another {words} has this already.")
        return self.cleaned_data


def _unique_in_account(table: type[Model]) -> Iterable[str]:
    for constraint in table._meta.constraints:
        if isinstance(constraint, UniqueConstraint) and constraint.fields[0] == "account":
            yield constraint.fields[1]


def mark(words: str, tone: str) -> str:
    """A word on a soft ground; ``tone`` is accent, gray or red."""
    return format_html('<span class="so-mark so-{}">{}</span>', tone, words)


class OwnRelatedFilter(RelatedDropdownFilter):
    """A filter by another table that offers the rows of one's own account."""

    def field_choices(
        self, field: Any, request: HttpRequest, model_admin: Any
    ) -> list[tuple[Any, str]]:
        ordering = self.field_admin_ordering(field, request, model_admin)
        own = {"account": account_for(request)}
        choices: list[tuple[Any, str]] = field.get_choices(
            include_blank=False, ordering=ordering, limit_choices_to=own
        )
        return choices


class AccountAdmin(ModelAdmin):
    """Rows of the user's account; who may see and edit them is said by :attr:`needs`."""

    form = AccountForm
    needs: Permission
    list_filter_sheet = False
    warn_unsaved_form = True
    empty_value_display = ""
    show_facets = ShowFacets.NEVER
    can_add = True
    can_delete = False

    def allowed(self, request: HttpRequest, obj: Any = None) -> bool:
        user = request.user
        if not isinstance(user, User) or not user.allows(self.needs):
            return False
        return obj is None or account_of(obj).id == user.account_id

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.allowed(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.allowed(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.can_add and self.allowed(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.allowed(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.can_delete and self.allowed(request, obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(account=account_for(request))

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        form.account, form.user = account_for(request), user_of(request)
        return form

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["queryset"] = self._own(db_field.related_model, request)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["queryset"] = self._own(db_field.related_model, request)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """A category can be added on the way; other things have pages of their own."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper):
            if db_field.name != "category":
                field.widget = field.widget.widget
            else:
                field.widget.can_change_related = field.widget.can_delete_related = False
                field.widget.can_view_related = False
        return field

    def _own(self, table: type[Model], request: HttpRequest) -> QuerySet[Any]:
        if table is Store:
            return stores_for(user_of(request))
        return table._default_manager.filter(account=account_for(request))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The form; what it saved takes effect after its transaction."""
        context = {**self.form_context(request), **(extra_context or {})}
        try:
            response: HttpResponse = super().changeform_view(request, object_id, form_url, context)
            saved = getattr(request, "saved_row", None)
            if saved is not None:
                self.after_saving(request, saved)
            return response
        except DomainError as error:
            messages.error(request, error.message)
            return HttpResponseRedirect(request.get_full_path())

    def form_context(self, request: HttpRequest) -> dict[str, Any]:
        return {"show_save_and_add_another": False}

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        request.saved_row = form.instance  # type: ignore[attr-defined]

    def after_saving(self, request: HttpRequest, row: Any) -> None:
        """Called with what was saved when that is committed."""


class DraftAdmin(AccountAdmin):
    """Rows that registers see when they are published: Save keeps a draft, Save and Publish both."""

    @property
    def kind(self) -> str:
        return next(kind for kind, table in kinds.TABLES.items() if table is self.model)

    @property
    def needs(self) -> Permission:  # type: ignore[override]
        return kinds.NEEDS[self.kind]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With ``is_draft``: whether a change of the row waits to be published."""
        waiting = DraftChange.objects.filter(
            account=account_for(request), kind=self.kind, record=OuterRef("pk")
        )
        return super().get_queryset(request).annotate(is_draft=Exists(waiting))

    @display(description="")
    def draft(self, row: Any) -> str:
        return mark("Draft", "accent") if row.is_draft else ""

    def form_context(self, request: HttpRequest) -> dict[str, Any]:
        may_publish = user_of(request).allows(Permission.BO_PUBLISH)
        return {**super().form_context(request), "show_publish": may_publish}

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        words = self.words(form, change)
        if words:
            save_draft(obj, words, user_of(request))

    def words(self, form: Any, change: bool) -> str:
        """What the form changed, for the preview; empty for nothing."""
        if not change:
            return f"new {self.opts.verbose_name}"
        labels = [str(form.fields[name].label or name).lower() for name in form.changed_data]
        return f"{', '.join(labels)} changed" if labels else ""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if any(formset.has_changed() for formset in formsets):
            words = [self.words(form, change), self.formset_words()]
            what = ", ".join(word for word in words if word)
            key = kinds.key_of(form.instance)
            drafts.record_change(account_for(request), *key, what, user_of(request))

    def formset_words(self) -> str:
        return "details changed"

    def after_saving(self, request: HttpRequest, row: Any) -> None:
        key = kinds.key_of(row)
        if "_publish" in request.POST:
            self.publish(request, [key])
        elif drafts.pending_of(account_for(request), [key]):
            messages.info(request, "Kept as a draft: registers see it once it is published.")

    def publish(self, request: HttpRequest, keys: list[kinds.Key]) -> None:
        """Publish ``keys``, say what came of it, and point at prices that look like a slip."""
        account = account_for(request)
        rows = preview_of(account, drafts.pending_of(account, keys))
        for row in [row for row in rows if row.warnings][:_WARNINGS]:
            messages.warning(request, f"{row.title}, look again: {' '.join(row.warnings)}")
        publication = publish_records(account, keys, user_of(request))
        if publication.records:
            records = "1 record" if publication.records == 1 else f"{publication.records} records"
            messages.success(request, f"Published {records}, publication {publication.number}.")
        else:
            messages.info(request, "Nothing differed from what registers see already.")
