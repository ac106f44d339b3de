"""Serial ports that are plugged and unplugged while the system runs: a real kernel, udev, and USB by QEMU."""

import time
from collections.abc import Callable, Sequence

import pytest

from hil.guest import agent_usb, usb
from hil.guest.machine import Guest
from hil.guest.usb import BY_ID, Port

pytestmark = [pytest.mark.hil, pytest.mark.sim_only, pytest.mark.xdist_group("guest")]

TOLD_S = 3.0
"""Within this the agent tells of what was plugged and unplugged, each time."""
LONGEST_S = 30.0
"""On a computer that is busy with other tests."""
OURS, OTHER = "HIL0001", "HIL0002"
FTDI, ARDUINO = "0403:6001", "2341:0043"


@pytest.fixture(scope="module")
def usb_guest(guest: Guest) -> Guest:
    guest.load(*usb.MODULES, num="2")
    guest.ask(usb.begin)
    return guest


def until_seen(guest: Guest, wanted: Callable[[Sequence[Port]], bool]) -> None:
    """Wait until the system lists ports as wanted."""
    deadline = time.monotonic() + LONGEST_S
    while not wanted(guest.ask(usb.ports)):
        assert time.monotonic() < deadline, guest.ask(usb.ports)


def port(guest: Guest, serial: str | None) -> Port:
    return next(each for each in guest.ask(usb.ports) if each.serial == serial)


def named(serial: str) -> Callable[[Sequence[Port]], bool]:
    """Whether the adapter of this serial number is there, also by its name."""
    name = BY_ID.format(serial=serial)
    return lambda ports: any(each.serial == serial and name in each.names for each in ports)


def gone(serial: str) -> Callable[[Sequence[Port]], bool]:
    return lambda ports: all(each.serial != serial for each in ports)


def test_agent_tells_of_every_plug_and_unplug_in_time(usb_guest: Guest) -> None:
    """The agent's own discovery in the guest, from QMP's device_add and device_del to the inventory that it sends."""
    usb_guest.ask(agent_usb.begin)
    usb_guest.plug("other", None, OTHER, port=2)
    usb_guest.ask(agent_usb.until_told, OTHER, LONGEST_S, there=True)  # by now it has read all profiles
    spans = []
    for there in (True, False) * 4:
        told = usb_guest.begin(agent_usb.until_told, OURS, LONGEST_S, there=there)
        began = time.monotonic()
        if there:
            usb_guest.plug("ours", None, OURS, port=1)
        else:
            usb_guest.unplug("ours")
        assert told() == ({OURS, OTHER} if there else {OTHER})
        spans.append(time.monotonic() - began)
    usb_guest.unplug("other")
    usb_guest.ask(agent_usb.until_told, OTHER, LONGEST_S, there=False)
    usb_guest.ask(agent_usb.end)
    print("plugged and unplugged, told after", [f"{span:.2f} s" for span in spans])
    assert max(spans) < TOLD_S


def test_adapter_is_seen_when_it_is_plugged_and_its_link_is_lost_when_it_is_unplugged(usb_guest: Guest) -> None:
    for _ in range(2):
        usb_guest.plug("ours", None, OURS, port=1)
        until_seen(usb_guest, named(OURS))
        usb_guest.ask(usb.hold, BY_ID.format(serial=OURS))
        told = usb_guest.begin(usb.until_lost, BY_ID.format(serial=OURS), LONGEST_S)
        usb_guest.unplug("ours")
        assert told().endswith("was unplugged")
        until_seen(usb_guest, gone(OURS))


def test_adapter_is_known_by_its_serial_number_at_another_port_and_under_another_number(usb_guest: Guest) -> None:
    usb_guest.plug("ours", None, OURS, port=1)
    until_seen(usb_guest, named(OURS))
    first = port(usb_guest, OURS)
    usb_guest.unplug("ours")
    until_seen(usb_guest, gone(OURS))
    usb_guest.plug("other", None, OTHER, port=2)
    until_seen(usb_guest, named(OTHER))
    usb_guest.plug("ours", None, OURS, port=3)
    until_seen(usb_guest, named(OURS))
    back, other = port(usb_guest, OURS), port(usb_guest, OTHER)
    assert other.device == first.device, "its number was taken meanwhile"
    assert back.device != first.device
    assert back.location != first.location
    assert (back.ids, back.serial) == (first.ids, first.serial) == (FTDI, OURS)
    assert BY_ID.format(serial=OURS) in set(back.names) & set(first.names)
    for name in ("ours", "other"):
        usb_guest.unplug(name)
    until_seen(usb_guest, lambda ports: not ports)


def test_board_without_a_serial_number_is_known_by_where_it_is_plugged(usb_guest: Guest) -> None:
    found = []
    for bus in (0, 1, 0):
        usb_guest.ask(usb.board_without_serial_number, bus)
        until_seen(usb_guest, lambda ports: any(each.ids == ARDUINO and each.names for each in ports))
        (each,) = usb_guest.ask(usb.ports)
        found.append(each)
        usb_guest.ask(usb.unplug_board)
        until_seen(usb_guest, lambda ports: not ports)
    here, there, again = found
    assert [each.serial for each in found] == [None] * 3
    assert here.location == again.location != there.location
    paths = [[name for name in each.names if name.startswith(usb.BY_PATH)] for each in found]
    assert paths[0] == paths[2] != paths[1]
    assert all(paths)
