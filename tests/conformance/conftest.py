"""The Back Office on both databases."""

from tests.support.backoffice import (
    backoffice,
    postgres_backoffice,
    postgres_template,
    sqlite_backoffice,
    sqlite_template,
)

__all__ = [
    "backoffice",
    "postgres_backoffice",
    "postgres_template",
    "sqlite_backoffice",
    "sqlite_template",
]
