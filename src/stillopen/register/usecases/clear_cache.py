"""Clear cache: the catalogue is fetched anew. A sale is out of its reach: the journal is another file."""

from stillopen.domain.errors import DomainError
from stillopen.domain.permission import Permission
from stillopen.register.session import Session
from stillopen.register.till import Till
from stillopen.register.usecases.status import status


async def clear_cache(till: Till, session: Session) -> int:
    """Fetch everything anew; the old catalogue serves until the new one is complete. Rows received.

    Errors: ``not_synced`` unless the indicator is green, ``not_permitted``, ``offline``.
    """
    now = status(till)
    if now.indicator != "green":
        raise DomainError(
            "not_synced",
            "The cache can only be cleared while the register is connected. " + now.sentence + ".",
            state=now.state,
        )
    session.require(Permission.CLEAR_CACHE)
    result = await till.sync_now(snapshot=True)
    return result.received
