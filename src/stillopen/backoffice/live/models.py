"""The live lane as registers see it: published stock, receipts on their way down, and what figures count.

The heads of its scopes are rows of ``feed_head`` like any other; its publications are kept here, for days
instead of months, because there is one a second while a store is selling. Written only by the worker.
"""

from django.db import models


class Publication(models.Model):
    """A publication ended at ``seq`` of ``scope``, so that cursors can be recognized."""

    pk = models.CompositePrimaryKey("account_id", "scope", "seq")
    account_id = models.UUIDField()
    scope = models.CharField(max_length=60)
    seq = models.BigIntegerField()
    chain = models.BinaryField()
    published_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["published_at"], name="live_publication_age")]


class Stock(models.Model):
    """The level of a product as published last."""

    pk = models.CompositePrimaryKey("account_id", "store_id", "product_id")
    account_id = models.UUIDField()
    store_id = models.UUIDField()
    product_id = models.CharField(max_length=40)
    seq = models.BigIntegerField()
    quantity = models.DecimalField(max_digits=16, decimal_places=3)

    class Meta:
        indexes = [models.Index(fields=["account_id", "store_id", "seq"], name="live_stock_feed")]


class Figures(models.Model):
    """What the published stock of a store counts. ``included``: register → branch → [seq, hash in hex];
    ``left_out``: register → ids of its entries that were held and not applied. Both JSON."""

    pk = models.CompositePrimaryKey("account_id", "store_id")
    account_id = models.UUIDField()
    store_id = models.UUIDField()
    included = models.TextField()
    left_out = models.TextField()
    as_of = models.DateTimeField()


class Receipt(models.Model):
    """A receipt of a store that comes down to its registers; its bytes are those of the entry."""

    pk = models.CompositePrimaryKey("account_id", "register_id", "branch", "entry_seq")
    account_id = models.UUIDField()
    register_id = models.UUIDField()
    branch = models.CharField(max_length=40)
    entry_seq = models.BigIntegerField()
    store_id = models.UUIDField()
    seq = models.BigIntegerField()
    occurred_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["account_id", "store_id", "seq"], name="live_receipt_feed"),
            models.Index(fields=["occurred_at"], name="live_receipt_age"),
        ]


class Mark(models.Model):
    """Up to which entry of a branch its receipts were looked through."""

    pk = models.CompositePrimaryKey("account_id", "register_id", "branch")
    account_id = models.UUIDField()
    register_id = models.UUIDField()
    branch = models.CharField(max_length=40)
    through = models.BigIntegerField()


class Pending(models.Model):
    """An entry that was not applied when the mark passed it: its receipt comes down when a retry has."""

    pk = models.CompositePrimaryKey("account_id", "register_id", "branch", "entry_seq")
    account_id = models.UUIDField()
    register_id = models.UUIDField()
    branch = models.CharField(max_length=40)
    entry_seq = models.BigIntegerField()
