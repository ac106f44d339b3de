"""What the demo's agents see beside their devices, and what of it was set aside already. Pure; all is invented."""

from dataclasses import dataclass

from contract.found import Clue, ClueKind
from controller.simulation import SimulatedThing


@dataclass(frozen=True, slots=True)
class DemoFind:
    """A thing that the agent of a room sees. `ignored` is why the technician set it aside; empty: it waits."""

    school: str
    room: str
    thing: SimulatedThing
    ignored: str = ""


FINDS = (
    DemoFind(
        "thcs-doi-gio",
        "fablab",
        SimulatedThing(
            "usb/2c99:0002/CZPXDEMO0042",
            "Original Prusa i3 MK3S+",
            "CZPXDEMO0042",
            (
                Clue(ClueKind.USB, "2c99:0002"),
                Clue(ClueKind.SERIAL, "CZPXDEMO0042"),
                Clue(ClueKind.PORT, "1-1.2"),
                Clue(ClueKind.PROBE, "FIRMWARE_NAME:Prusa-Firmware 3.13.2"),
            ),
            path="/dev/serial/by-id/usb-Prusa_Research_Original_Prusa_i3_MK3_CZPXDEMO0042-if00",
        ),
    ),
    DemoFind(
        "thcs-doi-gio",
        "fablab",
        SimulatedThing(
            "usb/1a86:7523/1-1.3",
            "",
            "1-1.3",
            (
                Clue(ClueKind.USB, "1a86:7523"),
                Clue(ClueKind.PORT, "1-1.3"),
                Clue(ClueKind.PROBE, "FIRMWARE_NAME:Marlin 2.1.2"),
            ),
            path="/dev/serial/by-path/platform-demo-usb-0:1.3:1.0-port0",
        ),
    ),
    DemoFind(
        "thcs-doi-gio",
        "p201-stem",
        SimulatedThing(
            "usb/0483:5740/1-1.4",
            "STM32 Virtual ComPort",
            "1-1.4",
            (Clue(ClueKind.USB, "0483:5740"), Clue(ClueKind.PORT, "1-1.4")),
            path="/dev/serial/by-path/platform-demo-usb-0:1.4:1.0",
        ),
        ignored="Bo mạch học sinh tự làm",
    ),
    DemoFind(
        "thpt-ben-trang",
        "p210-tin-hoc",
        SimulatedThing(
            "net/10.20.3.41",
            "Máy chiếu P.210",
            "10.20.3.41",
            (
                Clue(ClueKind.PJLINK, "PJLINK EPSON / EPSON L200F"),
                Clue(ClueKind.HOST, "10.20.3.41"),
                Clue(ClueKind.PJLINK_CLASS, "2"),
            ),
            host="10.20.3.41",
        ),
    ),
)
