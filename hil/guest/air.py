"""Wireless within the guest: radios of mac80211_hwsim, access points by hostapd, one client by wpa_supplicant (WPA2).

All of it is called within the guest. What a client knows of its link is told by two programs that others wrote.
"""

import importlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from contract.model import Value
from firmware_bridges.network import NetworkBridge
from firmware_bridges.wireless import wireless_links
from hil.guest.inside import run, write

SSID: Final = "Fabfleet-Lab"
CLIENT: Final = "wlan2"
MODULES: Final = ("ccm", "cmac", "gcm", "ctr", "mac80211_hwsim")
"""The ciphers of WPA2, and the radios."""
RADIOS: Final = 3
_SLOW_S: Final = 20.0
"""How long the emulated kernel may take to answer."""
_KEY: Final = "0f" * 32
_FOLDER: Final = Path("/run/air")
_DEBUG: Final = Path("/sys/kernel/debug/ieee80211")
_POWER_DBM: Final = 20
"""With which an access point sends; mac80211_hwsim takes from it what is lost on the way."""
_IN_REACH, _OUT_OF_REACH = "1", "2"
"""Groups of mac80211_hwsim: radios hear those of their own group only, and the client is in the first one."""


@dataclass(frozen=True, slots=True)
class AccessPoint:
    """On the radio of this number."""

    radio: int
    channel: int

    @property
    def interface(self) -> str:
        return f"wlan{self.radio}"

    @property
    def bssid(self) -> str:
        """mac80211_hwsim numbers its radios so."""
        return f"02:00:00:00:{self.radio:02x}:00"

    @property
    def frequency_mhz(self) -> int:
        return 2407 + 5 * self.channel


@dataclass(frozen=True, slots=True)
class Heard:
    """What somebody says of the client's link; `bssid` is empty if it has none."""

    ssid: str = ""
    bssid: str = ""
    frequency_mhz: int = 0
    signal_dbm: int = 0


def begin(point: AccessPoint) -> None:
    """An access point on the air."""
    config = {
        "interface": point.interface,
        "driver": "nl80211",
        "ssid": SSID,
        "hw_mode": "g",
        "channel": str(point.channel),
        "ieee80211n": "1",
        "wpa": "2",
        "wpa_key_mgmt": "WPA-PSK",
        "wpa_psk": _KEY,
        "rsn_pairwise": "CCMP",
    }
    path = _FOLDER / f"{point.interface}.conf"
    write(path, "".join(f"{name}={value}\n" for name, value in config.items()).encode())
    run("hostapd", "-B", str(path))


def join(*points: AccessPoint) -> None:
    """Let the client look for the network of these access points, and stay with it for as long as it can."""
    frequencies = " ".join(str(point.frequency_mhz) for point in points)
    network = f'ssid="{SSID}"\n psk={_KEY}\n scan_freq={frequencies}\n'
    text = f"ctrl_interface={_FOLDER}/client\nnetwork={{\n {network}}}\n"
    write(_FOLDER / "client.conf", text.encode())
    run("wpa_supplicant", "-B", "-D", "nl80211", "-i", CLIENT, "-c", str(_FOLDER / "client.conf"))


def roam(point: AccessPoint) -> str:
    """Tell the client to go over to another access point that it hears; "OK" if it tries."""
    client = ("wpa_cli", "-p", str(_FOLDER / "client"), "-s", str(_FOLDER), "-i", CLIENT)
    run(*client, "scan")
    return run(*client, "roam", point.bssid).strip()


def loudness(point: AccessPoint, signal_dbm: int) -> None:
    """How strongly it is heard from now on: -80 to 19 dBm."""
    file = _DEBUG / f"phy{point.radio}" / "hwsim" / "rx_rssi"
    try:
        file.write_text(str(signal_dbm - _POWER_DBM))
    except OSError:  # some kernels read this file without a sign
        file.write_text(str(2**64 + signal_dbm - _POWER_DBM))


def reach(point: AccessPoint, *, within: bool) -> None:
    """Whether the client is near enough to hear it; it goes without a word."""
    group = _IN_REACH if within else _OUT_OF_REACH
    (_DEBUG / f"phy{point.radio}" / "hwsim" / "group").write_text(group)


def by_bridge() -> dict[str, Value | None]:
    """What the bridge `network` reads of Wi-Fi."""
    options = {"timeout_s": 0.3, "resolvers": ["127.0.0.1"], "links": ["lo"]}
    bridge = NetworkBridge("", options, wireless=lambda: wireless_links(_SLOW_S))
    bridge.open()
    try:
        return {name: value for name, value in bridge.poll().items() if name.startswith("wifi")}
    finally:
        bridge.close()


def by_iw() -> Heard:
    """What iw prints."""
    text = run("iw", "dev", CLIENT, "link")
    found = re.search(
        r"Connected to (\S+) .*?SSID: (\S+).*?freq: (\d+).*?signal: (-?\d+) dBm", text, re.DOTALL | re.IGNORECASE
    )
    return Heard(found[2], found[1].lower(), int(found[3]), int(found[4])) if found else Heard()


def by_pyroute2(packages: Path) -> Heard:
    """What the library pyroute2 reads, which is in the folder `packages`."""
    if str(packages) not in sys.path:
        sys.path.append(str(packages))
    pyroute2: Any = importlib.import_module("pyroute2")
    with pyroute2.IW() as wireless:
        shown = [each for each in wireless.get_interfaces_dump() if each.get_attr("NL80211_ATTR_IFNAME") == CLIENT]
        number = shown[0].get_attr("NL80211_ATTR_IFINDEX")
        stations, ssid = list(wireless.get_stations(number)), _ssid(wireless, number)
    for station in stations:
        return Heard(
            ssid=ssid,
            bssid=str(station.get_attr("NL80211_ATTR_MAC")).lower(),
            frequency_mhz=int(shown[0].get_attr("NL80211_ATTR_WIPHY_FREQ")),
            signal_dbm=int(station.get_attr("NL80211_ATTR_STA_INFO").get_attr("NL80211_STA_INFO_SIGNAL_AVG")),
        )
    return Heard()


def _ssid(wireless: Any, interface: int) -> str:
    """Of the network that an interface is part of, as the last scan heard it; empty if of none."""
    nl80211: Any = importlib.import_module("pyroute2.netlink.nl80211")
    netlink: Any = importlib.import_module("pyroute2.netlink")
    asked = nl80211.nl80211cmd()
    asked["cmd"] = nl80211.NL80211_NAMES["NL80211_CMD_GET_SCAN"]
    asked["attrs"] = [["NL80211_ATTR_IFINDEX", interface]]
    flags = netlink.NLM_F_REQUEST | netlink.NLM_F_DUMP
    for each in wireless.nlm_request(asked, msg_type=wireless.prid, msg_flags=flags):
        heard = each.get_attr("NL80211_ATTR_BSS")
        if heard is not None and heard.get_attr("NL80211_BSS_STATUS") is not None:
            return str(heard.get_attr("NL80211_BSS_INFORMATION_ELEMENTS")["SSID"].decode())
    return ""
