"""What reports read: receipts with lines and payments, shifts, cash movements, other events.

Written only by ingest (raw SQL, set-wise); read with the ORM. Keys start with the account; references are soft.
All money is in minor units of the account's currency.
"""

from django.db import models


class Receipt(models.Model):
    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()  # the sale's id
    number = models.CharField(max_length=60)
    store_id = models.UUIDField()
    register_id = models.UUIDField()
    branch = models.CharField(max_length=40)
    seq = models.BigIntegerField()
    shift_id = models.UUIDField(null=True)
    employee_id = models.UUIDField(null=True)
    cashier = models.CharField(max_length=130)
    customer = models.CharField(max_length=100, blank=True)
    currency = models.CharField(max_length=3)
    occurred_at = models.DateTimeField()
    business_day = models.DateField()
    subtotal = models.BigIntegerField()
    discount = models.BigIntegerField()
    net = models.BigIntegerField()
    tax = models.BigIntegerField()
    total = models.BigIntegerField()
    rounding = models.BigIntegerField()
    change = models.BigIntegerField()
    received_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["account_id", "number"], name="receipt_number"),
            models.Index(fields=["account_id", "occurred_at"], name="receipt_time"),
            models.Index(fields=["account_id", "register_id", "seq"], name="receipt_register"),
        ]


class ReceiptLine(models.Model):
    pk = models.CompositePrimaryKey("account_id", "receipt_id", "line")
    account_id = models.UUIDField()
    receipt_id = models.UUIDField()
    line = models.IntegerField()  # from 1
    product_id = models.CharField(max_length=40)
    sku = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    quantity = models.DecimalField(max_digits=12, decimal_places=3)
    unit_price = models.BigIntegerField()
    discount = models.BigIntegerField()  # own and share of the sale's
    tax_name = models.CharField(max_length=60)
    tax_rate = models.DecimalField(max_digits=7, decimal_places=4)
    net = models.BigIntegerField()
    tax = models.BigIntegerField()
    gross = models.BigIntegerField()


class Payment(models.Model):
    pk = models.CompositePrimaryKey("account_id", "receipt_id", "line")
    account_id = models.UUIDField()
    receipt_id = models.UUIDField()
    line = models.IntegerField()
    type = models.CharField(max_length=30)
    amount = models.BigIntegerField()  # as handed over
    change = models.BigIntegerField(default=0)  # paid out of it; amount − change stayed
    reference = models.CharField(max_length=100, blank=True)


class Shift(models.Model):
    """One row per branch: where a disk was copied, each till has its own of a shift that was open then.

    A stub (``opened_at`` None) stands for a shift whose opening has not arrived, or came in another branch.
    """

    pk = models.CompositePrimaryKey("account_id", "id", "branch")
    account_id = models.UUIDField()
    id = models.UUIDField()
    branch = models.CharField(max_length=40)
    store_id = models.UUIDField()
    register_id = models.UUIDField()
    opened_at = models.DateTimeField(null=True)
    opened_by = models.CharField(max_length=130, blank=True)
    float = models.BigIntegerField(default=0)
    closed_at = models.DateTimeField(null=True)
    closed_by = models.CharField(max_length=130, blank=True)
    business_day = models.DateField(null=True)
    z_number = models.BigIntegerField(null=True)
    expected = models.BigIntegerField(null=True)
    counted = models.BigIntegerField(null=True)
    difference = models.BigIntegerField(null=True)
    report = models.JSONField(null=True)  # the Z as printed

    class Meta:
        indexes = [models.Index(fields=["account_id", "opened_at"], name="shift_time")]


class CashMovement(models.Model):
    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    store_id = models.UUIDField()
    register_id = models.UUIDField()
    branch = models.CharField(max_length=40)
    shift_id = models.UUIDField(null=True)
    employee_id = models.UUIDField(null=True)
    kind = models.CharField(max_length=10)  # domain.shift.CashKind
    amount = models.BigIntegerField()
    reason = models.CharField(max_length=200, blank=True)
    occurred_at = models.DateTimeField()


class Event(models.Model):
    """Sign-ins, blocked PINs, reprints, drawer openings, payment attempts: who did what, when."""

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    register_id = models.UUIDField()
    employee_id = models.UUIDField(null=True)
    kind = models.CharField(max_length=40)
    details = models.JSONField(default=dict)
    occurred_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["account_id", "occurred_at"], name="event_time")]
