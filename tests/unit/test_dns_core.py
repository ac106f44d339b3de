"""One DNS question and the head of its answer, as bytes."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridges import dns_core
from firmware_bridges.base import BadReply
from firmware_bridges.dns_core import ADDRESS, NAME_SERVERS, Answer

ROOT = bytes.fromhex("1234010000010000000000000000020001")


def answered(question: bytes, flags: int = 0x8180, records: int = 1) -> bytes:
    return question[:2] + struct.pack("!HHH", flags, 1, records) + question[8:] + b"whatever records"


def test_question_for_the_root_is_that_of_the_standard() -> None:
    assert dns_core.question(".", NAME_SERVERS, 0x1234) == ROOT


def test_question_spells_each_label_with_its_length() -> None:
    assert b"\4time\4lab1\0" in dns_core.question("time.lab1", ADDRESS, 1)


@pytest.mark.parametrize("name", ["", "a..b", "a" * 64, ".".join(["abcdefgh"] * 30), "trường.vn"])
def test_question_refuses_what_is_no_name(name: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the bare kind is the contract
        dns_core.question(name, ADDRESS, 1)


def test_answer_gives_number_name_and_kind_back() -> None:
    question = dns_core.question("Time.Lab1", ADDRESS, 77)
    assert dns_core.answer(answered(question)) == Answer(77, "time.lab1", ADDRESS, "ok", 1, truncated=False)


@pytest.mark.parametrize(
    ("flags", "code", "truncated"),
    [
        (0x8182, "server-failure", False),
        (0x8183, "no-such-name", False),
        (0x8185, "refused", False),
        (0x818F, "code-15", False),
        (0x8380, "ok", True),
    ],
)
def test_answer_says_what_the_resolver_meant(flags: int, code: str, truncated: bool) -> None:
    answer = dns_core.answer(answered(ROOT, flags))
    assert (answer.code, answer.truncated) == (code, truncated)


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        ROOT,  # a question is no answer
        answered(ROOT)[:12],
        answered(ROOT)[:15],
        answered(ROOT)[:12] + b"\xc0\x0c" + b"\0" * 8,  # points at itself
        answered(ROOT)[:12] + b"\x3fabc",  # a label longer than what is left
        answered(ROOT)[:12] + b"\1a" * 200 + b"\0" * 8,  # longer than a name may be
        answered(ROOT) + b"\0" * 5000,
    ],
)
def test_answer_refuses_what_cannot_be(datagram: bytes) -> None:
    with pytest.raises(BadReply):
        dns_core.answer(datagram)


@given(st.binary(max_size=300))
def test_answer_survives_any_bytes(tail: bytes) -> None:
    for datagram in (tail, answered(ROOT)[:12] + tail):
        try:
            assert len(dns_core.answer(datagram).name) <= 255
        except BadReply:
            continue
