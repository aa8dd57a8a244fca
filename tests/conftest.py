"""Options and fixtures that every folder of tests may use."""

import pytest

from tests.support.browser import browser, page
from tests.support.postgres import postgres, postgres_module_url, postgres_url

__all__ = ["browser", "page", "postgres", "postgres_module_url", "postgres_url"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kills", type=int, default=200, help="how many processes the soak test kills"
    )
