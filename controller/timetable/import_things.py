"""Rooms and machines in a table: which lines the things of a school are, and which entries lines are. Pure."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from controller.folding import fold
from controller.scheduling.entries import Kind, RetireThing, WriteRoom, WriteThing, WrongEntry
from controller.timetable.cells import Meant
from controller.timetable.importing import (
    WRITING,
    Act,
    Change,
    Clash,
    Diff,
    Fault,
    Line,
    compare,
    in_order,
    joined,
    lines,
    numbered,
    once,
)
from controller.timetable.layouts import THINGS, Field
from controller.timetable.sheets import Sheet

_NOT_A_SLUG = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class StoredThing:
    """A thing as it is written, with the names of its room and circuit."""

    entry: WriteThing
    room: str
    circuit: str = ""


@dataclass(frozen=True, slots=True)
class ThingChange:
    """What is to be written, with room and circuit by name: either may be a new one."""

    line: Line
    entry: WriteThing
    room: str
    circuit: str


@dataclass(frozen=True, slots=True)
class ThingsDiff:
    """`rooms` are those that are new; circuits come before what hangs on them. `retired` are with their lines."""

    diff: Diff
    rooms: tuple[WriteRoom, ...] = ()
    things: tuple[ThingChange, ...] = ()
    retired: tuple[tuple[Line, RetireThing], ...] = ()


def diff_things(
    sheet: Sheet, school_id: str, stored: Sequence[StoredThing], rooms: Collection[str], drop: Collection[str]
) -> ThingsDiff:
    """`rooms` are the names of those that there are. A thing is known by its code, else by its room and name."""
    given, faults = lines(sheet, THINGS, _key)
    before = _stored_lines(stored)
    known_rooms = {room_key(each): each for each in rooms}
    given, twice = once([_aligned(_placed(each, known_rooms), before) for each in given], Field.NAME)
    given, unwired = _wired(given, before)
    faults += [*twice, *unwired]
    known = {line.key: thing for line, thing in zip(before, stored, strict=True)}
    changes: list[Change] = []
    things: list[ThingChange] = []
    for change in compare(given, before, drop):
        try:
            entry = _entry(school_id, change.line, known.get(change.line.key))
        except WrongEntry as error:
            faults.append(fault(change.line, error))
            continue
        changes.append(change)
        if change.act in WRITING and change.act is not Act.REMOVED:
            things.append(entry)
    things.sort(key=lambda each: each.entry.kind is not Kind.CIRCUIT)
    wanted = {room_key(each.room): each.room for each in reversed(things) if room_key(each.room) not in known_rooms}
    removed = ((each.line, known[each.line.key].entry.thing_id) for each in changes if each.act is Act.REMOVED)
    return ThingsDiff(
        Diff(tuple(changes), in_order(faults)),
        tuple(WriteRoom(school_id, each) for each in wanted.values()),
        tuple(things),
        tuple((line, RetireThing(each)) for line, each in removed if each is not None),
    )


def room_key(name: str) -> str:
    """The same for names that differ in case, accents, blanks and signs alone: they mean one room."""
    return _NOT_A_SLUG.sub("-", fold(name)).strip("-")


def _placed(line: Line, rooms: Mapping[str, str]) -> Line:
    """With its room's name as it is stored; of a new room as the file has it."""
    name = _text(line, Field.ROOM)
    values = {**line.values, Field.ROOM: rooms.get(room_key(name), name)}
    return replace(line, values=values, key=_key(values))


def _key(values: Mapping[Field, Meant]) -> str:
    return joined(values.get(Field.ROOM), values.get(Field.NAME))


def _stored_lines(stored: Iterable[StoredThing]) -> list[Line]:
    return numbered(Line(_key(values), values) for values in map(_values, stored))


def _values(thing: StoredThing) -> dict[Field, Meant]:
    entry = thing.entry
    return {
        Field.ROOM: thing.room,
        Field.NAME: entry.name,
        Field.KIND: entry.kind,
        Field.CLASS: entry.class_name,
        Field.CAPACITY: entry.capacity,
        Field.SETUP: entry.setup_min,
        Field.CLEAN_UP: entry.clean_up_min,
        Field.CHARGE: entry.charge_min,
        Field.WATTS: entry.watts,
        Field.CIRCUIT: thing.circuit,
        Field.HAZARD: entry.hazard,
        Field.CERTIFICATE: entry.certificate,
        Field.SHARED: entry.shared,
        Field.APPROVAL: entry.approval,
        Field.CODE: entry.code,
    }


def _aligned(line: Line, stored: Sequence[Line]) -> Line:
    """Under the key of what has its code."""
    code = _text(line, Field.CODE).upper()
    if not code:
        return line
    line = replace(line, values={**line.values, Field.CODE: code})
    same = next((each for each in stored if each[Field.CODE] == code), None)
    return replace(line, key=same.key) if same else line


def _wired(given: Sequence[Line], stored: Sequence[Line]) -> tuple[list[Line], list[Fault]]:
    """Those whose circuit there is, or is to be."""
    circuits = {each[Field.NAME] for each in (*given, *stored) if each[Field.KIND] is Kind.CIRCUIT}
    unwired = [each for each in given if each[Field.CIRCUIT] and each[Field.CIRCUIT] not in circuits]
    faults = [each.fault(Field.CIRCUIT, Clash.NO_SUCH_CIRCUIT) for each in unwired]
    return [each for each in given if each not in unwired], faults


def _entry(school_id: str, line: Line, before: StoredThing | None) -> ThingChange:
    """Raises WrongEntry."""
    base = before.entry if before else WriteThing(school_id, _text(line, Field.NAME))
    kind = Kind(_text(line, Field.KIND) or base.kind)
    entry = replace(
        base,
        name=_text(line, Field.NAME),
        kind=kind,
        class_name=_text(line, Field.CLASS),
        code=_text(line, Field.CODE),
        capacity=_number(line, Field.CAPACITY, base.capacity),
        setup_min=_number(line, Field.SETUP, base.setup_min),
        clean_up_min=_number(line, Field.CLEAN_UP, base.clean_up_min),
        charge_min=_number(line, Field.CHARGE, base.charge_min),
        watts=_number(line, Field.WATTS, base.watts),
        hazard=_number(line, Field.HAZARD, base.hazard),
        certificate=_text(line, Field.CERTIFICATE),
        shared=bool(line[Field.SHARED]),
        approval=bool(line[Field.APPROVAL]),
    )
    return ThingChange(line, entry, _text(line, Field.ROOM), _text(line, Field.CIRCUIT))


def fault(line: Line, error: WrongEntry) -> Fault:
    """Why the entry of a line is not written, by its row and column."""
    name = Field(error.field) if error.field in set(Field) else None
    text = line.texts.get(name, _text(line, name)) if name else error.name
    return Fault(line.row, name, text, error.fault, error.least, error.most, cause=error)


def _text(line: Line, name: Field) -> str:
    value = line[name]
    return "" if value is None else str(value)


def _number(line: Line, name: Field, otherwise: int) -> int:
    value = line[name]
    return value if isinstance(value, int) else otherwise
