"""Making the snapshot files that somebody would wait for, before anybody asks."""

import logging
import sqlite3

from stillopen.backoffice.feed import offers, snapshot_files
from stillopen.backoffice.feed.epoch import server_epoch
from stillopen.backoffice.feed.models import Head

log = logging.getLogger(__name__)


def make_ahead() -> None:
    """A file for every account that is worth one and has none that is new enough; one that cannot be made is
    tried when a register asks for it. Opens read-only transactions of its own."""
    epoch = server_epoch()
    heads = Head.objects.filter(scope=offers.SCOPE, seq__gt=offers.worth)
    for account_id, seq in heads.values_list("account_id", "seq"):
        account = str(account_id)
        if snapshot_files.ready(account, epoch, seq) or not offers.is_large(account):
            continue
        try:
            snapshot_files.make(account, epoch, seq)
        except (OSError, sqlite3.Error):
            log.exception("no snapshot of the account %s could be made ahead", account)
