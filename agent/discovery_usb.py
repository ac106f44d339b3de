"""Serial ports on USB, and which is which: by serial number, else by the path of hubs it hangs at."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.discovery_match import Evidence, clue, tidy
from contract.found import Clue, ClueKind

if TYPE_CHECKING:
    from serial.tools.list_ports_common import ListPortInfo

STABLE: Final = (Path("/dev/serial/by-id"), Path("/dev/serial/by-path"))
"""Where udev keeps names that outlast a restart: by serial number, and by path."""
_TTYS: Final = Path("/sys/class/tty")
_USB_TTYS: Final = ("ttyUSB", "ttyACM")
_NO_SERIAL: Final = frozenset({"", "0", "1", "0001", "00000000", "0000000000000000", "123456", "12345678"})
"""What chips are delivered with: it tells none from another."""
_LOOKS: Final = 10
_PAUSE_S: Final = 0.02
"""Between two looks at a thing that is just being pulled out: the system takes some milliseconds to forget it."""


@dataclass(frozen=True, slots=True)
class UsbPort:
    """A serial port on USB, as the system tells of it.

    `usb` is `vid:pid`; `location` the path of hubs and, if the thing has several ports, which one: `1-1.3:1.0`.
    """

    device: str
    usb: str
    serial: str = ""
    location: str = ""
    maker: str = ""
    product: str = ""

    @property
    def place(self) -> str:
        """The path of hubs."""
        return self.location.partition(":")[0]

    @property
    def part(self) -> str:
        """Which port it is of a thing that has several."""
        return self.location.partition(":")[2]


def usb_ports() -> tuple[UsbPort, ...]:
    """Those that are there now. Where Linux has none, pyserial is not even loaded."""
    if _TTYS.is_dir() and not any(each.name.startswith(_USB_TTYS) for each in _TTYS.iterdir()):
        return ()
    return tuple(
        UsbPort(
            device=each.device,
            usb=f"{each.vid:04x}:{each.pid:04x}",
            serial=each.serial_number or "",
            location=each.location or "",
            maker=each.manufacturer or "",
            product=each.product or "",
        )
        for each in system_ports()
        if each.vid is not None and each.pid is not None
    )


def system_ports() -> "Sequence[ListPortInfo]":
    """As pyserial lists them, of any kind."""
    from serial.tools.list_ports import comports

    for _ in range(_LOOKS):
        with suppress(TypeError):  # what it comes to where a thing is pulled out while it is asked who it is
            return list(comports())
        time.sleep(_PAUSE_S)
    return list(comports())


def identities(ports: Sequence[UsbPort]) -> dict[UsbPort, str]:
    """The identity of each: its serial number if that is its own, else its path, else the port's name."""
    worn = Counter((each.usb, each.serial, each.part) for each in ports)
    return {
        each: each.serial
        if each.serial not in _NO_SERIAL and worn[each.usb, each.serial, each.part] == 1
        else each.place or each.device
        for each in ports
    }


def evidence_of(port: UsbPort, identity: str, heard: Iterable[Clue] = (), stable: Sequence[Path] = STABLE) -> Evidence:
    """`heard` is what was heard at the port."""
    known = [clue(ClueKind.USB, port.usb)]
    if identity == port.serial:
        known.append(clue(ClueKind.SERIAL, port.serial))
    if port.place:
        known.append(clue(ClueKind.PORT, port.place))
    return Evidence(
        key="/".join(filter(None, ("usb", port.usb, tidy(identity, 120), port.part))),
        name=tidy(port.product),
        identity=identity,
        clues=(*known, *heard),
        path=stable_path(port, by_id=identity == port.serial, folders=stable),
    )


def stable_path(port: UsbPort, *, by_id: bool, folders: Sequence[Path] = STABLE) -> str:
    """The name of the port that outlasts a restart, as far as the system keeps one."""
    by_serial, by_path = folders
    for folder in (by_serial, by_path) if by_id else (by_path,):
        try:
            links = sorted(folder.iterdir())
        except OSError:
            continue
        for link in links:
            if same_port(str(link), port.device):
                return str(link)
    return port.device


def same_port(one: str, other: str) -> bool:
    """Whether two names stand for one port."""
    return one == other or Path(one).resolve() == Path(other).resolve()
