"""What a computer is known by: hashed facts about its parts, and when two lists of them mean one computer. Pure.

A fact is `part:digest`. The digest is salted by the installation: nobody can look a serial number up by it elsewhere.
"""

import hashlib
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Final

from contract.model import ContractError, check_text

MAX_FACTS: Final = 16
_DIGITS: Final = 24
_NO_SERIALS: Final = frozenset(
    {
        "", "0", "none", "na", "unknown", "default", "defaultstring", "invalid", "systemserialnumber", "notspecified",
        "tobefilledbyoem", "tobefilledbyo.e.m.", "notapplicable", "oem", "serial", "123456789", "0123456789",
    }
)  # fmt: skip
"""What makers write where a serial number should be."""


class Part(StrEnum):
    """`SYSTEM` is the operating system's own id: a copy of the disk has it as well. The rest is of the hardware."""

    SYSTEM = "system"
    SERIAL = "serial"
    BOARD = "board"
    MAC = "mac"
    DISK = "disk"


_TELLING: Final = frozenset({Part.SERIAL, Part.BOARD, Part.DISK})
"""Parts that nobody sees who was not at the computer."""


def plain(text: str) -> str:
    """A serial number or hardware address as it is compared; empty for one that says nothing."""
    letters = "".join(letter for letter in text.strip().lower() if letter.isalnum())
    return "" if letters in _NO_SERIALS or len(set(letters)) < 2 else letters


def fact(part: Part, text: str, salt: str) -> str:
    """Empty if `text` says nothing."""
    letters = plain(text)
    if not letters:
        return ""
    return f"{part}:{hashlib.sha256(f'{salt}|{part}|{letters}'.encode()).hexdigest()[:_DIGITS]}"


def same_machine(one: Collection[str], other: Collection[str]) -> bool:
    """Whether at least half of the parts that both tell of agree, one of them of the hardware if both tell of any.

    Parts may come several times (network cards): one in common is enough. Nothing in common to look at is not the same.
    """
    mine, theirs = _by_part(one), _by_part(other)
    both = mine.keys() & theirs.keys()
    agreed = {part for part in both if mine[part] & theirs[part]}
    hardware = both - {Part.SYSTEM}
    if not agreed or (hardware and not agreed & hardware):
        return False
    return 2 * len(agreed) >= len(both)


def surely_same(known: Collection[str], shown: Collection[str]) -> bool:
    """Whether `shown` has at least half of the parts that are known, one of them neither a network card, which the
    whole network sees, nor the system's id, which a copied disk has too, if any such is known.

    Unlike `same_machine` it makes a difference which is which: telling less is no help.
    """
    mine, theirs = _by_part(known), _by_part(shown)
    agreed = {part for part in mine.keys() & theirs.keys() if mine[part] & theirs[part]}
    telling = mine.keys() & _TELLING or mine.keys() - {Part.MAC}
    return bool(agreed & telling) and 2 * len(agreed) >= len(mine)


def check_facts(facts: Collection[str]) -> None:
    """Raises ContractError for what `fact` never makes."""
    if len(facts) > MAX_FACTS:
        raise ContractError(f"machine: more than {MAX_FACTS} facts")
    for each in facts:
        check_text(each, "machine", 64)
        part, _, digest = each.partition(":")
        if part not in set(Part) or not digest:
            raise ContractError(f"machine: {each[:64]!r} is no fact")


def _by_part(facts: Collection[str]) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = {}
    for each in facts:
        found.setdefault(each.partition(":")[0], set()).add(each)
    return found
