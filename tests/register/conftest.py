"""A till with its shop, and somebody signed in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stillopen.register.session import Session
from stillopen.register.till import Till
from tests.register.shop import make_till, signed_in


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    made = make_till(tmp_path / "till")
    yield made
    made.close()


@pytest.fixture
def session(till: Till) -> Session:
    """The administrator, the shift open with 100.00."""
    return signed_in(till)
