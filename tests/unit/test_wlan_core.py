"""Windows' answers about Wi-Fi, built as wlanapi.h lays them out, and bytes that no driver should give."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridges import wlan_core as core
from firmware_bridges.base import BadReply

GUID = bytes(range(16))
BSSID = bytes.fromhex("0210fe00a1b2")


def radios(*names: str, state: int = 1) -> bytes:
    listed = b"".join(GUID + name.encode("utf-16-le").ljust(512, b"\0") + struct.pack("<I", state) for name in names)
    return struct.pack("<II", len(names), 0) + listed


def connected(ssid: bytes = b"truong-hoc", *, state: int = 1, length: int | None = None, quality: int = 82) -> bytes:
    """WLAN_CONNECTION_ATTRIBUTES, member by member."""
    return b"".join(
        (
            struct.pack("<II", state, 0),  # isState, wlanConnectionMode: a profile
            "truong-hoc".encode("utf-16-le").ljust(512, b"\0"),  # strProfileName
            struct.pack("<I", len(ssid) if length is None else length) + ssid.ljust(32, b"\0"),  # dot11Ssid
            struct.pack("<I", 1),  # dot11BssType: infrastructure
            BSSID + b"\xff\xff",  # dot11Bssid, and what the compiler left between
            struct.pack("<II", 10, 0),  # dot11PhyType: he; uDot11PhyIndex
            struct.pack("<III", quality, 866_700, 780_000),  # wlanSignalQuality, ulRxRate, ulTxRate
            struct.pack("<4I", 1, 0, 7, 4),  # wlanSecurityAttributes
        )
    )


def statistics(failed: int, retried: int, phys: int = 1) -> bytes:
    mac = struct.pack("<12Q", *range(12))
    phy = struct.pack("<18Q", 900, 901, failed, retried, *range(14))
    return struct.pack("<3Q", 1, 2, 3) + mac + mac + struct.pack("<I4x", phys) + phy * phys


def test_layouts_are_as_long_as_the_header_says() -> None:
    assert core.INTERFACE.size == 532
    assert len(connected()) == 604
    assert len(statistics(0, 0)) == 368


def test_radios_are_listed_with_name_and_state() -> None:
    assert core.interfaces(radios("Intel(R) Wi-Fi 6 AX201", "Card không dây")) == (
        core.Interface(GUID, "Intel(R) Wi-Fi 6 AX201", connected=True),
        core.Interface(GUID, "Card không dây", connected=True),
    )
    assert [radio.connected for radio in core.interfaces(radios("a", state=4))] == [False]
    assert core.interfaces(radios()) == ()


def test_connection_tells_network_access_point_quality_and_rates() -> None:
    assert core.connection(connected()) == core.Connection("truong-hoc", "02:10:fe:00:a1:b2", 82, 866.7, 780.0)


def test_connection_that_just_ended_is_none() -> None:
    assert core.connection(connected(state=3)) is None


def test_ssid_may_be_any_bytes_but_no_longer_than_its_room() -> None:
    assert core.connection(connected("Trường học".encode())).ssid == "Trường học"  # type: ignore[union-attr]
    assert core.connection(connected(b"\xff" * 32)).ssid == "\ufffd" * 32  # type: ignore[union-attr]
    with pytest.raises(BadReply, match="SSID of 33"):
        core.connection(connected(length=33))


def test_signal_is_the_driver_s_own_or_follows_from_the_quality() -> None:
    assert core.signal_dbm(struct.pack("<i", -58)) == -58
    assert [core.dbm_of_quality(quality) for quality in (0, 82, 100)] == [-100, -59, -50]


@pytest.mark.parametrize(
    ("channel", "mhz"), [(1, 2412), (13, 2472), (14, 2484), (36, 5180), (165, 5825), (0, None), (20, None), (233, None)]
)
def test_channel_becomes_its_centre_frequency(channel: int, mhz: int | None) -> None:
    assert core.frequency_mhz(struct.pack("<I", channel)) == mhz


def test_counts_are_those_of_the_first_radio_part_and_unknown_ones_are_none() -> None:
    assert core.counts(statistics(7, 120)) == core.Counts(retries=120, failed=7)
    assert core.counts(statistics((1 << 64) - 1, 5, phys=2)) == core.Counts(retries=5, failed=None)


@given(st.binary(max_size=700))
def test_any_bytes_are_read_or_refused(answer: bytes) -> None:
    for read in (core.interfaces, core.connection, core.signal_dbm, core.frequency_mhz, core.counts):
        try:
            read(answer)
        except BadReply:
            continue


@pytest.mark.parametrize("cut", [3, 100, 500])
def test_an_answer_that_ends_early_is_refused(cut: int) -> None:
    with pytest.raises(BadReply):
        core.connection(connected()[:cut])
    with pytest.raises(BadReply):
        core.interfaces(radios("a")[:cut])


def test_more_radios_than_any_computer_has_are_refused() -> None:
    with pytest.raises(BadReply, match="40000 radios"):
        core.list_size(struct.pack("<II", 40_000, 0))
