import pytest

from stillopen.sync.codec import BadMessage, unpack
from stillopen.sync.messages import ExchangeAnswer, ExchangeRequest


@pytest.mark.parametrize("kind", [ExchangeRequest, ExchangeAnswer])
def test_garbage_that_is_nested_deeply_is_no_message(kind: type) -> None:
    with pytest.raises(BadMessage):
        unpack(b"\x81\xa1x" + b"\x91" * 100_000 + b"\xc0", kind)
