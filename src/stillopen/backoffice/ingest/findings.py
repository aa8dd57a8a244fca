"""From a finding to the row of an exception that a person should look at."""

import uuid
from datetime import datetime

import msgspec

from stillopen.backoffice.ingest.fact import Finding, Place
from stillopen.backoffice.ingest.limits import plain
from stillopen.backoffice.ingest.tables import Row

_NAMESPACE = uuid.UUID("5d0c1f0a-6d0e-4a57-9f2e-7b1f2f2f6a11")


def exception_row(
    place: Place, entry_id: str, finding: Finding, now: datetime, where: dict[str, object]
) -> Row:
    """``where`` says what the finding is about. The row's id follows from it, so that it is filed once."""
    source = place.source
    key = finding.key or ":".join([*map(str, where.values()), finding.code])
    name = uuid.uuid5(_NAMESPACE, f"{source.account}:{source.register}:{key}")
    details = {**where, **finding.details}
    return (
        place.account, place.db.uid(str(name)), place.register, entry_id, finding.code,
        finding.message, msgspec.json.encode(plain(details)).decode(),
        place.db.moment(now), None,
    )  # fmt: skip
