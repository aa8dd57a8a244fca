"""Activation: Account ID and License Key make this device a register. Online only, safe to repeat."""

from stillopen.register.store.identity import Identity
from stillopen.register.till import Till


async def activate(
    till: Till,
    backoffice: str,
    account: str,
    license_key: str,
    insecure_http: bool = False,
) -> Identity:
    """Ask the Back Office at ``backoffice`` (base URL) to take this device's key for the license.

    Errors: ``bad_url``, ``tls_required``, ``offline``, ``already_activated`` (as another register),
    and what the Back Office says: ``license_in_use``, ``unknown_license``, ``revoked`` …
    """
    raise NotImplementedError
