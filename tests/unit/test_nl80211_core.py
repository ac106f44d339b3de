"""The nl80211 conversation against recorded datagrams of a real kernel, and against bytes that nobody should send."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridges import netlink_core as netlink
from firmware_bridges.base import BadReply
from firmware_bridges.nl80211_core import MAX_INTERFACES, MAX_MESSAGES, Conversation, WirelessLink, channel

TRANSCRIPTS = Path(__file__).parent.parent / "transcripts" / "nl80211"
Turn = tuple[bytes, list[bytes]]
"""A request and the datagrams that answered it."""


def turns(name: str) -> list[Turn]:
    found: list[Turn] = []
    for line in (TRANSCRIPTS / f"{name}.txt").read_text().splitlines():
        way, _, content = line.partition(" ")
        if way == ">":
            found.append((bytes.fromhex(content), []))
        elif way == "<":
            found[-1][1].append(bytes.fromhex(content))
    return found


def replay(turns: list[Turn]) -> Conversation:
    """Every request must be the recorded one, byte for byte."""
    conversation = Conversation()
    for request, datagrams in turns:
        assert conversation.request == request
        for datagram in datagrams:
            conversation.receive(datagram)
    assert over(conversation)
    return conversation


def over(conversation: Conversation) -> bool:
    return conversation.request is None


def one_message_each(datagrams: list[bytes]) -> list[bytes]:
    split = []
    for datagram in datagrams:
        at = 0
        while at < len(datagram):
            length = int.from_bytes(datagram[at : at + 4], "little")
            split.append(datagram[at : at + length])
            at += length + -length % 4
    return split


def all_in_one(datagrams: list[bytes]) -> list[bytes]:
    return [b"".join(datagrams)]


def reply(conversation: Conversation, family: int, attributes: bytes, command: int = 1) -> bytes:
    """A kernel's answer to what the conversation has just asked."""
    assert conversation.request is not None
    sequence = int.from_bytes(conversation.request[8:12], "little")
    return netlink.request(family, sequence, command, attributes)


def resolved() -> Conversation:
    """A conversation that knows the family, 0x20, and asks for the interfaces."""
    conversation = Conversation()
    conversation.receive(reply(conversation, netlink.FIRST_FAMILY, netlink.attribute(1, (0x20).to_bytes(2, "little"))))
    return conversation


CONNECTED = WirelessLink(
    index=3,
    name="wlan1",
    ssid="Fabfleet-Lab",
    bssid="02:00:00:00:00:00",
    frequency_mhz=2437,
    signal_dbm=-30,
    rate_in_mbit=130.0,
    rate_out_mbit=11.0,
    retries=0,
    failed=0,
    beacon_loss=0,
)


@pytest.mark.parametrize("regroup", [list, one_message_each, all_in_one])
def test_conversation_reads_a_connected_link_however_the_kernel_packs_its_messages(regroup) -> None:  # type: ignore[no-untyped-def]
    recorded = [(request, regroup(datagrams)) for request, datagrams in turns("connected")]
    assert replay(recorded).links == (CONNECTED,)


def test_conversation_reads_radios_without_a_network() -> None:
    assert replay(turns("not-connected")).links == (WirelessLink(2, "wlan0"), WirelessLink(3, "wlan1"))


def test_conversation_does_not_ask_an_access_point_for_its_stations() -> None:
    recorded = turns("access-point")
    assert replay(recorded).links == ()
    assert len(recorded) == 2, "the family and the interfaces, nothing about people's devices"


@pytest.mark.parametrize("size", [1, 7, 4096])
@pytest.mark.parametrize("name", ["connected", "not-connected", "access-point"])
def test_conversation_refuses_a_datagram_cut_off_at_any_size(name: str, size: int) -> None:
    for turn in range(len(turns(name))):
        conversation = Conversation()
        for _, datagrams in turns(name)[:turn]:
            for datagram in datagrams:
                conversation.receive(datagram)
        last = turns(name)[turn][1][0]
        if size < len(last):
            with pytest.raises(BadReply):
                conversation.receive(last[:size])
            assert over(conversation)


def test_conversation_ends_where_the_kernel_knows_no_wireless() -> None:
    conversation = Conversation()
    assert conversation.request is not None
    error = (-2).to_bytes(4, "little", signed=True) + conversation.request
    conversation.receive(len(error + bytes(16)).to_bytes(4, "little") + b"\2\0\0\0\1\0\0\0\0\0\0\0" + error)
    assert over(conversation)
    assert conversation.links == ()


