"""Users of the Back Office, and tokens of the REST API."""

import secrets
from hashlib import sha256

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils import timezone

from stillopen.backoffice.accounts.access import BACK_OFFICE, require, require_own
from stillopen.backoffice.accounts.models import Account, ApiToken, Role, User
from stillopen.backoffice.catalogue.editing import storing
from stillopen.domain.errors import DomainError
from stillopen.domain.permission import Permission


def email_of(text: str) -> str:
    """As it is stored: without blanks, in small letters. Error: ``bad_email``."""
    email = text.strip().lower()
    try:
        validate_email(email)
    except ValidationError as error:
        raise DomainError("bad_email", f"“{text}” is not an e-mail address.") from error
    return email


def ensure_administrator(account: Account, email: str, password: str) -> User:
    """The administrator ``email``; one who is there already keeps the password.

    Errors: ``bad_email``, ``bad_password`` (none), ``email_taken`` (by another account).
    """
    email = email_of(email)
    if not password:
        raise DomainError("bad_password", "The password of the administrator is missing.")
    user = User.objects.filter(username=email).first()
    if user is None:
        return _create(account, email, password, _strongest_role(account))
    if user.account_id != account.id:
        raise DomainError("email_taken", f"{email} signs in to another account already.")
    return user


def _strongest_role(account: Account) -> Role | None:
    """The one that may most; it need not be called Administrator any more."""
    roles = Role.objects.filter(account=account)
    return max(roles, key=lambda role: len(role.permissions), default=None)


def create_user(account: Account, email: str, password: str, role: Role, user: User | None) -> User:
    """A new user of ``account``. Errors: ``not_permitted``, ``bad_email``, ``email_taken``, ``not_found``."""
    check_may_manage(user, role)
    email = email_of(email)
    if User.objects.filter(username=email).exists():
        raise DomainError("email_taken", f"{email} is in use already.")
    return _create(account, email, password, role)


def check_may_manage(user: User | None, role: Role | None) -> None:
    """Whether ``user`` may give ``role`` to somebody, or change a user who has it.

    Nobody hands out what they may not do themselves. Errors: ``not_permitted``, ``not_found``.
    """
    require(user, Permission.BO_PEOPLE)
    if role is None:
        return
    require_own(user, role)
    for permission in sorted(BACK_OFFICE & set(role.permissions)):
        require(user, Permission(permission))


def may_manage(user: User, role: Role | None) -> bool:
    try:
        check_may_manage(user, role)
    except DomainError:
        return False
    return True


def _create(account: Account, email: str, password: str, role: Role | None) -> User:
    user = User(account=account, username=email, email=email, role=role, is_staff=True)
    user.set_password(password)
    with storing(user):
        user.save()
    return user


def create_token(account: Account, name: str, user: User | None) -> tuple[ApiToken, str]:
    """A token for the REST API of the whole account, and its text, which is shown once.

    Errors: ``not_permitted``, ``bad_name``.
    """
    require(user, Permission.BO_SETTINGS)
    if not name.strip() or len(name.strip()) > 80:
        raise DomainError("bad_name", "The name of a token has 1 to 80 letters.")
    text = "so_" + secrets.token_urlsafe(32)
    digest = sha256(text.encode()).hexdigest()
    return ApiToken.objects.create(account=account, name=name.strip(), digest=digest), text


def revoke_token(token: ApiToken, user: User | None) -> None:
    """The token opens nothing from now on. Errors: ``not_permitted``, ``not_found``."""
    require(user, Permission.BO_SETTINGS)
    require_own(user, token)
    ApiToken.objects.filter(id=token.id, revoked_at=None).update(revoked_at=timezone.now())
