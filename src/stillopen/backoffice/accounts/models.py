"""Accounts, their stores, and their people. An employee is a person at a till; a user signs in to the Back Office."""

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models

from stillopen.domain.permission import Permission


class Account(models.Model):
    """One business. ``public_id`` is the Account ID that people type when they activate a register."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    public_id = models.CharField("Account ID", max_length=20, unique=True, editable=False)
    name = models.CharField(max_length=120)
    currency = models.CharField(max_length=3)
    tax_inside = models.BooleanField("Prices contain the tax", default=True)
    tax_rounding = models.CharField(max_length=10, default="total")  # domain.tax.TaxRounding
    cash_rounding = models.PositiveIntegerField(default=0)  # minor units
    offline_preset = models.CharField(max_length=20, default="standard")
    offline_overrides = models.JSONField(default=dict, blank=True)  # capability → bool
    embedded_prefixes = models.JSONField(default=dict, blank=True)  # "21" → price | weight
    default_tax = models.UUIDField(null=True, blank=True)  # id of a TaxRate
    pepper = models.BinaryField(editable=False)  # 32 bytes, see sync/pin.py
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = verbose_name_plural = "account settings"

    def __str__(self) -> str:
        return self.name


class Store(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, models.PROTECT, related_name="stores", editable=False)
    code = models.CharField(max_length=12)
    name = models.CharField(max_length=120)
    timezone = models.CharField(max_length=60)
    cutoff = models.TimeField("End of the business day", default="04:00")
    address = models.TextField(blank=True)
    vat_number = models.CharField("VAT number", max_length=40, blank=True)
    receipt_header = models.TextField(blank=True)
    receipt_footer = models.TextField(blank=True)
    blind_close = models.BooleanField("Count the drawer blind", default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "code"], name="store_code")]
        ordering = ["code"]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"


class Role(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, models.PROTECT, related_name="roles", editable=False)
    name = models.CharField(max_length=60)
    permissions = models.JSONField(default=list, blank=True)  # of domain.permission.Permission

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "name"], name="role_name")]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def allows(self, permission: Permission) -> bool:
        return permission.value in self.permissions


class Employee(models.Model):
    """A person who works at registers. ``pin_hash``: argon2id, see sync/pin.py."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, models.PROTECT, related_name="employees", editable=False)
    code = models.CharField("Employee code", max_length=20)
    name = models.CharField(max_length=60)
    last_name = models.CharField(max_length=60)
    role = models.ForeignKey(Role, models.PROTECT, related_name="employees")
    stores = models.ManyToManyField(Store, related_name="employees", blank=True)
    pin_hash = models.CharField(max_length=200, editable=False)
    active = models.BooleanField("Works here", default=True)
    colour = models.CharField(max_length=20, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "code"], name="employee_code")]
        ordering = ["name", "last_name"]

    def __str__(self) -> str:
        return f"{self.name} {self.last_name}".strip()


class User(AbstractUser):
    """Signs in to the Back Office with an e-mail address (kept in ``username`` as well)."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="users", null=True)
    role = models.ForeignKey(Role, models.PROTECT, related_name="users", null=True)
    stores = models.ManyToManyField(Store, related_name="users", blank=True)  # none: all of them

    def allows(self, permission: Permission) -> bool:
        return self.is_active and self.role is not None and self.role.allows(permission)


class ApiToken(models.Model):
    """A token of the REST API; only its SHA-256 is kept."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, models.CASCADE, related_name="tokens", editable=False)
    name = models.CharField(max_length=80)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API token"
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name


class ServerSecret(models.Model):
    """The one row with the signing secret, for servers that keep no folder (bootstrap.share_secret)."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    secret = models.CharField(max_length=100)
