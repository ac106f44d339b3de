"""The wireless links of a Windows computer, by wlanapi.dll. `netsh` says the same, but in the computer's language."""

import sys

from firmware_bridges import wlan_core as core
from firmware_bridges.base import BadReply, LinkLost
from firmware_bridges.nl80211_core import WirelessLink

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _CLIENT_VERSION = 2  # Windows Vista and newer
    _NO_SERVICE = 1062  # ERROR_SERVICE_NOT_ACTIVE: a computer without a radio
    _DENIED = 5  # ERROR_ACCESS_DENIED: since Windows 11 24H2 whoever asks needs consent to be located
    _LARGEST = 65_536

    def windows_links() -> tuple[WirelessLink, ...]:
        """All radios, connected or not; empty where there is none. Raises LinkLost and BadReply."""
        try:
            api = ctypes.WinDLL("wlanapi")
        except OSError:
            return ()
        handle, version = wintypes.HANDLE(), wintypes.DWORD()
        code = api.WlanOpenHandle(_CLIENT_VERSION, None, ctypes.byref(version), ctypes.byref(handle))
        if code == _NO_SERVICE:
            return ()
        _check(code, "opened")
        try:
            return tuple(_link(api, handle, at, radio) for at, radio in enumerate(_radios(api, handle)))
        finally:
            api.WlanCloseHandle(handle, None)

    def _radios(api: ctypes.WinDLL, handle: wintypes.HANDLE) -> tuple[core.Interface, ...]:
        answer = ctypes.c_void_p()
        _check(api.WlanEnumInterfaces(handle, None, ctypes.byref(answer)), "listed")
        try:
            size = core.list_size(ctypes.string_at(answer, core.LIST_HEADER))
            return core.interfaces(ctypes.string_at(answer, size))
        finally:
            api.WlanFreeMemory(answer)

    def _link(api: ctypes.WinDLL, handle: wintypes.HANDLE, at: int, radio: core.Interface) -> WirelessLink:
        known = core.connection(_ask(api, handle, radio, core.Opcode.CONNECTION)) if radio.connected else None
        if known is None:
            return WirelessLink(at, radio.name)
        try:
            signal = core.signal_dbm(_ask(api, handle, radio, core.Opcode.RSSI))
        except (LinkLost, BadReply):  # not every driver tells
            signal = core.dbm_of_quality(known.quality)
        try:
            counts = core.counts(_ask(api, handle, radio, core.Opcode.STATISTICS))
        except (LinkLost, BadReply):
            counts = core.Counts(None, None)
        return WirelessLink(
            index=at,
            name=radio.name,
            ssid=known.ssid,
            bssid=known.bssid,
            frequency_mhz=core.frequency_mhz(_ask(api, handle, radio, core.Opcode.CHANNEL)),
            signal_dbm=signal,
            rate_in_mbit=known.rate_in_mbit,
            rate_out_mbit=known.rate_out_mbit,
            retries=counts.retries,
            failed=counts.failed,
        )

    def _ask(api: ctypes.WinDLL, handle: wintypes.HANDLE, radio: core.Interface, opcode: core.Opcode) -> bytes:
        guid = ctypes.create_string_buffer(radio.guid, 16)
        size, answer = wintypes.DWORD(), ctypes.c_void_p()
        code = api.WlanQueryInterface(
            handle, guid, ctypes.c_uint(opcode), None, ctypes.byref(size), ctypes.byref(answer), None
        )
        _check(code, f"asked for {opcode.name.lower()}")
        try:
            return ctypes.string_at(answer, min(size.value, _LARGEST))
        finally:
            api.WlanFreeMemory(answer)

    def _check(code: int, what: str) -> None:
        if code == _DENIED:
            raise LinkLost("Windows keeps Wi-Fi to itself: Settings > Privacy > Location must let programs see it")
        if code:
            raise LinkLost(f"wlanapi cannot be {what}: {ctypes.FormatError(code)}")

else:

    def windows_links() -> tuple[WirelessLink, ...]:
        """There are none."""
        return ()
