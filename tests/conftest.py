"""Options and fixtures that every folder of tests may use."""

import os
import tempfile

import pytest

from tests.support.backoffice import (
    backoffice,
    postgres_backoffice,
    postgres_template,
    sqlite_backoffice,
    sqlite_template,
)
from tests.support.browser import browser, page
from tests.support.kept import PLACE
from tests.support.postgres import postgres, postgres_module_url, postgres_url

__all__ = [
    "PLACE",
    "backoffice",
    "browser",
    "page",
    "postgres",
    "postgres_backoffice",
    "postgres_module_url",
    "postgres_template",
    "postgres_url",
    "sqlite_backoffice",
    "sqlite_template",
]


#: What a Back Office on PostgreSQL keeps outside of its database, of the programs that tests start.
os.environ.setdefault("STILLOPEN_STATE", tempfile.mkdtemp(prefix="stillopen-state-"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kills", type=int, default=200, help="how many processes the soak test kills"
    )
