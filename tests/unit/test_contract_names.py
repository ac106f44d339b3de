"""Names, topics, patterns and units."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.model import ContractError, Kind, Value, check_name, pattern_for
from contract.topics import DOWN, UP, Address, Channel, filter_for, parse
from contract.units import UNITS, symbol


@given(
    st.from_regex(r"[a-z0-9-]{1,63}", fullmatch=True),
    st.from_regex(r"[a-z0-9-]{1,63}", fullmatch=True),
    st.sampled_from(Channel),
)
def test_a_topic_is_built_and_parsed_back(school: str, agent: str, channel: Channel) -> None:
    assert parse(Address(school, agent).topic(channel)) == (Address(school, agent), channel)


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "ff/1/a/b",
        "ff/2/a/b/report",
        "xx/1/a/b/report",
        "ff/1/a/b/c/report",
        "ff/1/A/b/report",
        "ff/1/a/+/report",
        "ff/1//b/report",
        "ff/1/a/b/other",
    ],
)
def test_a_foreign_topic_is_refused(topic: str) -> None:
    with pytest.raises(ContractError):
        parse(topic)


def test_every_channel_has_one_direction() -> None:
    assert set(UP) | set(DOWN) == set(Channel)
    assert not set(UP) & set(DOWN)
    assert filter_for(Channel.REPORT) == "ff/1/+/+/report"


@pytest.mark.parametrize("name", ["", "Máy", "a b", "a/b", "A", "a" * 64, "a.b", "a*"])
def test_a_name_of_other_letters_is_refused(name: str) -> None:
    with pytest.raises(ContractError):
        check_name(name, "device")


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("cpu", "cpu"),
        ("disk-c-used", "disk-*-used"),
        ("disk-*-used", "disk-*-used"),
        ("disk--used", None),
        ("disk-used", None),
        ("temperature-core-0", "temperature-*"),
        ("other", None),
    ],
)
def test_a_metric_is_found_by_name_then_by_pattern(name: str, pattern: str | None) -> None:
    assert pattern_for(name, ["cpu", "disk-*-used", "temperature-*"]) == pattern


@pytest.mark.parametrize(
    ("kind", "value", "held"),
    [
        (Kind.BOOL, True, True),
        (Kind.BOOL, 1, False),
        (Kind.INT, 1, True),
        (Kind.INT, True, False),
        (Kind.INT, 1.0, False),
        (Kind.FLOAT, 1, True),
        (Kind.FLOAT, 1.5, True),
        (Kind.FLOAT, False, False),
        (Kind.FLOAT, "1", False),
        (Kind.TEXT, "1", True),
        (Kind.TEXT, 1, False),
    ],
)
def test_a_kind_holds_only_its_own_values(kind: Kind, value: Value, held: bool) -> None:
    assert kind.holds(value) is held
    assert kind.holds(None)


def test_every_unit_prints_in_both_languages() -> None:
    assert symbol("Cel") == symbol("Cel", "vi") == "°C"
    assert symbol("min", "vi") == "phút"
    assert all(symbol(code) or code == "1" for code in UNITS)
