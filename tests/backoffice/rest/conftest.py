"""A market, and clients of its REST API, on both databases."""

import json
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from tests.backoffice.web.copies import (
    made_on_postgres,
    made_on_sqlite,
    postgres_market,
    sqlite_market,
)
from tests.backoffice.web.market import Market, make_market

__all__ = ["made_on_postgres", "made_on_sqlite", "postgres_market", "sqlite_market"]


class Api:
    """A client of the REST API with one token."""

    def __init__(self, token: str = "") -> None:
        self._client = Client(headers={"Authorization": f"Bearer {token}"} if token else {})

    def get(self, path: str, **query: object) -> HttpResponse:
        return self._client.get(f"/api/v1{path}", query)  # type: ignore[return-value]

    def send(self, method: str, path: str, body: object = None) -> HttpResponse:
        data = body if isinstance(body, str) else json.dumps(body)
        return self._client.generic(method, f"/api/v1{path}", data, "application/json")  # type: ignore[return-value]

    def post(self, path: str, body: object = None) -> HttpResponse:
        return self.send("POST", path, body)

    def patch(self, path: str, body: object) -> HttpResponse:
        return self.send("PATCH", path, body)

    def rows(self, path: str, **query: object) -> list[dict[str, Any]]:
        """All rows of a list, page after page."""
        rows: list[dict[str, Any]] = []
        while True:
            answer = read(self.get(path, **query))
            rows += answer["results"]
            if answer["next"] is None:
                return rows
            query["cursor"] = answer["next"]


def read(response: HttpResponse, status: int = 200) -> Any:
    """The body of an answer that must have ``status``."""
    assert response.status_code == status, response.content.decode()
    return json.loads(response.content)


def refused(response: HttpResponse, status: int, code: str) -> dict[str, Any]:
    """The details of an error, which has the shape of all of them."""
    body = read(response, status)
    assert set(body) == {"code", "message", "details"}
    assert body["code"] == code
    assert body["message"].endswith((".", "!", "?")) and isinstance(body["details"], dict)
    details: dict[str, Any] = body["details"]
    return details


@pytest.fixture(params=["sqlite", "postgresql"])
def market(request: pytest.FixtureRequest) -> Market:
    """The same test on both databases."""
    which = "sqlite_market" if request.param == "sqlite" else "postgres_market"
    found: Market = request.getfixturevalue(which)
    return found


@pytest.fixture
def api(market: Market) -> Api:
    return Api(market.token)


@pytest.fixture
def stranger(market: Market) -> Api:
    """The token of another account in the same database."""
    return Api(make_market("other@else.example", "Elsewhere").token)
