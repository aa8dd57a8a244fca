"""What registers see: published records, the head of each scope, and the publications.

Read with the ORM; written only by feed/publish.py, which locks the heads in a fixed order.
"""

from django.db import models


class ServerEpoch(models.Model):
    """The one row that names this history of the server; it comes from outside the database."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    epoch = models.CharField(max_length=40)


class Head(models.Model):
    pk = models.CompositePrimaryKey("account_id", "scope")
    account_id = models.UUIDField()
    scope = models.CharField(max_length=60)
    seq = models.BigIntegerField(default=0)
    chain = models.BinaryField()
    publications = models.BigIntegerField(
        default=0
    )  # kept on the account scope: Publication.number


class Published(models.Model):
    """One row per record and scope. ``version`` counts its publications."""

    pk = models.CompositePrimaryKey("account_id", "scope", "kind", "record")
    account_id = models.UUIDField()
    scope = models.CharField(max_length=60)
    kind = models.CharField(max_length=30)
    record = models.UUIDField()
    seq = models.BigIntegerField()
    version = models.IntegerField(default=1)
    payload = models.BinaryField()  # exact JSON bytes of sync.records
    deleted = models.BooleanField(default=False)
    published_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["account_id", "scope", "seq"], name="published_feed"),
            models.Index(
                fields=["account_id", "scope", "seq"],
                name="published_tombstone",
                condition=models.Q(deleted=True),
            ),
        ]


class Publication(models.Model):
    """A publication ended at ``seq`` of ``scope``; kept 180 days, so that cursors can be recognized."""

    pk = models.CompositePrimaryKey("account_id", "scope", "seq")
    account_id = models.UUIDField()
    scope = models.CharField(max_length=60)
    seq = models.BigIntegerField()
    chain = models.BinaryField()
    records = models.IntegerField()
    published_at = models.DateTimeField()
    published_by = models.CharField(max_length=150, blank=True)
    number = models.BigIntegerField()  # the account's count of publications, as told to people


class Digest(models.Model):
    """The sum over the rows of ``kind`` in ``scope`` that are not deleted (sync/digest.py), kept on write."""

    pk = models.CompositePrimaryKey("account_id", "scope", "kind")
    account_id = models.UUIDField()
    scope = models.CharField(max_length=60)
    kind = models.CharField(max_length=30)
    sum = models.BinaryField()


class Pulse(models.Model):
    """Counts up with everything that connected registers must be told of; watched by the poke stream."""

    account_id = models.UUIDField(primary_key=True)
    count = models.BigIntegerField(default=0)
