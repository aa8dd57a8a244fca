"""The hash of an entry is that of its bytes, however they are taken."""

from hashlib import sha256

import pytest

from stillopen.sync.chain import GENESIS, seal


@pytest.mark.parametrize("size", [0, 1, 1999, 2000, 2001, 2048, 3999, 4000, 4001, 300_001])
def test_an_entry_is_sealed_in_whole(size: int) -> None:
    body = bytes(n % 251 for n in range(size))
    previous = sha256(b"before").digest()
    assert seal(previous, body) == sha256(previous + body).digest()
    assert seal(GENESIS, body) == sha256(bytes(32) + body).digest()
