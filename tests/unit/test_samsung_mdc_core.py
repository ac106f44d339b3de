"""MDC's rules, on invented bytes; recorded ones are in test_line_protocol.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridges import samsung_mdc_core as core
from firmware_bridges.base import BadReply

ON = bytes.fromhex("aaff01034111 01 56".replace(" ", ""))
"""Power is on."""


def test_request_is_framed_as_the_manual_shows() -> None:
    assert (
        core.request(core.Code.POWER, 0, b"\x01") == bytes.fromhex("aa11000112 24".replace(" ", ""))[:4] + b"\x01\x13"
    )
    assert core.request(core.Code.STATUS, 1) == bytes.fromhex("aa00010001")


def test_reply_is_found_behind_noise_and_a_wrong_checksum_is_told() -> None:
    bad = ON[:-1] + b"\x00"
    events = core.MdcCore().receive(b"\x00\x00" + bad + ON)
    assert events[0] == core.Noise(b"\x00\x00", "not a reply")
    assert core.Noise(bad, "wrong checksum") in events
    assert events[-1] == core.Reply(core.Code.POWER, 1, accepted=True, data=b"\x01")


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_display_that_wants_a_pin_says_so(size: int) -> None:
    said, ours = b"MDCSTART<<TLS>>", core.MdcCore()
    assert [each for at in range(0, 15, size) for each in ours.receive(said[at : at + size])] == [core.Secured()]


@given(said=st.lists(st.binary(max_size=300) | st.just(ON), max_size=6))
def test_core_takes_any_bytes_and_keeps_little(said: list[bytes]) -> None:
    ours, bytewise = core.MdcCore(), core.MdcCore()
    replies = [each for data in said for each in ours.receive(data) if isinstance(each, core.Reply)]
    slowly = [each for data in said for byte in data for each in bytewise.receive(bytes([byte]))]
    assert replies == [each for each in slowly if isinstance(each, core.Reply)]
    assert len(ours._kept) < 2 * 260


@given(data=st.binary(max_size=10))
def test_any_data_is_read_or_a_bad_reply(data: bytes) -> None:
    for _, read in core.STATE:
        try:
            values = read(data)
        except BadReply:
            continue
        assert values


def test_display_without_sound_or_fan_tells_nothing_of_them() -> None:
    assert core.status(bytes([1, 0xFF, 0xFF, 0x21, 1, 0, 0]))["volume"] is None
    assert core.health(bytes([0, 1, 2, 0, 41, 2])) == {
        "lamp-state": "ok",
        "temperature-state": "error",
        "temperature": 41.0,
        "fan-state": None,
    }
