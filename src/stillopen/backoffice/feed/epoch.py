"""Which history of the server this is: registers compare it to notice a restored database.

The row follows what is kept outside of the database (backups/starts.py), which raises it when the
database is found to be an older copy.
"""

import secrets

from stillopen.backoffice.feed.models import ServerEpoch


def server_epoch() -> str:
    """32 hex digits; made with the first account and the same until the database goes back in time."""
    row, _ = ServerEpoch.objects.get_or_create(id=1, defaults={"epoch": secrets.token_hex(16)})
    return row.epoch


def set_server_epoch(epoch: str) -> None:
    """Another history begins."""
    ServerEpoch.objects.update_or_create(id=1, defaults={"epoch": epoch})
