"""License keys and Account IDs: short words that people type, in letters that are not mistaken."""

import secrets
from hashlib import sha256

from stillopen.backoffice.devices.models import Register
from stillopen.domain.errors import DomainError

#: No 0/O, 1/I/L, U/V.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTWXYZ"


def new_code(groups: int, size: int) -> str:
    """Random, ``groups`` of ``size`` letters joined by hyphens."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(size)) for _ in range(groups))


def normalized(code: str) -> str:
    """What was meant: small letters, blanks and hyphens make no difference."""
    return "".join(c for c in code.upper() if c.isalnum())


def license_digest(license_key: str) -> str:
    """SHA-256 in hex; only this is kept. The key has 97 random bits, so no slower hash is needed."""
    return sha256(normalized(license_key).encode()).hexdigest()


def new_license_key(register: Register) -> str:
    """Give ``register`` a new license key and return it; it is shown once, the former one is void.

    Error: ``register_active``: a device is using the register; revoke that first.
    """
    if register.state == Register.State.ACTIVE:
        raise DomainError(
            "register_active",
            f"{register} is in use on {register.device_name or 'a device'}: revoke it first.",
        )
    key = new_code(groups=4, size=5)
    register.license_digest = license_digest(key)
    register.state = Register.State.NEW
    register.save(update_fields=["license_digest", "state"])
    return key
