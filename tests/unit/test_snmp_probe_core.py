"""One SNMP question to many, and what may come back."""

from hypothesis import given
from hypothesis import strategies as st

from firmware_bridges.snmp_probe_core import Told, answer, question

SNMPD = (
    bytes.fromhex(
        "304502010104067075626c6963a238020101020100020100302d"
        "301606082b06010201010200060a2b06010401bf0803020a"
        "301306082b060102010105000407"
    )
    + b"hil-lab"
)
"""What net-snmp 5.9 answers."""


def test_question_is_a_get_request_of_version_2c() -> None:
    asked = question("public", 1)
    assert asked[:13] == bytes.fromhex("30340201010406") + b"public"
    assert bytes.fromhex("06082b06010201010200") in asked
    assert answer(asked) is None, "a question is no answer"


def test_answer_is_read() -> None:
    assert answer(SNMPD) == Told(1, "1.3.6.1.4.1.8072.3.2.10", "hil-lab")


@given(st.binary(max_size=200))
def test_rubbish_is_no_answer(datagram: bytes) -> None:
    assert answer(datagram) is None or datagram[0] == 0x30


@given(st.integers(0, len(SNMPD) - 1), st.integers(0, 255))
def test_damaged_answer_is_none_or_another(at: int, byte: int) -> None:
    told = answer(SNMPD[:at] + bytes([byte]) + SNMPD[at + 1 :])
    assert told is None or isinstance(told, Told)


@given(st.integers(0, len(SNMPD) - 1))
def test_answer_that_was_cut_short_is_none(length: int) -> None:
    assert answer(SNMPD[:length]) is None
