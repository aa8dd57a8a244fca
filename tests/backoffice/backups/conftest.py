"""One shop with one till, on both databases."""

import pytest

from tests.backoffice.ingest.till import Till, make_account, make_store, make_till
from tests.support.backoffice import Database


@pytest.fixture
def till(backoffice: Database) -> Till:
    return make_till(make_store(make_account()))
