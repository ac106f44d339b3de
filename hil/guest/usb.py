"""USB within the guest: what the system tells of the serial ports that are plugged in, and how a link to one ends.

All of it is called within the guest.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.discovery_usb import system_ports
from firmware_bridges.base import Link, LinkLost
from firmware_bridges.links import open_link
from hil.guest.inside import run, write

MODULES: Final = ("xhci_pci", "usbserial", "ftdi_sio", "cdc_acm", "libcomposite", "usb_f_acm", "dummy_hcd")
BY_ID: Final = "/dev/serial/by-id/usb-QEMU_QEMU_USB_SERIAL_{serial}-if00-port0"
"""Where systemd's udev shows the adapter of this serial number (60-serial.rules)."""
BY_PATH: Final = "/dev/serial/by-path/"
"""Where it shows every port by its way through the hubs."""
_GADGET: Final = Path("/sys/kernel/config/usb_gadget/board")
_NAMES: Final = Path("/dev/serial")
_held: dict[str, Link] = {}
"""Between two calls."""


@dataclass(frozen=True, slots=True)
class Port:
    """A serial port on USB, as pyserial lists it.

    `location` is its path through the hubs; `names` are udev's for it.
    """

    device: str
    ids: str
    serial: str | None
    location: str
    names: tuple[str, ...]


def begin() -> None:
    """The system's own part: names below /dev/serial."""
    Path("/run/udev").mkdir(exist_ok=True)
    run("/lib/systemd/systemd-udevd", "--daemon")


def ports() -> tuple[Port, ...]:
    """Sorted by device."""
    names: dict[str, list[str]] = {}
    for link in sorted(_NAMES.glob("*/*")):
        names.setdefault(str(link.resolve()), []).append(str(link))
    found = (
        Port(
            device=port.device,
            ids=f"{port.vid:04x}:{port.pid:04x}",
            serial=port.serial_number,
            location=port.location or "",
            names=tuple(names.get(port.device, ())),
        )
        for port in system_ports()
        if port.vid is not None
    )
    return tuple(sorted(found, key=lambda port: port.device))


def hold(endpoint: str) -> None:
    """Open a port as the bridges do. Raises LinkLost."""
    _held[endpoint] = open_link(endpoint)


def until_lost(endpoint: str, longest_s: float) -> str:
    """Read from a port that is held, until its link is lost; how that is told. Raises TimeoutError if it stays."""
    link = _held.pop(endpoint)
    deadline = time.monotonic() + longest_s
    try:
        while time.monotonic() < deadline:
            link.read(0.2)
    except LinkLost as error:
        return str(error)
    finally:
        link.close()
    raise TimeoutError(f"{endpoint} was not lost in {longest_s:g} s")


def board_without_serial_number(bus: int) -> None:
    """Plug a board that has no serial number into a bus of the kernel's own simulated USB (dummy_hcd).

    To the system it is an Arduino Uno (CDC ACM). What was plugged so before is unplugged.
    """
    if not _GADGET.exists():
        if not _GADGET.parent.exists():
            run("mount", "-t", "configfs", "config", "/sys/kernel/config")
        (_GADGET / "configs/c.1").mkdir(parents=True)
        (_GADGET / "functions/acm.0").mkdir(parents=True)
        write(_GADGET / "idVendor", b"0x2341")
        write(_GADGET / "idProduct", b"0x0043")
        (_GADGET / "configs/c.1/acm.0").symlink_to(_GADGET / "functions/acm.0")
    unplug_board()
    write(_GADGET / "UDC", f"dummy_udc.{bus}".encode())


def unplug_board() -> None:
    """Nothing if it is unplugged already."""
    if (_GADGET / "UDC").read_text().strip():
        write(_GADGET / "UDC", b"\n")
