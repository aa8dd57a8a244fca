"""Stock: an append-only list of movements, and the level they sum to."""

from django.db import models


class Movement(models.Model):
    """``source`` names the entry or import that caused it; (source, line) makes it happen once."""

    pk = models.CompositePrimaryKey("account_id", "source", "line")
    account_id = models.UUIDField()
    source = models.CharField(max_length=60)
    line = models.IntegerField()
    store_id = models.UUIDField()
    product_id = models.CharField(max_length=40)
    reason = models.CharField(max_length=20)  # sale, refund, import, received, waste, count
    quantity = models.DecimalField(max_digits=14, decimal_places=3)  # + in, − out
    occurred_at = models.DateTimeField()


class Level(models.Model):
    pk = models.CompositePrimaryKey("account_id", "store_id", "product_id")
    account_id = models.UUIDField()
    store_id = models.UUIDField()
    product_id = models.CharField(max_length=40)
    quantity = models.DecimalField(max_digits=16, decimal_places=3)
    # It may differ from what registers were told (live/).
    dirty = models.BooleanField(default=True, db_default=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["account_id", "store_id"],
                name="level_dirty",
                condition=models.Q(dirty=True),
            )
        ]
