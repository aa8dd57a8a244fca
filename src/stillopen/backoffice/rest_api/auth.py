"""Bearer tokens. A token belongs to an account and sees all of its stores; only its SHA-256 is kept."""

from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from typing import cast

from django.db import DatabaseError, transaction
from django.http import HttpRequest
from django.utils import timezone
from ninja.security import HttpBearer

from stillopen.backoffice.accounts.models import ApiToken
from stillopen.backoffice.reports.scope import Scope, whole_account
from stillopen.domain.errors import DomainError

#: ``last_used_at`` is for people; it need not be written at every call.
_NOTE_USE_EVERY = timedelta(minutes=1)


class Bearer(HttpBearer):
    openapi_name = "Token"

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken:
        """The token's row; ``DomainError bad_token`` when it is unknown or revoked."""
        digest = sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
        found = ApiToken.objects.filter(digest=digest, revoked_at=None).select_related("account")
        row = found.first()
        if row is None:
            raise DomainError("bad_token", "This token is not known here, or it was revoked.")
        _note_use(row)
        return row


def _note_use(token: ApiToken) -> None:
    now = timezone.now()
    if token.last_used_at is None or now - token.last_used_at > _NOTE_USE_EVERY:
        # A full disk must not keep anybody from reading what is there.
        with suppress(DatabaseError), transaction.atomic():
            ApiToken.objects.filter(id=token.id).update(last_used_at=now)


def token_of(request: HttpRequest) -> ApiToken:
    return cast(ApiToken, request.auth)  # type: ignore[attr-defined]


def scope_of(request: HttpRequest) -> Scope:
    return whole_account(token_of(request).account)
