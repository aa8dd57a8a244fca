"""A market on SQLite, somebody signed in to it, and its pages in a browser."""

import os
import threading
from collections.abc import Iterator
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from django.contrib.messages import get_messages
from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.http import HttpResponse
from django.test import Client

from stillopen.backoffice.accounts.models import Role, User
from stillopen.backoffice.accounts.users import create_user
from tests.backoffice.web.copies import made_on_sqlite, sqlite_market
from tests.backoffice.web.market import PASSWORD, Market

__all__ = ["made_on_sqlite", "sqlite_market"]

# Playwright keeps an event loop in this thread, which Django takes for a mistake of ours.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"


@pytest.fixture
def market(sqlite_market: Market) -> Market:
    return sqlite_market


class Visitor:
    """A browser without a screen: what it gets, and the toasts that come with it."""

    def __init__(self, user: User | None = None) -> None:
        self.client = Client()
        if user is not None:
            self.client.force_login(user)

    def get(self, path: str, status: int = 200, **query: str) -> str:
        response = self.client.get(path, query)
        assert response.status_code == status, (response.status_code, response.content.decode())
        return response.content.decode()

    def post(self, path: str, status: int = 200, **fields: str | list[str]) -> str:
        """Send a form; a redirect is followed."""
        response = self.client.post(path, fields, follow=True)
        assert response.status_code == status, (response.status_code, response.content.decode())
        return response.content.decode()

    def htmx(self, path: str, **fields: str) -> HttpResponse:
        return self.client.post(path, fields, headers={"HX-Request": "true"})  # type: ignore[return-value]


def toasts(response: HttpResponse) -> list[str]:
    return [str(m) for m in get_messages(response.wsgi_request)]  # type: ignore[attr-defined]


@pytest.fixture
def owner(market: Market) -> Visitor:
    return Visitor(market.user)


def make_user(market: Market, role: str, email: str) -> User:
    found = Role.objects.get(account=market.account, name=role)
    return create_user(market.account, email, PASSWORD, found, None)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False


class _Handler(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Not on the screen of the tests."""


def _application(environ: dict[str, object], start_response: object) -> object:
    """Django; each thread lets its connection go, or the next test's database could not come."""
    try:
        return _django(environ, start_response)  # type: ignore[arg-type]
    finally:
        connections.close_all()


_django = get_wsgi_application()


@pytest.fixture
def site(market: Market) -> Iterator[str]:
    """The address of the pages, served from this process."""
    server = make_server("127.0.0.1", 0, _application, _Server, _Handler)  # type: ignore[arg-type]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()
