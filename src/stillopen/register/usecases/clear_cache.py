"""Clear cache: the catalogue is fetched anew. A sale is out of its reach: the journal is another file."""

from stillopen.register.session import Session
from stillopen.register.till import Till


async def clear_cache(till: Till, session: Session) -> int:
    """Fetch everything anew; the old catalogue serves until the new one is complete. Rows received.

    Errors: ``not_synced`` unless the indicator is green, ``not_permitted``, ``offline``.
    """
    raise NotImplementedError
