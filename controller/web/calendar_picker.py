"""Which things the calendar shows: chosen one by one, or a room or kind at once. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from controller.scheduling.views import ThingView
from controller.web import booking_words as say
from controller.web.calendar_grid import Reader
from controller.web.calendar_view import MOST_LANES
from controller.web.typography import tidy


@dataclass(frozen=True, slots=True)
class Tick:
    id: int
    name: str
    shown: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A room with what can be booked in it."""

    name: str
    ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class Shortcut:
    """As many things at once as stand beside each other."""

    text: str
    href: str
    current: bool


@dataclass(frozen=True, slots=True)
class Picker:
    """`shown` of `all` things can be seen."""

    week: str
    day: str
    shown: int
    all: int
    most: int
    places: tuple[Place, ...]
    shortcuts: tuple[Shortcut, ...]


def picker(reader: Reader, things: Sequence[ThingView]) -> Picker:
    shown = {each.id for each in reader.lanes}
    return Picker(
        week=reader.monday.isoformat(),
        day=reader.day.isoformat(),
        shown=len(shown),
        all=len(things),
        most=MOST_LANES,
        places=tuple(
            Place(name, tuple(Tick(each.id, tidy(each.name), each.id in shown) for each in found))
            for name, found in _places(things)
        ),
        shortcuts=tuple(_shortcuts(reader, things)),
    )


def _places(things: Sequence[ThingView]) -> Iterator[tuple[str, list[ThingView]]]:
    for (school, room), found in groupby(things, key=lambda each: (each.school, each.room)):
        yield " · ".join(filter(None, (tidy(room), tidy(school)))), list(found)


def _shortcuts(reader: Reader, things: Sequence[ThingView]) -> Iterator[Shortcut]:
    for name, found in _places(things):
        yield from _chunks(reader, name, found)
    classes = dict.fromkeys(each.class_name for each in things if each.class_name)
    for class_name in classes:
        alike = [each for each in things if each.class_name == class_name]
        if len(alike) > 1:
            yield from _chunks(reader, say.class_words(class_name, reader.words), alike)


def _chunks(reader: Reader, name: str, found: Sequence[ThingView]) -> Iterator[Shortcut]:
    """One link if all of them fit beside each other, else one for as many as do."""
    shown = [each.id for each in reader.lanes]
    for first in range(0, len(found), MOST_LANES):
        part = found[first : first + MOST_LANES]
        text = name if len(found) <= MOST_LANES else f"{name} ({first + 1}–{first + len(part)} / {len(found)})"
        href = reader.showing(part).address(reader.monday, reader.day)
        yield Shortcut(tidy(text), href, current=[each.id for each in part] == shown)
