"""Backups that were made, how far all of them reach, and what a restored database undid."""

import uuid

from django.db import models


class Backup(models.Model):
    """A verified copy of the whole database. ``acks``: what it holds of each journal, as read from it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    manifest = models.TextField()  # path of its manifest
    made_at = models.DateTimeField()
    size = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    server_epoch = models.CharField(max_length=40)
    acks = models.JSONField(default=list)  # of manifest.AckOf
    removed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-made_at"]


class BackedUp(models.Model):
    """``branch`` up to ``seq`` is in every backup that is kept; ``hash`` is that entry's."""

    pk = models.CompositePrimaryKey("account_id", "register_id", "branch")
    account_id = models.UUIDField()
    register_id = models.UUIDField()
    branch = models.CharField(max_length=40)
    seq = models.BigIntegerField()
    hash = models.BinaryField()


class Start(models.Model):
    """The token that the file at ``place`` must bear too; see starts.py."""

    place = models.CharField(max_length=32, primary_key=True)
    token = models.CharField(max_length=32)
    at = models.DateTimeField()


class RestoreReport(models.Model):
    """The database went back in time; one report for each account. ``acks``: what it held then."""

    class Kind(models.TextChoices):
        RESTORED = "restored", "Restored from a backup"
        SWAPPED = "swapped", "Exchanged by hand"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account_id = models.UUIDField()
    kind = models.CharField(max_length=10, choices=Kind)
    at = models.DateTimeField()
    copy_of = models.DateTimeField(null=True)  # the moment that the database went back to
    backup = models.CharField(max_length=300, blank=True)  # file name
    server_epoch = models.CharField(max_length=40)
    acks = models.JSONField(default=list)
    log_found = models.BooleanField(default=True)  # whether it is known what was undone

    class Meta:
        indexes = [models.Index(fields=["account_id", "at"], name="restore_report")]


class RestoreItem(models.Model):
    """One thing that a person confirms: a register, or something that the restore undid."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account_id = models.UUIDField()
    report = models.ForeignKey(RestoreReport, models.CASCADE, related_name="items")
    kind = models.CharField(max_length=20)  # of outside.KINDS, or "register"
    record = models.UUIDField()
    name = models.CharField(max_length=200)
    by = models.CharField(max_length=150, blank=True)
    happened_at = models.DateTimeField(null=True)
    more = models.JSONField(default=dict)
    confirmed_at = models.DateTimeField(null=True)
    confirmed_by = models.CharField(max_length=150, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["account_id"],
                name="restore_item_open",
                condition=models.Q(confirmed_at=None),
            )
        ]
