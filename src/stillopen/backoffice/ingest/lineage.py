"""Exceptions about journals and servers that went back in time: each is filed once, for a person to know."""

from collections.abc import Iterator
from datetime import datetime

from stillopen.backoffice.ingest.fact import Finding, Place
from stillopen.backoffice.ingest.findings import exception_row
from stillopen.backoffice.ingest.sql import Cursor
from stillopen.backoffice.ingest.tables import EXCEPTION
from stillopen.sync.messages import ExchangeRequest
from stillopen.sync.server_side import Verdict


def file_lineage(
    cursor: Cursor, place: Place, request: ExchangeRequest, verdict: Verdict, now: datetime
) -> None:
    """File what ``verdict`` found out about the history of the register, if anything."""
    rows = [
        exception_row(place, "", finding, now, {"epoch": request.epoch})
        for finding in _findings(request, verdict)
    ]
    place.db.insert(cursor, EXCEPTION, rows)


def _findings(request: ExchangeRequest, verdict: Verdict) -> Iterator[Finding]:
    branch, epoch = verdict.branch, request.epoch
    if verdict.opens and branch is not None:
        yield Finding(
            "journal_forked",
            "Two histories arrived under the same numbers: the disk of this register was restored or "
            f"copied. Both are kept; the second begins behind entry {branch.base}.",
            {"branch": branch.name, "parent": branch.parent, "base": branch.base},
            key=f"journal_forked:{branch.name}",
        )
    if verdict.restored:
        yield Finding(
            "disk_restored",
            f"This register came back with an older disk, at entry {request.head_seq}. What it had sold "
            "since is here; it goes on under new numbers.",
            {"head": request.head_seq},
            key=f"disk_restored:{epoch}:{request.head_seq}",
        )
    if verdict.went_back:
        yield Finding(
            "server_went_back",
            f"This register had sent up to entry {request.acked_seq}; the Back Office holds it only up "
            f"to {verdict.ack.seq}, so its database was restored. The register sends the rest again.",
            {"acked": request.acked_seq, "held": verdict.ack.seq},
            key=f"server_went_back:{epoch}:{verdict.ack.seq}:{request.acked_seq}",
        )
    if verdict.strange:
        yield Finding(
            "another_machine",
            "This register runs on another machine than the one that was activated. Its sales are "
            "taken; prices and people reach it again when that machine is activated.",
            {"machine": request.machine[:40]},
            key=f"another_machine:{request.machine[:40]}",
        )
    for gap in verdict.gaps:
        yield Finding(
            "entries_missing",
            f"Entries {gap.first} to {gap.last} of this register are gone for good: neither the "
            "register nor the Back Office has them. Compare its Z reports with what arrived.",
            {"first": gap.first, "last": gap.last, "critical": True},
            key=f"entries_missing:{epoch}:{gap.first}:{gap.last}",
        )
