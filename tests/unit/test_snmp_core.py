"""SNMP, pure: what objects become, and what a bridge may be told to ask."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as settings_of
from hypothesis import strategies as st

from device_profiles.profile import load, slugs
from firmware_bridges.snmp_core import (
    MAX_ROWS,
    MAX_TEXT,
    MAX_WALK,
    Ask,
    How,
    Raw,
    Reader,
    Rows,
    columns,
    labels,
    percent,
    singles,
    stand_ins,
)
from firmware_bridges.snmp_options import settings
from firmware_bridges.snmp_session import Session
from tests.vocabulary import undeclared

PROFILES = [slug for slug in slugs() if load(slug).bridge == "snmp"]
OID = "1.3.6.1.4.1.1"
RAW = st.none() | st.integers(-(2**31), 2**64 - 1) | st.binary(max_size=300) | st.text(max_size=300)
ROWS = st.dictionaries(st.from_regex(r"\d{1,3}(\.\d{1,3}){0,3}", fullmatch=True), RAW, max_size=6)


def one(how: How, raw: Raw, **more: Any) -> object:
    return Reader([Ask("metric", f"{OID}.0", how, **more)]).read({f"{OID}.0": raw}, {}, 0.0).get("metric")


@pytest.mark.parametrize(
    ("how", "raw", "more", "value"),
    [
        (How.NUMBER, 215, {"factor": 0.1}, 21.5),
        (How.WHOLE, 12_345_678, {"factor": 0.01}, 123_457),
        (How.TEXT, "Phòng 206\x00".encode(), {}, "Phòng 206"),
        (How.TEXT, b"x" * 900, {}, "x" * MAX_TEXT),
        (How.ADDRESS, bytes.fromhex("904c81000001"), {}, "90:4c:81:00:00:01"),
        (How.CODE, 3, {"codes": {3: "delivering"}}, "delivering"),
        (How.CODE, 9, {"codes": {3: "delivering"}}, "9"),
        (How.TRUTH, 2, {"equals": 2}, True),
        (How.BIT, b"\x20", {"equals": 2}, True),
        (How.BIT, b"\x20", {"equals": 9}, False),
        (How.NUMBER, b"abc", {}, None),
        (How.TEXT, 5, {}, None),
    ],
)
def test_object_becomes_a_value(how: How, raw: Raw, more: dict[str, Any], value: object) -> None:
    assert one(how, raw, **more) == value


def test_object_that_the_device_lacks_is_no_metric() -> None:
    asks = [Ask("a", f"{OID}.0", How.NUMBER), Ask("x-*-b", OID, How.NUMBER), Ask("n", OID, How.COUNT)]
    assert Reader(asks).read({f"{OID}.0": None}, {OID: {}}, 0.0) == {"n": 0, "left-out": 0}


def test_count_is_unknown_where_the_device_has_no_such_table_and_nought_where_it_is_empty() -> None:
    asks = [Ask("clients", "1.3.1", How.COUNT, of="1.3.2")]
    assert columns(asks) == ["1.3.1", "1.3.2"]
    assert Reader(asks).read({}, {"1.3.1": {}, "1.3.2": {}}, 0.0) == {}
    assert Reader(asks).read({}, {"1.3.1": {}, "1.3.2": {"1": 7}}, 0.0) == {"clients": 0}


def test_rate_is_growth_in_a_second_and_unknown_after_the_counter_began_anew() -> None:
    reader = Reader([Ask("port-*-in", OID, How.RATE, factor=8e-6)])
    told = [
        reader.read({}, {OID: {"1": count}}, now_s)["port-1-in"]
        for now_s, count in ((0.0, 0), (2.0, 250_000), (4.0, 100), (4.0, 200), (5.0, 125_200))
    ]
    assert told == [None, 1.0, None, None, 1.0]


def test_rows_are_named_by_their_label_and_no_two_alike() -> None:
    assert labels({"1": b"Gi 1", "2": b"gi-1", "3": b""}, {"4": 0}) == {"1": "gi-1", "2": "gi-1-2", "3": "3", "4": "4"}


def test_rows_keep_their_names_when_a_column_lacks_some() -> None:
    asks = [
        Ask("port-*-up", "1.3.1", How.WHOLE, labels=("1.3.9",)),
        Ask("port-*-in", "1.3.2", How.WHOLE, labels=("1.3.9",)),
    ]
    walked: dict[str, Rows] = {"1.3.9": {"1": b"eth", "2": b"eth"}, "1.3.1": {"1": 5, "2": 6}, "1.3.2": {"2": 7}}
    assert Reader(asks).read({}, walked, 0.0) == {
        "port-eth-up": 5,
        "port-eth-2-up": 6,
        "port-eth-2-in": 7,
        "left-out": 0,
    }


def test_rows_without_a_name_or_value_have_those_of_another_column_and_only_they_are_asked_for() -> None:
    """A switch whose slow ports have no counter of 64 bits, or a bridge that has not even names but descriptions."""
    asks = [
        Ask("port-*-up", "1.3.1", How.WHOLE, labels=("1.3.8", "1.3.9")),
        Ask("port-*-speed", "1.3.2", How.WHOLE, labels=("1.3.8", "1.3.9")),
        Ask("port-*-speed", "1.3.3", How.WHOLE, factor=1e-6, labels=("1.3.8", "1.3.9"), instead=True),
    ]
    assert columns(asks) == ["1.3.8", "1.3.1", "1.3.2"]
    walked: dict[str, Rows] = {"1.3.1": {"1": 1, "2": 2}, "1.3.2": {"1": 10_000}, "1.3.8": {"1": b"Gi1", "2": b" "}}
    assert stand_ins(asks, walked) == ["1.3.9", "1.3.3"]
    values = Reader(asks).read({}, {**walked, "1.3.9": {"2": b"Fa 2"}, "1.3.3": {"1": 2**32 - 1, "2": 10**8}}, 0.0)
    assert values == {
        "port-gi1-up": 1,
        "port-fa-2-up": 2,
        "port-gi1-speed": 10_000,
        "port-fa-2-speed": 100,
        "left-out": 0,
    }
    whole: dict[str, Rows] = {column: {"1": b"1", "2": b"2"} for column in columns(asks)}
    assert stand_ins(asks, whole) == stand_ins(asks, {}) == []


def test_rows_beyond_those_with_metrics_are_counted_and_told() -> None:
    asks = [
        Ask("port-*-up", "1.3.1", How.WHOLE, labels=("1.3.9",)),
        Ask("port-*-in", "1.3.2", How.WHOLE, labels=("1.3.9",)),
        Ask("poe-*-state", "1.3.3", How.WHOLE),
        Ask("clients", "1.3.4", How.COUNT),
        Ask("power", "1.3.4", How.SUM),
    ]

    def rows(many: int) -> Rows:
        return {str(index): 2 for index in range(many)}

    walked = {
        "1.3.9": rows(100),
        "1.3.1": rows(100),
        "1.3.2": rows(90),
        "1.3.3": rows(MAX_ROWS + 1),
        "1.3.4": rows(900),
    }
    values = Reader(asks).read({}, walked, 0.0)
    assert (values["clients"], values["power"], values["left-out"]) == (900, 1800, 100 - MAX_ROWS + 1)
    assert len(values) == 3 * MAX_ROWS + 3
    beyond = Reader(asks).read({}, {**walked, "1.3.4": rows(MAX_WALK)}, 0.0)
    assert (beyond["clients"], beyond["power"]) == (None, None), "nobody knows how many more there are"


@pytest.mark.parametrize(("part", "whole", "share"), [(18, 100, 18.0), (-3, 100, None), (5, -2, None), (9, 3, 100.0)])
def test_printer_says_what_it_does_not_know_with_numbers_below_zero(part: int, whole: int, share: object) -> None:
    assert percent(part, whole) == share


@pytest.mark.parametrize("slug", PROFILES)
@settings_of(max_examples=8)
@given(data=st.data())
def test_whatever_a_device_answers_the_values_are_those_that_the_profile_declares(
    slug: str, data: st.DataObject
) -> None:
    profile = load(slug)
    asks = settings(profile.options).asks
    reader = Reader(asks)
    for now_s in (0.0, 1.0):
        got = {oid: data.draw(RAW) for oid in singles(asks)}
        walked = {oid: data.draw(ROWS) for oid in columns(asks)}
        walked |= {oid: data.draw(ROWS) for oid in stand_ins(asks, walked)}
        assert undeclared(profile, reader.read(got, walked, now_s)) == []


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"version": "1"}, "version: '1' is none of 2c, 3"),
        ({"version": "3"}, "user: "),
        ({"version": "3", "user": "u", "auth": "sha", "auth_password": "short"}, "auth_password: "),
        ({"version": "3", "user": "u", "privacy": "aes"}, "privacy: "),
        ({"mibs": ["nothing"]}, "mibs: 'nothing' is none of system"),
        ({"single": {"Clients": {"oid": "1.3.6.1"}}}, "single.Clients: "),
        ({"single": {"clients": {"oid": "1.3.6.x"}}}, "single.clients.oid: "),
        ({"single": {"clients": {"oid": "1.3.6.1", "how": "magic"}}}, "single.clients.how: "),
        ({"single": {"level": {"oid": "1.3.6.1", "how": "percent"}}}, "single.level.of: "),
        ({"table": {"radio": {"columns": {"busy": {"oid": "1.3.6.1.0"}}}}}, "table.radio.columns.busy.oid: "),
        ({"table": {"radio": {"colour": 1}}}, "table.radio.colour: "),
        ({"single": {"state": {"oid": "1.3.6.1", "codes": {"up": "1"}}}}, "single.state.codes: "),
    ],
)
def test_option_that_cannot_be_right_is_named(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why.replace(".", r"\.")):
        settings(options)


@settings_of(max_examples=60)
@given(datagram=st.binary(max_size=400))
def test_no_datagram_brings_anything_out_of_a_session(datagram: bytes) -> None:
    session = _session()
    for start in (b"", b"\x30\x2c\x02\x01\x01\x04\x06public\xa2", b"\x30\x3e\x02\x01\x03\x30"):
        session._engine.pipeline.hear(start + datagram, None)
    session.close()


def _session() -> Session:
    return Session("127.0.0.1", 9, settings({}).credentials, timeout_s=0.1)
