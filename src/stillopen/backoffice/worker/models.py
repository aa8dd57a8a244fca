"""What is due later, in the same database, and which of several server processes does it."""

from django.db import models


class Task(models.Model):
    """Due at ``due_at``; ``kind`` is a key of worker/tasks.py. ``key`` makes it one, however often asked for."""

    key = models.CharField(max_length=80, primary_key=True)
    kind = models.CharField(max_length=40)
    due_at = models.DateTimeField()
    details = models.JSONField(default=dict)
    tries = models.IntegerField(default=0)  # that failed in a row
    error = models.CharField(max_length=300, blank=True)  # of the last try

    class Meta:
        indexes = [models.Index(fields=["due_at"], name="task_due")]


class Lease(models.Model):
    """The process ``holder`` leads until ``until``, unless it says so again."""

    name = models.CharField(max_length=40, primary_key=True)
    holder = models.CharField(max_length=40)
    until = models.DateTimeField()
