"""When two lists of facts mean one computer, and what is read of a computer."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.hardware import machine_facts
from contract.machine import Part, check_facts, fact, same_machine, surely_same
from contract.model import ContractError

SALT = "5a17"


def facts(**parts: str) -> tuple[str, ...]:
    return tuple(fact(Part(part), text, SALT) for part, text in parts.items())


WHOLE = facts(system="aa01", board="PF3XYZ", mac="52:54:00:12:34:56", disk="S4EWNX0")


@pytest.mark.parametrize(
    ("what", "other", "same"),
    [
        ("itself", WHOLE, True),
        ("re-imaged", facts(system="bb02", board="PF3XYZ", mac="52:54:00:12:34:56", disk="S4EWNX0"), True),
        ("re-imaged on a new disk", facts(system="bb02", board="PF3XYZ", mac="52:54:00:12:34:56", disk="NEW1"), True),
        ("a new board", facts(system="aa01", board="PF3NEW", mac="52:54:00:00:00:01", disk="S4EWNX0"), True),
        ("a copy of its disk", facts(system="aa01", board="PF3NEW", mac="52:54:00:00:00:01", disk="NEW1"), False),
        ("a copy, and only the network card is read", facts(system="aa01", mac="52:54:00:00:00:01"), False),
        ("a container with its id", facts(system="aa01"), True),
        ("nothing known", (), False),
    ],
)
def test_machine_is_the_same_by_half_of_its_parts(what: str, other: tuple[str, ...], same: bool) -> None:
    assert same_machine(WHOLE, other) is same, what


@pytest.mark.parametrize(
    ("what", "shown", "sure"),
    [
        ("itself", WHOLE, True),
        ("re-imaged on a new disk", facts(system="bb02", board="PF3XYZ", mac="52:54:00:12:34:56", disk="NEW1"), True),
        ("its network card alone", facts(mac="52:54:00:12:34:56"), False),
        ("its board alone, which is less than half", facts(board="PF3XYZ"), False),
        ("a copy of its disk that took its network card", facts(system="aa01", mac="52:54:00:12:34:56"), False),
        ("half, told with other parts", (*facts(board="PF3XYZ", disk="S4EWNX0"), *facts(serial="X1")), True),
        ("nothing told", (), False),
    ],
)
def test_machine_is_surely_the_same_by_half_of_what_is_known_and_a_part_that_nobody_sees(
    what: str, shown: tuple[str, ...], sure: bool
) -> None:
    assert surely_same(WHOLE, shown) is sure, what


def test_machine_that_nothing_telling_is_known_of_is_surely_the_same_by_its_systems_id() -> None:
    known = facts(system="aa01", mac="52:54:00:12:34:56")
    assert surely_same(known, known)
    assert not surely_same(known, facts(mac="52:54:00:12:34:56"))
    assert not surely_same(facts(mac="52:54:00:12:34:56"), facts(mac="52:54:00:12:34:56"))
    assert not surely_same((), WHOLE)


@given(st.lists(st.sampled_from(WHOLE)), st.lists(st.sampled_from(WHOLE)))
def test_who_is_surely_the_same_is_the_same(one: list[str], other: list[str]) -> None:
    assert same_machine(one, other) or not surely_same(one, other)


@given(st.lists(st.sampled_from(WHOLE)), st.lists(st.sampled_from(WHOLE)))
def test_being_the_same_machine_has_no_direction(one: list[str], other: list[str]) -> None:
    assert same_machine(one, other) is same_machine(other, one)


def test_facts_tell_nothing_without_the_salt() -> None:
    assert fact(Part.MAC, "52:54:00:12:34:56", "a") != fact(Part.MAC, "52:54:00:12:34:56", "b")
    assert fact(Part.MAC, "52-54-00-12-34-56", "a") == fact(Part.MAC, "52:54:00:12:34:56", "a")
    for text in ("", "To be filled by O.E.M.", "Default string", "00000000", "None"):
        assert fact(Part.BOARD, text, "a") == ""


def test_facts_that_none_made_are_refused() -> None:
    check_facts(WHOLE)
    for bad in (("color:blue",), ("mac",), WHOLE * 5):
        with pytest.raises(ContractError):
            check_facts(bad)


def computer(root: Path, serial: str, mac: str, machine_id: str = "0123abcd") -> Path:
    """The files of a Linux computer that facts are read from."""
    for name, text in (
        ("etc/machine-id", machine_id),
        ("sys/class/dmi/id/product_serial", serial),
        ("sys/class/dmi/id/board_serial", "Default string"),
        ("sys/class/net/eth0/address", mac),
        ("sys/class/net/eth0/device/vendor", "0x8086"),
        ("sys/class/net/docker0/address", "02:42:00:00:00:01"),
        ("sys/block/sda/device/serial", f"D{serial}"),
        ("sys/block/sdb/removable", "1"),
        ("sys/block/sdb/device/serial", "a stick"),
    ):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")
    return root


def test_facts_are_of_what_is_built_in(tmp_path: Path) -> None:
    found = machine_facts(SALT, computer(tmp_path, "PF3XYZ", "52:54:00:12:34:56"))
    assert set(found) == {
        fact(Part.SYSTEM, "0123abcd", SALT),
        fact(Part.SERIAL, "PF3XYZ", SALT),
        fact(Part.MAC, "52:54:00:12:34:56", SALT),
        fact(Part.DISK, "DPF3XYZ", SALT),
    }
    assert machine_facts(SALT, tmp_path / "nothing") == ()
