"""What the Back Office edits: these rows are the drafts. Registers see what was published (feed/)."""

import uuid

from django.conf import settings
from django.db import models

from stillopen.backoffice.accounts.models import Account, Store


class TaxRate(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, models.PROTECT, related_name="tax_rates", editable=False)
    name = models.CharField(max_length=60)
    rate = models.DecimalField("Percent", max_digits=7, decimal_places=4)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "name"], name="tax_name")]
        ordering = ["-rate"]

    def __str__(self) -> str:
        percent = f"{self.rate.normalize():f} %"
        return self.name if percent in self.name else f"{self.name} ({percent})"


class Category(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, models.PROTECT, related_name="categories", editable=False)
    name = models.CharField(max_length=80)
    position = models.PositiveIntegerField(default=0)
    colour = models.CharField(max_length=20, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "name"], name="category_name")]
        ordering = ["position", "name"]
        verbose_name_plural = "categories"

    def __str__(self) -> str:
        return self.name


class Product(models.Model):
    """``price`` is the price in force without a date; dated ones are in PriceChange. Minor units."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, models.PROTECT, related_name="products", editable=False)
    sku = models.CharField("SKU", max_length=64)
    name = models.CharField(max_length=200)
    price = models.BigIntegerField()
    cost = models.BigIntegerField(null=True, blank=True)
    tax = models.ForeignKey(TaxRate, models.PROTECT, related_name="products")
    category = models.ForeignKey(
        Category, models.PROTECT, null=True, blank=True, related_name="products"
    )
    barcodes = models.JSONField(default=list, blank=True)  # of str
    unit = models.CharField(max_length=10, blank=True)  # "" for pieces
    description = models.TextField(blank=True)
    picture = models.CharField(max_length=40, blank=True)
    stopped = models.BooleanField("Sold out", default=False)
    active = models.BooleanField("In the range", default=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "sku"], name="product_sku")]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class PriceChange(models.Model):
    """From ``since`` (wall clock of each store) the product costs ``amount`` minor units."""

    product = models.ForeignKey(Product, models.CASCADE, related_name="price_changes")
    amount = models.BigIntegerField()
    since = (
        models.DateTimeField()
    )  # stored naive in UTC clothing: the wall clock of whichever store

    class Meta:
        constraints = [models.UniqueConstraint(fields=["product", "since"], name="price_since")]
        ordering = ["since"]


class QuickKeys(models.Model):
    """A page of tiles on the order screen; ``products`` are product ids in order."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, models.PROTECT, related_name="quick_keys", editable=False)
    name = models.CharField(max_length=60)
    position = models.PositiveIntegerField(default=0)
    products = models.JSONField(default=list, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "name"], name="quick_keys_name")]
        ordering = ["position", "name"]
        verbose_name_plural = "quick keys"

    def __str__(self) -> str:
        return self.name


class PaymentType(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(
        Account, models.PROTECT, related_name="payment_types", editable=False
    )
    type = models.CharField(max_length=30)  # domain.tender.TenderType
    name = models.CharField(max_length=60)
    position = models.PositiveIntegerField(default=0)
    active = models.BooleanField(default=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "type"], name="payment_type")]
        ordering = ["position"]

    def __str__(self) -> str:
        return self.name


class DraftChange(models.Model):
    """A record that was changed and not published since; written by the verbs, one row per record."""

    account = models.ForeignKey(Account, models.CASCADE)
    kind = models.CharField(max_length=30)  # of sync.records
    record = models.UUIDField()
    what = models.CharField(max_length=200)  # in words, for the preview
    changed_at = models.DateTimeField(auto_now=True)
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True)
    mark = models.UUIDField(default=uuid.uuid4)  # a new one with every change

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "kind", "record"], name="draft_once")
        ]


__all__ = [
    "Category",
    "DraftChange",
    "PaymentType",
    "PriceChange",
    "Product",
    "QuickKeys",
    "Store",
    "TaxRate",
]
