"""Raw journal entries exactly as registers sent them, and what became of each."""

from django.db import models


class Entry(models.Model):
    """Key: (account, register, branch, seq). ``body`` holds the exact bytes; it is never rewritten."""

    class Status(models.TextChoices):
        APPLIED = "applied", "Applied"
        WAITING = "waiting", "Waiting"
        QUARANTINED = "quarantined", "Quarantined"

    pk = models.CompositePrimaryKey("account_id", "register_id", "branch", "seq")
    account_id = models.UUIDField()
    register_id = models.UUIDField()
    branch = models.CharField(max_length=40)
    seq = models.BigIntegerField()
    entry_id = models.CharField(max_length=40)
    kind = models.CharField(max_length=40)
    aggregate = models.CharField(max_length=80)  # the entity whose state it changes
    prev_hash = models.BinaryField()
    hash = models.BinaryField()
    body = models.BinaryField()
    status = models.CharField(max_length=12, choices=Status)
    code = models.CharField(max_length=60, blank=True)  # why it is not applied
    behind = models.CharField(max_length=40, blank=True)  # entry id it waits behind
    received_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["account_id", "entry_id"], name="entry_by_id"),
            models.Index(
                fields=["account_id", "register_id", "status"],
                name="entry_not_applied",
                condition=~models.Q(status="applied"),
            ),
        ]


class ExceptionItem(models.Model):
    """Something a person should look at: a total that recomputes differently, a quarantined entry …"""

    account_id = models.UUIDField()
    id = models.UUIDField(primary_key=True)
    register_id = models.UUIDField()
    entry_id = models.CharField(max_length=40)
    code = models.CharField(max_length=60)
    message = models.TextField()
    details = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["account_id", "resolved_at"], name="exception_open")]


class Decision(models.Model):
    """What was done about an exception or a held entry: each try and each decision, never changed.

    ``branch`` and ``seq`` name the entry, where it is about one. ``fix`` *accept* makes later readings
    pass over ``code``.
    """

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    register_id = models.UUIDField()
    branch = models.CharField(max_length=40, blank=True)
    seq = models.BigIntegerField(default=0)
    exception_id = models.UUIDField(null=True)
    at = models.DateTimeField()
    by = models.CharField(max_length=150)  # who, or what
    fix = models.CharField(max_length=20)  # ingest.fixes.Fix
    code = models.CharField(max_length=60)  # what it was about
    result = models.CharField(max_length=12)  # applied, held, settled
    details = models.JSONField(default=dict)

    class Meta:
        indexes = [
            models.Index(fields=["account_id", "register_id", "branch", "seq"], name="decision_of")
        ]


class Alias(models.Model):
    """Sales that name ``product_id``, which is no product here, mean the product ``target``."""

    pk = models.CompositePrimaryKey("account_id", "product_id")
    account_id = models.UUIDField()
    product_id = models.CharField(max_length=40)
    target = models.UUIDField()
