import uuid
from pathlib import Path

import pytest

from stillopen.backoffice.devices.models import Epoch
from tests.backoffice.backups.test_import_journal import bring_in, write
from tests.backoffice.ingest.till import Till, make_account, make_store, make_till


@pytest.fixture
def till(backoffice) -> Till:  # type: ignore[no-untyped-def]
    return make_till(make_store(make_account()))


def test_import_keeps_label(till: Till, tmp_path: Path) -> None:
    till.open_shift()
    till.sell(100)
    till.send()
    later = Till(till.register, key=till.key, epoch=uuid.uuid4().hex, nonce=till.nonce)
    later.open_shift()
    a = later.send()
    assert a.label == "b"
    before = Epoch.objects.get(epoch=later.epoch).label
    bring_in(write(tmp_path / "d", (till.epoch, till.entries), (later.epoch, later.entries)))
    assert (before, Epoch.objects.get(epoch=later.epoch).label) == ("b", "b")
    a = later.send([], acked_seq=1, acked_hash=later.head, label="b")
    assert a.label is None
