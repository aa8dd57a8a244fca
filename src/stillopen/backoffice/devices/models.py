"""Registers: their license, the key of the device that activated it, and what they said last."""

import uuid

from django.db import models

from stillopen.backoffice.accounts.models import Account, Store


class Register(models.Model):
    """One till position. Its device proves itself with ``public_key``; the license key is kept as SHA-256."""

    class State(models.TextChoices):
        NEW = "new", "Not activated"
        ACTIVE = "active", "Active"
        REVOKED = "revoked", "Revoked"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, models.PROTECT, related_name="registers", editable=False)
    store = models.ForeignKey(Store, models.PROTECT, related_name="registers")
    name = models.CharField(max_length=12)  # R1, stands in receipt numbers
    state = models.CharField(max_length=10, choices=State, default=State.NEW, editable=False)
    license_digest = models.CharField(max_length=64, unique=True, editable=False)
    # options
    several_employees = models.BooleanField("Sign out after each sale", default=False)
    unblock = models.UUIDField(null=True, editable=False)
    # of the line's indicator, in seconds; None: as usual (devices/line_times.py)
    yellow_after = models.FloatField("Show Reconnecting after", null=True, blank=True)
    red_after = models.FloatField("Show Offline after", null=True, blank=True)
    probe_every = models.FloatField("Try a lost line every", null=True, blank=True)
    # device
    public_key = models.BinaryField(null=True, editable=False)
    fingerprint = models.CharField(max_length=100, blank=True, editable=False)
    device_name = models.CharField(max_length=120, blank=True, editable=False)
    activated_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)
    nonce = models.BinaryField(null=True, editable=False)
    # as last said by the register
    software = models.CharField(max_length=40, blank=True, editable=False)
    last_seen_at = models.DateTimeField(null=True, editable=False)
    head_epoch = models.CharField(max_length=32, blank=True, editable=False)
    head_seq = models.BigIntegerField(default=0, editable=False)
    unsent_count = models.BigIntegerField(default=0, editable=False)
    unsent_value = models.BigIntegerField(default=0, editable=False)  # minor units
    unsent_oldest_at = models.DateTimeField(null=True, editable=False)
    receipts_made = models.BigIntegerField(default=0, editable=False)
    shift_open = models.BooleanField(null=True, editable=False)
    clock_offset = models.FloatField(null=True, editable=False)  # seconds, register − server
    cursors = models.JSONField(default=dict, editable=False)  # scope → seq, as last pulled
    blocked = models.BooleanField(default=False, editable=False)  # by wrong PINs, as last heard
    #: The Back Office went back in time: which labels it had given to epochs is not known for certain.
    labels_lost = models.BooleanField(default=False, db_default=False, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["store", "name"], name="register_name")]
        ordering = ["store__code", "name"]

    def __str__(self) -> str:
        return f"{self.store.code}-{self.name}"


class Epoch(models.Model):
    """A branch: one line of a journal's history that is held here, and how far.

    An *epoch* is one run of numbering on one disk, named by a random id that the device makes. Its first
    branch bears that name; where the journal is found to have forked (a restored or copied disk), a
    further branch begins behind ``base_seq`` of its ``parent`` and bears the name with a suffix.
    """

    pk = models.CompositePrimaryKey("account_id", "register_id", "branch")
    account_id = models.UUIDField()
    register_id = models.UUIDField()
    branch = models.CharField(max_length=40)
    epoch = models.CharField(max_length=32)
    parent = models.CharField(max_length=40, blank=True)  # a branch of the same epoch
    base_seq = models.BigIntegerField(default=0)
    label = models.CharField(max_length=8, blank=True)  # in the epoch's receipt numbers
    acked_seq = models.BigIntegerField(default=0)
    acked_hash = models.BinaryField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "devices_epoch"


class FormerDevice(models.Model):
    """A device that was bound to a register before: with its key it may still hand in what it sold."""

    pk = models.CompositePrimaryKey("account_id", "register_id", "public_key")
    account_id = models.UUIDField()
    register_id = models.UUIDField()
    public_key = models.BinaryField(max_length=32)
    name = models.CharField(max_length=120, blank=True)
    nonce = models.BinaryField(null=True)
    replaced_at = models.DateTimeField()
    last_seen_at = models.DateTimeField(null=True)


__all__ = ["Epoch", "FormerDevice", "Register"]
