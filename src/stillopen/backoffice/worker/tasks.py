"""The work that is due at a time: one row of the table each, so that it is done once whichever process does it."""

import json
import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection

from stillopen.backoffice.feed.ahead import make_ahead
from stillopen.backoffice.ingest.retry import apply_understood
from stillopen.backoffice.ingest.sql import Cursor, engine, when
from stillopen.backoffice.live.retention import forget_old
from stillopen.backoffice.worker.models import Task
from stillopen.domain.errors import DomainError

log = logging.getLogger(__name__)

#: A task that failed is tried again after this, doubled with each time up to an hour.
_AGAIN = timedelta(seconds=30)
_MOST_AGAIN = timedelta(hours=1)


class Job(NamedTuple):
    """``run`` returns whether there is more to do at once; then the task is due again after ``every``, or
    done with where that is None."""

    run: Callable[[datetime, dict[str, object]], bool]
    every: timedelta | None = None


def _forget_live(now: datetime, details: dict[str, object]) -> bool:
    return forget_old(now) > 0


def _apply_understood(now: datetime, details: dict[str, object]) -> bool:
    apply_understood(now)
    return False


def _make_snapshots(now: datetime, details: dict[str, object]) -> bool:
    make_ahead()
    return False


#: Kind → job. What comes back by itself has one task, whose key is its kind.
JOBS: dict[str, Job] = {
    "apply_understood": Job(_apply_understood),
    "live_retention": Job(_forget_live, timedelta(hours=1)),
    "snapshots": Job(_make_snapshots, timedelta(minutes=1)),
}


def schedule(
    kind: str, due_at: datetime, key: str = "", details: dict[str, object] | None = None
) -> None:
    """Have a job of ``kind`` done at ``due_at``, in the caller's transaction. ``key`` (the kind unless given)
    makes it one: asked for again, the earlier time counts."""
    task, made = Task.objects.get_or_create(
        key=key or kind, defaults={"kind": kind, "due_at": due_at, "details": details or {}}
    )
    if not made and due_at < task.due_at:
        Task.objects.filter(key=task.key).update(due_at=due_at)


def schedule_standing(now: datetime) -> None:
    """The tasks that every server has, and what a newer version may have to catch up on."""
    for kind, job in JOBS.items():
        if job.every is not None:
            Task.objects.get_or_create(key=kind, defaults={"kind": kind, "due_at": now})
    schedule("apply_understood", now)


def run_due(now: datetime) -> bool:
    """Do the task that has been due longest; False when none is."""
    with connection.cursor() as cursor:
        task = _first_due(cursor, now)
    if task is None:
        return False
    job = JOBS[task.kind]
    try:
        more = job.run(now, task.details)
    except (DomainError, ValueError, LookupError, ArithmeticError, TypeError, OSError) as error:
        # The database's own trouble is none of the task's: it leaves through here.
        log.exception("the task %s failed", task.key)
        _try_again(task, now, str(error))
        return True
    _done(task, job, now, more)
    return True


def _first_due(cursor: Cursor, now: datetime) -> Task | None:
    """Asked four times a second, so in plain SQL: composing the query takes the ORM longer than its answer."""
    db = engine()
    cursor.execute(
        f"""SELECT key, kind, due_at, details, tries FROM worker_task
        WHERE due_at <= %s AND {db.among("kind")} ORDER BY due_at, key LIMIT 1""",
        (db.moment(now), db.many(JOBS)),
    )
    row = cursor.fetchone()
    if row is None:
        return None
    key, kind, at, details, tries = row
    due_at = when(at)
    assert due_at is not None
    return Task(key=key, kind=kind, due_at=due_at, details=json.loads(details), tries=tries)


def _known() -> Iterable[str]:
    return list(JOBS)


def _done(task: Task, job: Job, now: datetime, more: bool) -> None:
    row = Task.objects.filter(key=task.key, due_at=task.due_at)
    if more:
        row.update(tries=0, error="")
    elif job.every is not None:
        row.update(due_at=now + job.every, tries=0, error="")
    else:
        row.delete()


def _try_again(task: Task, now: datetime, error: str) -> None:
    pause = min(_AGAIN * 2 ** min(task.tries, 10), _MOST_AGAIN)
    row = Task.objects.filter(key=task.key, due_at=task.due_at)
    row.update(due_at=now + pause, tries=task.tries + 1, error=error[:300])


def next_due() -> datetime | None:
    """When the next task is due."""
    first = Task.objects.filter(kind__in=_known()).order_by("due_at").first()
    return first.due_at if first else None


__all__ = ["JOBS", "Job", "next_due", "run_due", "schedule", "schedule_standing"]
