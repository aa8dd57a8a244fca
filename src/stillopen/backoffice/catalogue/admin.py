"""Administration of products, categories, taxes, quick keys and payment types."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import BooleanRadioFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from stillopen.backoffice.administration.base import (
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
    WallClockField,
    checked,
)
from stillopen.backoffice.catalogue import kinds, values, verbs
from stillopen.backoffice.catalogue.models import (
    Category,
    PaymentType,
    PriceChange,
    Product,
    QuickKeys,
    TaxRate,
)
from stillopen.design import PICTURES, TINTS
from stillopen.domain.money import format_plain


def _choice(names: Iterable[str], none: str) -> forms.ChoiceField:
    choices = [("", none), *((name, name.capitalize()) for name in names)]
    return forms.ChoiceField(choices=choices, required=False, widget=UnfoldAdminSelectWidget)


class ProductForm(AccountForm):
    price = MoneyField(label="Price")
    cost = MoneyField(label="Cost", required=False, help_text="What you pay for it; never shown.")
    barcodes = ListField(
        separator=r"[\s,;|]+", help_text="One per line. The scanner finds the product by each."
    )
    picture = _choice(PICTURES, "No picture")

    def clean_sku(self) -> str:
        return checked(values.clean_text, self.cleaned_data["sku"], "SKU", values.SKU_LENGTH)

    def clean_name(self) -> str:
        return checked(values.clean_text, self.cleaned_data["name"], "name", values.NAME_LENGTH)

    def clean_barcodes(self) -> list[str]:
        codes = checked(values.clean_barcodes, self.cleaned_data["barcodes"])
        checked(verbs.check_barcodes_free, self.account.id, codes, self.instance.id)
        return codes

    class Meta:
        model = Product
        fields = (
            "name", "sku", "price", "category", "tax", "barcodes", "unit", "cost", "picture",
            "description", "active",
        )  # fmt: skip
        labels = {"tax": "Tax rate"}
        help_texts = {
            "unit": "Such as kg or m; empty for pieces.",
            "active": "Switched off, registers forget it with the next publication.",
        }
        widgets = {"description": UnfoldAdminTextareaWidget(attrs={"rows": 3})}


class PriceChangeForm(forms.ModelForm):
    amount = MoneyField(label="Price")

    class Meta:
        model = PriceChange
        fields = ("amount", "since")
        labels = {"since": "From (the clock of each store)"}
        field_classes = {"since": WallClockField}


class PriceChangeInline(TabularInline):
    """Prices with a date travel ahead and flip at the till, also without a line."""

    model = PriceChange
    form = PriceChangeForm
    extra = 0
    hide_title = True
    verbose_name = "dated price"
    verbose_name_plural = "dated prices"

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        formset = super().get_formset(request, obj, **kwargs)
        formset.form.base_fields["amount"].currency = account_for(request).currency
        return formset

    def _allowed(self, request: HttpRequest, obj: Any = None) -> bool:
        return user_of(request).allows(kinds.NEEDS[kinds.PRODUCT])

    has_view_permission = has_add_permission = _allowed
    has_change_permission = has_delete_permission = _allowed


@admin.register(Product)
class ProductAdmin(DraftAdmin):
    form = ProductForm
    inlines = (PriceChangeInline,)
    list_display = ("name", "sku", "price_words", "category", "tax", "state", "draft")
    list_filter = (
        ("category", OwnRelatedFilter),
        ("tax", OwnRelatedFilter),
        ("stopped", BooleanRadioFilter),
        ("active", BooleanRadioFilter),
    )
    list_select_related = ("category", "tax", "account")
    list_per_page = 50
    search_fields = ("name", "sku", "barcodes")
    search_help_text = "Name, SKU or barcode"
    actions = ("sold_out", "available", "publish_chosen", "take_out", "put_back")

    @display(description="Price", ordering="price")
    def price_words(self, product: Product) -> str:
        return format_plain(product.price, product.account.currency)

    @display(description="At the till")
    def state(self, product: Product) -> str:
        if not product.active:
            return mark("Out of the range", "gray")
        return mark("Sold out", "red") if product.stopped else ""

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        given: dict[str, Any] = super().get_changeform_initial_data(request)
        return {"tax": account_for(request).default_tax, **given}

    def form_context(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().form_context(request), "show_save_and_add_another": True}

    def words(self, form: Any, change: bool) -> str:
        if not change:
            return super().words(form, change)
        before = {name: form.initial.get(name) for name in form.changed_data}
        return verbs.change_words(form.instance, before)

    def formset_words(self) -> str:
        return "dated prices changed"

    @admin.action(description="Mark as sold out (at once)")
    def sold_out(self, request: HttpRequest, products: QuerySet[Product]) -> None:
        self._stop(request, products, True)

    @admin.action(description="Mark as available again (at once)")
    def available(self, request: HttpRequest, products: QuerySet[Product]) -> None:
        self._stop(request, products, False)

    def _stop(self, request: HttpRequest, products: QuerySet[Product], stopped: bool) -> None:
        ids = list(products.values_list("id", flat=True))
        count = verbs.stop_products(account_for(request), ids, stopped, user_of(request))
        words = "sold out" if stopped else "available"
        messages.success(request, f"{count} of {len(ids)} changed: now {words} at every register.")

    @admin.action(description="Publish")
    def publish_chosen(self, request: HttpRequest, products: QuerySet[Product]) -> None:
        self.publish(request, [kinds.key_of(product) for product in products])

    @admin.action(description="Take out of the range")
    def take_out(self, request: HttpRequest, products: QuerySet[Product]) -> None:
        self._range(request, products, False)

    @admin.action(description="Put back into the range")
    def put_back(self, request: HttpRequest, products: QuerySet[Product]) -> None:
        self._range(request, products, True)

    def _range(self, request: HttpRequest, products: QuerySet[Product], active: bool) -> None:
        for product in products:
            verbs.change_product(product, {"active": active}, user_of(request))
        messages.info(request, f"{len(products)} kept as drafts: publish them to take effect.")


class CategoryForm(AccountForm):
    colour = _choice(TINTS, "No colour")

    class Meta:
        model = Category
        fields = ("name", "position", "colour")
        help_texts = {"position": "Lower numbers come first at the till."}


@admin.register(Category)
class CategoryAdmin(DraftAdmin):
    form = CategoryForm
    list_display = ("name", "position", "colour", "size", "draft")
    search_fields = ("name",)
    can_delete = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        live = Count("products", filter=Q(products__active=True))
        return super().get_queryset(request).annotate(size=live)

    @display(description="Products")
    def size(self, category: Any) -> int:
        return int(category.size)

    def delete_model(self, request: HttpRequest, obj: Category) -> None:
        verbs.delete_category(obj, user_of(request))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Its products stay, without a category; nothing protects it."""
        names = [str(category) for category in objs]
        return names, {"categories": len(names)}, set(), []