def test_conversation_passes_over_the_tail_of_an_earlier_answer() -> None:
    conversation = resolved()
    asked = conversation.request
    conversation.receive(turns("connected")[0][1][0])  # answers question 1; this is question 2
    assert conversation.request == asked


@pytest.mark.parametrize(
    "attributes",
    [
        netlink.attribute(3, b"\3\0\0"),  # an integer of three bytes
        netlink.attribute(5, b"\2\0\0\0") + b"\xff\xff\3\0",  # longer than what is left
        netlink.attribute(5, b"\2\0\0\0") + b"\3\0\3\0",  # shorter than its own header: would never end
        netlink.attribute(5, b"\2\0\0\0") + b"\0",  # cut off
        netlink.attribute(3, b"\0" * 7 + b"\1") + netlink.attribute(5, b"\2\0\0\0"),  # no such index
    ],
)
def test_conversation_refuses_attributes_that_cannot_be(attributes: bytes) -> None:
    conversation = resolved()
    with pytest.raises(BadReply):
        conversation.receive(reply(conversation, 0x20, attributes))


def test_conversation_refuses_an_answer_without_end() -> None:
    conversation = resolved()
    endless = reply(conversation, 0x20, netlink.attribute(5, b"\3\0\0\0")) * 1000
    for _ in range(MAX_MESSAGES // 1000):
        conversation.receive(endless)
    with pytest.raises(BadReply, match="without end"):
        conversation.receive(endless)


def test_conversation_refuses_more_interfaces_than_a_machine_has() -> None:
    conversation = resolved()
    links = [
        reply(conversation, 0x20, netlink.attribute(3, struct.pack("=I", index)) + netlink.attribute(5, b"\2\0\0\0"))
        for index in range(1, MAX_INTERFACES + 2)
    ]
    conversation.receive(b"".join(links[:-1]))
    with pytest.raises(BadReply, match="interfaces"):
        conversation.receive(links[-1])


def test_conversation_makes_a_network_name_printable() -> None:
    conversation = resolved()
    attributes = (
        netlink.attribute(3, b"\3\0\0\0")
        + netlink.attribute(4, b"wlan0\0")
        + netlink.attribute(5, b"\2\0\0\0")
        + netlink.attribute(52, "Phòng".encode() + b"\x00\x1b\xff")
    )
    conversation.receive(reply(conversation, 0x20, attributes))
    assert conversation.links[0].ssid == "Phòng\ufffd\ufffd\ufffd"


@given(st.data())
def test_conversation_survives_a_recorded_answer_with_bytes_changed(data: st.DataObject) -> None:
    conversation = Conversation()
    for request, datagrams in turns("connected"):
        if conversation.request != request:
            return
        for datagram in datagrams:
            changed = bytearray(datagram)
            for _ in range(data.draw(st.integers(0, 3))):
                changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
            try:
                conversation.receive(bytes(changed))
            except BadReply:
                assert over(conversation)
                return


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_conversation_survives_any_bytes(datagrams: list[bytes]) -> None:
    conversation = Conversation()
    for datagram in datagrams:
        try:
            conversation.receive(datagram)
        except BadReply:
            assert over(conversation)
            return
    assert len(conversation.links) <= MAX_INTERFACES


@given(st.integers(3, 60), st.binary(max_size=120))
def test_conversation_survives_any_attribute_content(kind: int, content: bytes) -> None:
    recorded = turns("connected")
    conversation = Conversation()
    for _, datagrams in recorded[:2]:
        for datagram in datagrams:
            conversation.receive(datagram)
    try:
        conversation.receive(reply(conversation, 0x20, netlink.attribute(kind, content)))
    except BadReply:
        assert over(conversation)


@pytest.mark.parametrize(
    ("frequency_mhz", "number"),
    [
        (2412, 1),
        (2437, 6),
        (2472, 13),
        (2484, 14),
        (5180, 36),
        (5825, 165),
        (5955, 1),
        (7115, 233),
        (5935, 2),
        (900, None),
    ],
)
def test_channel_has_the_number_of_the_standard(frequency_mhz: int, number: int | None) -> None:
    assert channel(frequency_mhz) == number
