"""``device.json`` (0600): the device's Ed25519 key, the pepper of the PINs, the machine's fingerprint."""

from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class Device(msgspec.Struct, kw_only=True):
    """``private_key`` 32 raw bytes; ``pepper`` is empty until the register is activated."""

    private_key: bytes
    fingerprint: str  # of the machine this file was made on
    name: str  # host name, for people
    pepper: bytes = b""

    @property
    def key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.private_key)

    @property
    def public_key(self) -> bytes:
        """32 bytes."""
        return self.key.public_key().public_bytes_raw()


def load_device(data_dir: Path) -> Device:
    """Read ``device.json``, making it with a new key where there is none."""
    raise NotImplementedError


def save_device(data_dir: Path, device: Device) -> None:
    """Atomic and durable: written beside, flushed, renamed, the folder flushed."""
    raise NotImplementedError
