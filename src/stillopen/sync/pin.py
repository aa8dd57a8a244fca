"""The recipe of PINs that both programs share; argon2 itself is applied by each with argon2-cffi."""

import hmac
from hashlib import sha256

#: Parameters of argon2id for PINs: memory in KiB, passes, lanes. Four digits are weak whatever is done;
#: the pepper is what keeps a stolen catalogue from telling them.
ARGON2_MEMORY_KIB = 19456
ARGON2_TIME = 2
ARGON2_LANES = 1


def pin_digest(pepper: bytes, pin: str) -> str:
    """Hex HMAC-SHA256 of ``pin`` under the account's ``pepper``: what argon2 is given."""
    return hmac.new(pepper, pin.encode(), sha256).hexdigest()