class TaxRateForm(AccountForm):
    def clean_rate(self) -> Any:
        checked(values.check_rate, self.cleaned_data["rate"])
        return self.cleaned_data["rate"]

    class Meta:
        model = TaxRate
        fields = ("name", "rate")
        help_texts = {"rate": "Receipts made already keep the rate they were made with."}


@admin.register(TaxRate)
class TaxRateAdmin(DraftAdmin):
    form = TaxRateForm
    list_display = ("name", "percent", "is_default", "draft")
    can_delete = True

    @display(description="Percent", ordering="rate")
    def percent(self, rate: TaxRate) -> str:
        return f"{rate.rate.normalize():f}"

    @display(description="Default", boolean=True)
    def is_default(self, rate: TaxRate) -> bool:
        return rate.account.default_tax == rate.id

    def delete_model(self, request: HttpRequest, obj: TaxRate) -> None:
        verbs.delete_tax_rate(obj, user_of(request))


class QuickKeysForm(AccountForm):
    products = ListField(
        label="Tiles",
        separator=r"\s*\n\s*",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 14}),
        help_text="One SKU per line, in the order of the tiles.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = _by_id(self.instance.products)
        self.initial["products"] = [p.sku for p in known]

    def clean_products(self) -> list[str]:
        wanted = list(dict.fromkeys(self.cleaned_data["products"]))
        rows = Product.objects.filter(account=self.account, sku__in=wanted)
        ids = {product.sku: str(product.id) for product in rows}
        missing = [sku for sku in wanted if sku not in ids]
        if missing:
            raise ValidationError(f"There is no product with the SKU {missing[0]}.")
        return [ids[sku] for sku in wanted]

    class Meta:
        model = QuickKeys
        fields = ("name", "position", "products")
        help_texts = {"position": "Lower numbers come first at the till."}


def _by_id(ids: list[str]) -> list[Product]:
    """In the order of ``ids``; those that are gone are left out."""
    rows = {str(p.id): p for p in Product.objects.filter(id__in=[UUID(i) for i in ids])}
    return [rows[i] for i in ids if i in rows]


@admin.register(QuickKeys)
class QuickKeysAdmin(DraftAdmin):
    form = QuickKeysForm
    list_display = ("name", "position", "size", "draft")
    readonly_fields = ("tiles_now",)
    can_delete = True

    @display(description="Tiles")
    def size(self, page: QuickKeys) -> int:
        return len(page.products)

    @display(description="As they are kept")
    def tiles_now(self, page: QuickKeys) -> str:
        names = [product.name for product in _by_id(page.products)]
        return " · ".join(names) or "No tiles yet."

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["name", "position", "products", *(["tiles_now"] if obj else [])]

    def delete_model(self, request: HttpRequest, obj: QuickKeys) -> None:
        verbs.delete_draft(obj, "deleted", user_of(request))


class PaymentTypeForm(AccountForm):
    class Meta:
        model = PaymentType
        fields = ("name", "position", "active")
        help_texts = {"name": "As it stands on the till and on the receipt."}


@admin.register(PaymentType)
class PaymentTypeAdmin(DraftAdmin):
    form = PaymentTypeForm
    list_display = ("name", "type", "position", "active", "draft")
    can_add = False
