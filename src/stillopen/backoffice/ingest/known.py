"""Devices that have proven themselves to this process: their next request is checked without asking the database.

No more than a hint. Nothing is concluded from it before the register's row has been read again under its
lock, or written on the condition that it is so still; where it is not (another device, another store) the
exchange begins anew without it.
"""

from stillopen.backoffice.ingest.store import Device

#: About a kilobyte each.
_MOST = 20_000
_devices: dict[str, Device] = {}


def recall(register: str) -> Device | None:
    """The device of ``register`` (a canonical UUID, or anything else that somebody says) as it was."""
    return _devices.get(register)


def remember(device: Device) -> None:
    """One that was replaced is not remembered: it has little to say."""
    if device.former:
        return
    if len(_devices) >= _MOST:
        _devices.clear()
    _devices[device.source.register] = device


def forget(register: str) -> None:
    _devices.pop(register, None)


def exchange_memory(devices: dict[str, Device]) -> dict[str, Device]:
    """Remember ``devices`` and nothing else, as another process does; returns what was remembered."""
    global _devices
    before, _devices = _devices, devices
    return before


def forget_all() -> None:
    """As when the process has just started."""
    _devices.clear()
