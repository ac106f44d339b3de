"""Wi-Fi on a real kernel: the bridge `network` against access points that come, fade, are left, and vanish.

A guest in QEMU has the radios (mac80211_hwsim); hostapd and wpa_supplicant speak WPA2 over them. What the bridge says
is held against iw and pyroute2.
"""

import time
from collections.abc import Callable

import pytest

from firmware_bridges.nl80211_core import WirelessLink
from firmware_bridges.wireless import wireless_links
from hil.farends.fetch import python_packages
from hil.farends.pins import PYROUTE2_REQUIREMENTS
from hil.guest import air
from hil.guest.air import CLIENT, SSID, AccessPoint, Heard
from hil.guest.machine import Guest

pytestmark = [pytest.mark.hil, pytest.mark.sim_only, pytest.mark.xdist_group("guest")]

NEAR, FAR = AccessPoint(radio=0, channel=1), AccessPoint(radio=1, channel=11)
LOUD_DBM, FADED_DBM, OTHER_DBM = -42, -78, -55
SOON_S = 120.0
SLOW_S = 20.0
"""How long the emulated kernel may take to answer."""
GRAIN_DB = 3
"""The kernel's mean follows a step of the signal slowly."""


def until(guest: Guest, wanted: Callable[[WirelessLink], bool]) -> WirelessLink:
    """Ask the kernel, as the bridge does, until the client's link is as wanted."""
    deadline = time.monotonic() + SOON_S
    while True:
        (link,) = guest.ask(wireless_links, SLOW_S)  # access points are no links of this machine
        if wanted(link):
            return link
        assert time.monotonic() < deadline, f"the link did not become as wanted: {link}"


def at(point: AccessPoint) -> Callable[[WirelessLink], bool]:
    return lambda link: link.bssid == point.bssid


def heard(link: WirelessLink) -> Heard:
    return Heard(link.ssid, link.bssid, link.frequency_mhz or 0, link.signal_dbm or 0)


def assert_all_say(guest: Guest, point: AccessPoint, signal_dbm: int) -> None:
    """The bridge, and two programs that others wrote."""
    near = pytest.approx(signal_dbm, abs=GRAIN_DB)
    link = until(guest, lambda link: (link.ssid, link.bssid) == (SSID, point.bssid) and link.signal_dbm == near)
    packages = python_packages(PYROUTE2_REQUIREMENTS)
    for said in (heard(link), guest.ask(air.by_iw), guest.ask(air.by_pyroute2, packages)):
        assert (said.ssid, said.bssid, said.frequency_mhz) == (SSID, point.bssid, point.frequency_mhz), said
        assert said.signal_dbm == near
    values = guest.ask(air.by_bridge)
    assert (values["wifi"], values["wifi-network"]) == ("connected", SSID)
    assert (values["wifi-bssid"], values["wifi-channel"]) == (point.bssid, point.channel)
    assert values["wifi-signal"] == near
    assert isinstance(values["wifi-retries"], int)
    assert isinstance(values["wifi-beacon-loss"], int)


def assert_not_connected(guest: Guest) -> None:
    link = until(guest, lambda link: not link.bssid)
    assert (link.name, link.ssid, link.signal_dbm) == (CLIENT, "", None)
    assert guest.ask(air.by_iw) == guest.ask(air.by_pyroute2, python_packages(PYROUTE2_REQUIREMENTS)) == Heard()
    values = guest.ask(air.by_bridge)
    assert values["wifi"] == "not-connected"
    assert all(values[name] is None for name in ("wifi-network", "wifi-bssid", "wifi-signal"))


def test_link_is_told_as_it_is_when_it_joins_fades_roams_is_lost_and_comes_back(guest: Guest) -> None:
    guest.load(*air.MODULES, radios=str(air.RADIOS))
    for point, signal_dbm in ((NEAR, LOUD_DBM), (FAR, OTHER_DBM)):
        guest.ask(air.begin, point)
        guest.ask(air.loudness, point, signal_dbm)
        guest.ask(air.reach, point, within=False)
    guest.ask(air.join, NEAR, FAR)
    assert_not_connected(guest)
    guest.ask(air.reach, NEAR, within=True)
    assert_all_say(guest, NEAR, LOUD_DBM)
    guest.ask(air.loudness, NEAR, FADED_DBM)
    assert_all_say(guest, NEAR, FADED_DBM)
    roams_to_the_louder_one(guest)
    is_lost_without_a_word_and_comes_back(guest)


def roams_to_the_louder_one(guest: Guest) -> None:
    guest.ask(air.reach, FAR, within=True)
    deadline = time.monotonic() + SOON_S
    while guest.ask(air.roam, FAR) != "OK":  # until the client has heard of it
        assert time.monotonic() < deadline
    assert_all_say(guest, FAR, OTHER_DBM)


def is_lost_without_a_word_and_comes_back(guest: Guest) -> None:
    """An access point that loses power says no goodbye: the kernel misses its beacons."""
    guest.ask(air.reach, NEAR, within=False)
    guest.ask(air.reach, FAR, within=False)
    assert_not_connected(guest)
    guest.ask(air.reach, NEAR, within=True)
    until(guest, at(NEAR))
    guest.ask(air.reach, NEAR, within=False)
    guest.ask(air.reach, FAR, within=True)
    assert_all_say(guest, FAR, OTHER_DBM)
