"""Device proof: an Ed25519 signature over a purpose, the last nonce, and the message.

Sent in the header ``Stillopen-Proof`` as ``<register id>:<hex signature>``; the request body of an
exchange names its nonce itself; for the poke stream, and for a snapshot file (whose hash is what is
signed), it is the header's third part.
"""

from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

HEADER = "Stillopen-Proof"
EXCHANGE = b"stillopen exchange v1"
POKE = b"stillopen poke v1"
SNAPSHOT = b"stillopen snapshot v1"
DEACTIVATE = b"stillopen deactivate v1"


def _subject(purpose: bytes, nonce: bytes, body: bytes) -> bytes:
    return purpose + b"\0" + sha256(nonce).digest() + sha256(body).digest()


def sign(key: Ed25519PrivateKey, purpose: bytes, nonce: bytes, body: bytes) -> bytes:
    """64 bytes."""
    return key.sign(_subject(purpose, nonce, body))


def verify(public_key: bytes, signature: bytes, purpose: bytes, nonce: bytes, body: bytes) -> bool:
    """Whether ``signature`` was made by the holder of ``public_key`` (32 bytes) for exactly this."""
    try:
        key = Ed25519PublicKey.from_public_bytes(public_key)
        key.verify(signature, _subject(purpose, nonce, body))
    except (InvalidSignature, ValueError):
        return False
    return True
