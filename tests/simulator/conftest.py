"""One simulator per module of tests: the shop that its runs begin with is made once."""

import logging
from collections.abc import Iterator

import pytest

import tests.support.backoffice  # noqa: F401  (starts Django)
from stillopen.simulator.runner import Simulator


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    logging.getLogger("stillopen").setLevel(logging.CRITICAL)
    made = Simulator()
    yield made
    made.close()
    logging.getLogger("stillopen").setLevel(logging.NOTSET)
