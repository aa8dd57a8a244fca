"""Which history of the server this is: registers compare it to notice a restored database."""

import secrets

from stillopen.backoffice.feed.models import ServerEpoch


def server_epoch() -> str:
    """32 hex digits; made with the first account and the same ever since."""
    row, _ = ServerEpoch.objects.get_or_create(id=1, defaults={"epoch": secrets.token_hex(16)})
    return row.epoch
