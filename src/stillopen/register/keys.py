"""``device.json`` (0600): the device's Ed25519 key, the pepper of the PINs, the machine's fingerprint."""

import os
import platform
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stillopen.domain.errors import DomainError
from stillopen.sync.pin import ARGON2_LANES, ARGON2_MEMORY_KIB, ARGON2_TIME, pin_digest

FILE = "device.json"

_hasher = PasswordHasher(
    time_cost=ARGON2_TIME, memory_cost=ARGON2_MEMORY_KIB, parallelism=ARGON2_LANES
)


class Device(msgspec.Struct, kw_only=True, frozen=True):
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


#: Where a system keeps the name of its installation, which a copied disk image does not share once it
#: has started on the next machine.
_MACHINE_IDS = ("/etc/machine-id", "/var/lib/dbus/machine-id")


def machine_fingerprint() -> str:
    """The same on one machine, another on the next: 32 hex digits; empty where the system has no name
    (a network address would do for it only until the network card is changed)."""
    for path in _MACHINE_IDS:
        with suppress(OSError):
            name = Path(path).read_text().strip()
            if name:
                return sha256(name.encode()).hexdigest()[:32]
    return ""


def new_device() -> Device:
    """A key of its own for this machine, not yet on disk."""
    return Device(
        private_key=Ed25519PrivateKey.generate().private_bytes_raw(),
        fingerprint=machine_fingerprint(),
        name=platform.node(),
    )


def load_device(data_dir: Path) -> Device:
    """Read ``device.json``, making it with a new key where there is none; ``bad_device_file``."""
    path = data_dir / FILE
    if not path.exists():
        device = new_device()
        save_device(data_dir, device)
        return device
    try:
        return msgspec.json.decode(path.read_bytes(), type=Device)
    except msgspec.DecodeError:
        raise DomainError("bad_device_file", f"{path} cannot be read.") from None


def save_device(data_dir: Path, device: Device) -> None:
    """Atomic and durable: written beside, flushed, renamed, the folder flushed."""
    path = data_dir / FILE
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.encode(device))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(data_dir, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def pin_matches(pin_hash: str, pepper: bytes, pin: str) -> bool:
    """Whether ``pin`` is the one behind ``pin_hash`` (argon2). Takes some 20 ms on purpose."""
    try:
        return _hasher.verify(pin_hash, pin_digest(pepper, pin))
    except (VerificationError, InvalidHashError):
        return False
