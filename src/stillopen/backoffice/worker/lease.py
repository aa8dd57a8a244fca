"""One leader among several server processes: a row of the database names it, and until when."""

import os
import secrets
import socket
from datetime import datetime, timedelta

from stillopen.backoffice.ingest.sql import engine, when
from stillopen.backoffice.ingest.tables import Table

_TABLE = Table("worker_lease", ("name", "holder", "until"), 'ON CONFLICT ("name") DO NOTHING')


def holder_here() -> str:
    """A name for this process that no other has."""
    return f"{_host()}:{os.getpid()}:{secrets.token_hex(4)}"


def _host() -> str:
    return socket.gethostname().replace(":", "")[:20]


def _is_gone(holder: str) -> bool:
    """Whether it was a process of this machine that runs no more: killed, it could not give the lead up."""
    host, _, rest = holder.partition(":")
    pid = rest.partition(":")[0]
    if host != _host() or not pid.isdigit():
        return False
    if int(pid) == os.getpid():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def take(name: str, holder: str, now: datetime, length: timedelta) -> bool:
    """Whether ``holder`` leads until ``now`` + ``length``: it does already, nobody does, or whoever did is gone
    or has not said so for too long."""
    db = engine()
    until = db.moment(now + length)
    with db.transaction() as cursor:
        db.insert(cursor, _TABLE, [(name, holder, until)])
        cursor.execute(
            f"SELECT holder, until FROM worker_lease l WHERE name = %s {db.lock('l')}", (name,)
        )
        present, ends = cursor.fetchone()
        if present != holder and (when(ends) or now) > now and not _is_gone(present):
            return False
        cursor.execute(
            "UPDATE worker_lease SET holder = %s, until = %s WHERE name = %s",
            (holder, until, name),
        )
    return True


def give_up(name: str, holder: str) -> None:
    """Let another process lead at once."""
    with engine().transaction() as cursor:
        cursor.execute("DELETE FROM worker_lease WHERE name = %s AND holder = %s", (name, holder))
