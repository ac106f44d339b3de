"""The list of a school's computers in a table: which lines there are, and what of the list a file changes. Pure.

A computer is known by its serial number, else by its network card. One of both is needed: a name alone finds nobody.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from contract.machine import plain
from controller.timetable.cells import Meant, Wrong
from controller.timetable.importing import WRITING, Act, Diff, Line, compare, in_order, joined, lines, once
from controller.timetable.layouts import ASSETS, Field
from controller.timetable.sheets import Sheet


@dataclass(frozen=True, slots=True)
class Listed:
    """A computer as the list has it. `made` is what kind of computer it is."""

    name: str
    room: str = ""
    serial: str = ""
    mac: str = ""
    made: str = ""


@dataclass(frozen=True, slots=True)
class AssetsDiff:
    """`write` are new or changed, `remove` go; both by the key that `key_of` gives."""

    diff: Diff
    write: Mapping[str, Listed]
    remove: frozenset[str]


def key_of(listed: Listed) -> str:
    return joined(plain(listed.serial) or plain(listed.mac))


def diff_assets(sheet: Sheet, stored: Sequence[Listed], drop: Collection[str]) -> AssetsDiff:
    given, faults = lines(sheet, ASSETS, _key)
    unknown = [each for each in given if not each.key]
    faults += [each.fault(Field.SERIAL, Wrong.MISSING) for each in unknown]
    given, twice = once([each for each in given if each.key], Field.SERIAL)
    changes = compare(given, [Line(key_of(each), _values(each)) for each in stored], drop)
    write = {each.line.key: _listed(each.line) for each in changes if each.act in WRITING - {Act.REMOVED}}
    remove = frozenset(each.line.key for each in changes if each.act is Act.REMOVED)
    return AssetsDiff(Diff(changes, in_order([*faults, *twice])), write, remove)


def _key(values: Mapping[Field, Meant]) -> str:
    serial, mac = (plain(str(values.get(field) or "")) for field in (Field.SERIAL, Field.MAC))
    return joined(serial or mac)


def _values(listed: Listed) -> dict[Field, Meant]:
    return {
        Field.NAME: listed.name,
        Field.ROOM: listed.room,
        Field.SERIAL: listed.serial,
        Field.MAC: listed.mac,
        Field.MADE: listed.made,
    }


def _listed(line: Line) -> Listed:
    name, room, serial, mac, made = (
        str(line[field] or "") for field in (Field.NAME, Field.ROOM, Field.SERIAL, Field.MAC, Field.MADE)
    )
    return Listed(name, room, serial, mac, made)
