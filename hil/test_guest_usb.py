"""Serial ports that are plugged and unplugged while the system runs: a real kernel, udev, and USB by QEMU."""

import time
from collections.abc import Callable, Sequence

import pytest

from hil.guest import usb
from hil.guest.machine import Guest
from hil.guest.usb import BY_ID, Port

pytestmark = [pytest.mark.hil, pytest.mark.sim_only, pytest.mark.xdist_group("guest")]

SEEN_S = 3.0
"""Within this a technician is to see what was plugged and unplugged."""
LONGEST_S = 30.0
"""On a computer that is busy with other tests."""
OURS, OTHER = "HIL0001", "HIL0002"
FTDI, ARDUINO = "0403:6001", "2341:0043"


@pytest.fixture(scope="module")
def usb_guest(guest: Guest) -> Guest:
    guest.load(*usb.MODULES, num="2")
    guest.ask(usb.begin)
    return guest


def seen_after(guest: Guest, wanted: Callable[[Sequence[Port]], bool]) -> float:
    """Seconds until the system lists ports as wanted."""
    began = time.monotonic()
    while not wanted(guest.ask(usb.ports)):
        assert time.monotonic() < began + LONGEST_S, guest.ask(usb.ports)
    return time.monotonic() - began


def port(guest: Guest, serial: str | None) -> Port:
    return next(each for each in guest.ask(usb.ports) if each.serial == serial)


def named(serial: str) -> Callable[[Sequence[Port]], bool]:
    """Whether the adapter of this serial number is there, also by its name."""
    name = BY_ID.format(serial=serial)
    return lambda ports: any(each.serial == serial and name in each.names for each in ports)


def gone(serial: str) -> Callable[[Sequence[Port]], bool]:
    return lambda ports: all(each.serial != serial for each in ports)


def test_adapter_is_seen_when_it_is_plugged_and_its_link_is_lost_when_it_is_unplugged(usb_guest: Guest) -> None:
    """Of three times the quickest is held to the time: how long the others take is this computer's."""
    plugged, unplugged = [], []
    for _ in range(3):
        usb_guest.plug("ours", None, OURS, port=1)
        plugged.append(seen_after(usb_guest, named(OURS)))
        usb_guest.ask(usb.hold, BY_ID.format(serial=OURS))
        told = usb_guest.begin(usb.until_lost, BY_ID.format(serial=OURS), LONGEST_S)
        usb_guest.unplug("ours")
        began = time.monotonic()
        assert told().endswith("was unplugged")
        seen_after(usb_guest, gone(OURS))
        unplugged.append(time.monotonic() - began)
    assert min(plugged) < SEEN_S
    assert min(unplugged) < SEEN_S


def test_adapter_is_known_by_its_serial_number_at_another_port_and_under_another_number(usb_guest: Guest) -> None:
    usb_guest.plug("ours", None, OURS, port=1)
    seen_after(usb_guest, named(OURS))
    first = port(usb_guest, OURS)
    usb_guest.unplug("ours")
    seen_after(usb_guest, gone(OURS))
    usb_guest.plug("other", None, OTHER, port=2)
    seen_after(usb_guest, named(OTHER))
    usb_guest.plug("ours", None, OURS, port=3)
    seen_after(usb_guest, named(OURS))
    back, other = port(usb_guest, OURS), port(usb_guest, OTHER)
    assert other.device == first.device, "its number was taken meanwhile"
    assert back.device != first.device
    assert back.location != first.location
    assert (back.ids, back.serial) == (first.ids, first.serial) == (FTDI, OURS)
    assert BY_ID.format(serial=OURS) in set(back.names) & set(first.names)
    for name in ("ours", "other"):
        usb_guest.unplug(name)
    seen_after(usb_guest, lambda ports: not ports)


def test_board_without_a_serial_number_is_known_by_where_it_is_plugged(usb_guest: Guest) -> None:
    found = []
    for bus in (0, 1, 0):
        usb_guest.ask(usb.board_without_serial_number, bus)
        seen_after(usb_guest, lambda ports: any(each.ids == ARDUINO and each.names for each in ports))
        (each,) = usb_guest.ask(usb.ports)
        found.append(each)
        usb_guest.ask(usb.unplug_board)
        seen_after(usb_guest, lambda ports: not ports)
    here, there, again = found
    assert [each.serial for each in found] == [None] * 3
    assert here.location == again.location != there.location
    paths = [[name for name in each.names if name.startswith(usb.BY_PATH)] for each in found]
    assert paths[0] == paths[2] != paths[1]
    assert all(paths)
