"""What the pages of rooms and machines show: things by room, and the fields of each form."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import time
from typing import Final

from markupsafe import Markup

from controller.scheduling.entries import MOST_HAZARD, Kind, WriteClosure, WriteHours, WriteLimits, WriteThing
from controller.scheduling.inventory import Inventory
from controller.scheduling.opening_hours import Open
from controller.scheduling.policy import Limits
from controller.web.admin_form import Field, Option
from controller.web.booking_words import SHORT_WEEKDAYS, WEEKDAYS, date_words
from controller.web.i18n import Language, number

NEW_THING: Final[Mapping[str, str]] = {"kind": Kind.UNIT, "capacity": "1", "hazard": "0"}
"""What stands in the form of a thing that is to be added."""
OPENINGS: Final = 2
"""So many times a room can open on one day; one that opens more often keeps that."""


@dataclass(frozen=True, slots=True)
class ThingEntry:
    href: str
    name: str
    about: str
    code: str
    badges: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RoomEntry:
    """`href` is empty for what stands in no room."""

    href: str
    name: str
    hours: str
    things: tuple[ThingEntry, ...]


@dataclass(frozen=True, slots=True)
class ClosureEntry:
    id: int
    name: str
    where: str
    dates: str


@dataclass(frozen=True, slots=True)
class DayHours:
    """The fields of a weekday: of each opening the name, and what stands in `<name>-opens` and `<name>-closes`."""

    name: str
    openings: tuple[tuple[str, str, str], ...]


def kind_words(kind: Kind, words: Language) -> Markup:
    return {
        Kind.UNIT: words.t("Booked whole: a machine or a room"),
        Kind.POOL: words.t("Booked by number: kits, laptops"),
        Kind.CIRCUIT: words.t("Power circuit: carries watts, is not booked"),
    }[kind]


def hazard_words(level: int, words: Language) -> Markup:
    return (
        words.t("H0 · harmless"),
        words.t("H1 · with care"),
        words.t("H2 · with instruction"),
        words.t("H3 · somebody certified stays beside it"),
    )[level]


def rooms(inventory: Inventory, words: Language) -> tuple[RoomEntry, ...]:
    """Every room with its things, and last what stands in none."""
    weekly = {each.room_id: each for each in inventory.hours}
    found = [
        RoomEntry(
            f"/admin/rooms/{room.room_id}",
            room.name,
            hours_words(weekly.get(room.room_id or 0), words),
            entries([each for each in inventory.things if each.room_id == room.room_id], words),
        )
        for room in inventory.rooms
    ]
    loose = entries([each for each in inventory.things if each.room_id is None], words)
    return (*found, *([RoomEntry("", words.t("In no room"), "", loose)] if loose else []))


def entries(things: Sequence[WriteThing], words: Language) -> tuple[ThingEntry, ...]:
    return tuple(
        ThingEntry(f"/admin/things/{each.thing_id}", each.name, _about(each, words), each.code, _badges(each, words))
        for each in things
    )


def closures(inventory: Inventory, words: Language) -> tuple[ClosureEntry, ...]:
    names = {each.room_id: each.name for each in inventory.rooms}
    return tuple(
        ClosureEntry(
            each.closure_id or 0,
            each.name,
            names[each.room_id] if each.room_id else words.t("The whole school"),
            _dates(each, words),
        )
        for each in inventory.closures
    )


def hours_words(hours: WriteHours | None, words: Language) -> str:
    """Mon 07:00–11:30, 13:00–17:00; Tue …"""
    if hours is None or not hours.weekly:
        return words.t("always open")
    days: dict[int, list[str]] = {}
    for each in sorted(hours.weekly, key=lambda each: (each.weekday, each.opens)):
        closes = "24:00" if each.closes == time(0) else f"{each.closes:%H:%M}"
        days.setdefault(each.weekday, []).append(f"{each.opens:%H:%M}–{closes}")
    return "; ".join(f"{SHORT_WEEKDAYS[day](words)} {', '.join(spans)}" for day, spans in days.items())


# forms


def thing_values(thing: WriteThing) -> Mapping[str, str]:
    def text(value: object) -> str:
        if isinstance(value, bool):
            return "on" if value else ""
        return "" if value is None else str(value)

    return {name: text(value) for name, value in asdict(thing).items() if name not in ("thing_id", "fresh")}


def thing_fields(
    inventory: Inventory, values: Mapping[str, str], problems: Mapping[str, str], words: Language
) -> tuple[Field, ...]:
    """In the order in which one would say it."""

    def one(name: str, label: Markup, kind: str = "text", *options: Option, hint: str = "", most: int = 63) -> Field:
        return Field(
            name, label, values.get(name, ""), kind, hint, problems.get(name, ""), options,
            most=most, required=name == "name",
        )  # fmt: skip

    none = Option("", words.t("none"))
    circuits = [each for each in inventory.things if each.kind is Kind.CIRCUIT]
    return (
        one("name", words.t("Name"), most=128),
        one("kind", words.t("Kind"), "select", *(Option(each, kind_words(each, words)) for each in Kind)),
        one("class_name", words.t("Class"), hint=words.t("What “any of them” means, such as printer-3d, laser, room.")),
        one(
            "room_id",
            words.t("Room"),
            "select",
            none,
            *(Option(str(each.room_id), each.name) for each in inventory.rooms),
        ),
        one("device_id", words.t("Device behind it"), "select", none, *_devices(inventory, values)),
        one("code", words.t("Code on the label"), hint=words.t("Left empty, a new one is made."), most=8),
        one(
            "capacity",
            words.t("How many, or watts of a circuit"),
            "number",
            hint=words.t("1 for what is booked whole."),
        ),
        one(
            "circuit_id",
            words.t("Power circuit"),
            "select",
            none,
            *(Option(str(each.thing_id), each.name) for each in circuits),
        ),
        one("watts", words.t("Power it takes (W)"), "number"),
        one("setup_min", words.t("Setup (minutes)"), "number"),
        one(
            "clean_up_min",
            words.t("Clean-up, hygiene (minutes)"),
            "number",
            hint=words.t("For bookings made or moved from now on."),
        ),
        one(
            "charge_min",
            words.t("Charging (minutes)"),
            "number",
            hint=words.t("Of counted kits. They are cleaned while they charge: the next class waits for the longer."),
        ),
        one(
            "hazard",
            words.t("Hazard level"),
            "select",
            *(Option(str(at), hazard_words(at, words)) for at in range(MOST_HAZARD + 1)),
        ),
        one("certificate", words.t("Certificate needed"), hint=words.t("Left empty: none.")),
        one("shared", words.t("Other schools may book it too"), "checkbox"),
        one("approval", words.t("A teacher's booking waits for approval"), "checkbox"),
    )


def day_hours(values: Mapping[str, str], words: Language) -> tuple[DayHours, ...]:
    return tuple(
        DayHours(
            say(words),
            tuple(
                (name, values.get(f"{name}-opens", ""), values.get(f"{name}-closes", ""))
                for name in (opening_field(day, at) for at in range(openings(values)))
            ),
        )
        for day, say in enumerate(WEEKDAYS)
    )


def openings(values: Mapping[str, str]) -> int:
    """How many the form of opening hours has for each day."""
    found = (name.split("-") for name in values if name.startswith("open-"))
    return max([OPENINGS, *(int(each[2]) + 1 for each in found if each[2:3] and each[2] in "0123456789")])


def opening_field(day: int, at: int) -> str:
    return f"open-{day}-{at}"


def hours_values(weekly: Sequence[Open]) -> Mapping[str, str]:
    values: dict[str, str] = {}
    for day in range(7):
        for at, each in enumerate(
            sorted((each for each in weekly if each.weekday == day), key=lambda each: each.opens)
        ):
            name = opening_field(day, at)
            values |= {f"{name}-opens": f"{each.opens:%H:%M}", f"{name}-closes": f"{each.closes:%H:%M}"}
    return values


def limit_values(entry: WriteLimits) -> Mapping[str, str]:
    rules = {each.name: getattr(entry.limits, each.name) for each in fields(Limits) if each.name != "pupils_per_adult"}
    plain = {**rules, "no_show_min": entry.no_show_min, "request_h": entry.request_h}
    pupils = {f"pupils-{at}": str(each) for at, each in enumerate(entry.limits.pupils_per_adult)}
    return {name: "" if value is None else str(value) for name, value in plain.items()} | pupils


def limit_fields(values: Mapping[str, str], problems: Mapping[str, str], words: Language) -> tuple[Field, ...]:
    def one(name: str, label: Markup, hint: str = "") -> Field:
        return Field(name, label, values.get(name, ""), "number", hint, problems.get(name, ""))

    return (
        one("notice_days", words.t("School days ahead that it must be booked")),
        one("furthest_days", words.t("Days ahead that it can be booked")),
        one("shortest_min", words.t("Shortest booking (minutes)")),
        one("longest_min", words.t("Longest booking (minutes)")),
        one(
            "person_week",
            words.t("Periods a week for one person"),
            words.t("At shared machines; left empty: any number."),
        ),
        one(
            "school_week",
            words.t("Periods a week for one school"),
            words.t("At shared machines; left empty: any number."),
        ),
        *(
            one(f"pupils-{at}", words.t("Pupils for each supervisor at H{level}", level=at))
            for at in range(MOST_HAZARD + 1)
        ),
        one("soon_h", words.t("Hours ahead in which a fault counts")),
        one("no_show_min", words.t("Minutes after which nobody is expected any more")),
        one("request_h", words.t("Hours that a request holds what it wants")),
    )


def _devices(inventory: Inventory, values: Mapping[str, str]) -> tuple[Option, ...]:
    """Those that are free, and the one that is behind the thing now."""
    found = tuple(Option(str(device_id), name) for device_id, name in inventory.devices)
    now = values.get("device_id", "")
    known = any(each.value == now for each in found)
    return found if not now or known else (Option(now, values.get("name", now)), *found)


def _about(thing: WriteThing, words: Language) -> str:
    if thing.kind is Kind.CIRCUIT:
        return words.t("circuit of {n} W", n=number(thing.capacity, words.code))
    if thing.kind is Kind.POOL:
        return words.t("{n} of them", n=number(thing.capacity, words.code))
    return thing.class_name


def _badges(thing: WriteThing, words: Language) -> tuple[str, ...]:
    found = [f"H{thing.hazard}"] if thing.hazard else []
    if thing.shared:
        found.append(words.t("shared"))
    if thing.approval:
        found.append(words.t("on approval"))
    return tuple(found)


def _dates(closure: WriteClosure, words: Language) -> str:
    first, last = (date_words(each, words, year=True) for each in (closure.first, closure.last))
    return first if first == last else f"{first} – {last}"
