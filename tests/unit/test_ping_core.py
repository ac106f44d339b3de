"""ICMP echo as bytes, and the window over what came back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridges import ping_core
from firmware_bridges.base import BadReply
from firmware_bridges.ping_core import Echo, Window

IPV4_HEADER = bytes.fromhex("4500002400004000400126d77f0000017f000001")


def answer(request: bytes, version: int = 4) -> bytes:
    """What a far end makes of a request: the kind changes, the rest comes back."""
    return bytes([0 if version == 4 else 129]) + request[1:]


def test_checksum_is_that_of_the_standard() -> None:
    assert ping_core.checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D  # the example of RFC 1071


@given(st.integers(0, 65_535), st.binary(max_size=64))
def test_request_carries_a_checksum_that_makes_the_whole_sum_to_nothing(sequence: int, payload: bytes) -> None:
    assert ping_core.checksum(ping_core.request(sequence, payload)) == 0


@pytest.mark.parametrize("version", [4, 6])
def test_reply_gives_back_what_was_sent(version: int) -> None:
    request = ping_core.request(7, b"hello", version=version)
    assert ping_core.reply(answer(request, version), version=version) == Echo(7, b"hello")


def test_reply_is_found_behind_an_ipv4_header() -> None:
    assert ping_core.reply(IPV4_HEADER + answer(ping_core.request(7, b"hello"))) == Echo(7, b"hello")


@pytest.mark.parametrize("kind", [3, 8, 11])
def test_reply_is_none_for_another_message(kind: int) -> None:
    assert ping_core.reply(bytes([kind]) + ping_core.request(7, b"hello")[1:]) is None


@pytest.mark.parametrize("datagram", [b"", b"\0" * 7, IPV4_HEADER, IPV4_HEADER[:1], b"\0" * 2000])
def test_reply_refuses_what_is_no_message(datagram: bytes) -> None:
    with pytest.raises(BadReply):
        ping_core.reply(datagram)


@given(st.binary(max_size=100), st.sampled_from([4, 6]))
def test_reply_survives_any_bytes(datagram: bytes, version: int) -> None:
    try:
        echo = ping_core.reply(datagram, version=version)
    except BadReply:
        return
    assert echo is None or len(echo.payload) <= len(datagram)


def test_window_knows_nothing_before_the_first_probe() -> None:
    assert (Window().latency_ms, Window().loss_percent) == (None, None)


def test_window_counts_losses_among_the_last_probes_only() -> None:
    window = Window(size=4)
    for took_ms in (None, None, None, 2.0, 3.0, None, 4.0):
        window.add(took_ms)
    assert window.loss_percent == 25.0
    assert window.latency_ms == 4.0


def test_window_has_no_latency_after_a_loss() -> None:
    window = Window()
    window.add(2.0)
    window.add(None)
    assert window.latency_ms is None
    assert window.loss_percent == 50.0
