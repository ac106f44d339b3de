"""What is written in a stocktaking: rooms, things, hours, limits and certificates, each as a value. Pure.

An entry with an id changes what has it; without one it changes what has the same key (named at each), or adds it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from itertools import pairwise
from typing import Final, TypeAlias

from controller.scheduling.ahead import Ahead
from controller.scheduling.opening_hours import Open
from controller.scheduling.policy import Limits

LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Of the codes on labels: without those that are taken for one another."""
MOST_HAZARD: Final = 3


class Kind(StrEnum):
    UNIT = "unit"
    POOL = "pool"
    CIRCUIT = "circuit"


class Fault(StrEnum):
    """Why an entry cannot be. These names are kept; each goes with the field that `WrongEntry` names."""

    MISSING = "missing"
    TOO_LONG = "too-long"
    OUT_OF_RANGE = "out-of-range"
    NOT_A_CODE = "not-a-code"
    CODE_TAKEN = "code-taken"
    NOT_HERE = "not-here"
    DEVICE_TAKEN = "device-taken"
    NAME_TAKEN = "name-taken"
    KIND_FIXED = "kind-fixed"
    LOADED = "loaded"
    OVERLOADED = "overloaded"
    STILL_BOOKED = "still-booked"
    STILL_WIRED = "still-wired"
    BACKWARDS = "backwards"
    OVERLAP = "overlap"


class StocktakingError(Exception):
    """Nothing of the entry was written."""


class WrongEntry(StocktakingError):
    """It was not written: mend `field` (a name of the entry's), and try again (422).

    `least` and `most` are what the field may be if it is OUT_OF_RANGE or TOO_LONG. What is LOADED must be `least` for
    the bookings ahead. On an OVERLOADED circuit of that `name`, which carries `most` watts, they would take `found`.
    `bookings` are those ahead of what is STILL_BOOKED.
    """

    def __init__(
        self,
        fault: Fault,
        at: str,
        *,
        least: int = 0,
        most: int = 0,
        found: int = 0,
        name: str = "",
        bookings: Sequence[Ahead] = (),
    ) -> None:
        super().__init__(
            f"{at}: {fault}" + (f" ({found} of {most})" if found else f" ({least} to {most})" * bool(most))
        )
        self.fault = fault
        self.field = at
        self.least = least
        self.most = most
        self.found = found
        self.name = name
        self.bookings = tuple(bookings)


class NoSuchEntry(StocktakingError):
    """There is none of that id, or no such school, within the asker's scope: look again (404)."""


@dataclass(frozen=True, slots=True)
class WriteRoom:
    """Its key is (`school_id`, `slug`); an empty slug is made from the name."""

    school_id: str
    name: str
    slug: str = ""
    room_id: int | None = None

    def __post_init__(self) -> None:
        _text("name", self.name, 64)


@dataclass(frozen=True, slots=True)
class WriteThing:
    """As `tables.Resource` has it. Its key is `code`, if that is not empty; an empty one gets a new code.

    Room, circuit and device are of the same school. One that is retired is in use again. `fresh`: there must be none
    of that code yet.
    """

    school_id: str
    name: str
    kind: Kind = Kind.UNIT
    class_name: str = ""
    code: str = ""
    room_id: int | None = None
    device_id: int | None = None
    circuit_id: int | None = None
    capacity: int = 1
    setup_min: int = 0
    clean_up_min: int = 0
    charge_min: int = 0
    watts: int = 0
    hazard: int = 0
    certificate: str = ""
    shared: bool = False
    approval: bool = False
    thing_id: int | None = None
    fresh: bool = False

    def __post_init__(self) -> None:
        _text("name", self.name, 128)
        _text("class_name", self.class_name, 63, least=0)
        _text("certificate", self.certificate, 63, least=0)
        if self.code and (len(self.code) > 8 or not set(self.code) <= set(LETTERS)):
            raise WrongEntry(Fault.NOT_A_CODE, "code")
        _number("capacity", self.capacity, 1, 1 if self.kind is Kind.UNIT else 100_000)
        _number("setup_min", self.setup_min, 0, 240)
        _number("clean_up_min", self.clean_up_min, 0, 240)
        _number("charge_min", self.charge_min, 0, 240 if self.kind is Kind.POOL else 0)
        _number("watts", self.watts, 0, 100_000 if self.kind is Kind.UNIT else 0)
        _number("hazard", self.hazard, 0, MOST_HAZARD)


@dataclass(frozen=True, slots=True)
class RetireThing:
    """Nobody can book it any more; what was booked stays in the reports."""

    thing_id: int


@dataclass(frozen=True, slots=True)
class WriteHours:
    """A room's whole week; without any it is always open. Its key is the room."""

    room_id: int
    weekly: tuple[Open, ...]

    def __post_init__(self) -> None:
        ordered = sorted(self.weekly, key=lambda each: (each.weekday, each.opens))
        for before, after in pairwise(ordered):
            closes = before.closes.hour * 60 + before.closes.minute or 24 * 60
            if before.weekday == after.weekday and after.opens.hour * 60 + after.opens.minute < closes:
                raise WrongEntry(Fault.OVERLAP, "weekly", found=after.weekday)


@dataclass(frozen=True, slots=True)
class WriteClosure:
    """Days, both included. Its key is (`school_id`, `room_id`, `first`); without a room it closes the whole school."""

    school_id: str
    room_id: int | None
    name: str
    first: date
    last: date
    closure_id: int | None = None

    def __post_init__(self) -> None:
        _text("name", self.name, 64)
        if self.first > self.last:
            raise WrongEntry(Fault.BACKWARDS, "last")


@dataclass(frozen=True, slots=True)
class RemoveClosure:
    closure_id: int


@dataclass(frozen=True, slots=True)
class WriteLimits:
    """As `tables.BookingLimits`. Its key is the school."""

    school_id: str
    limits: Limits = field(default_factory=Limits)
    no_show_min: int = 15
    request_h: int = 48

    def __post_init__(self) -> None:
        rules = self.limits
        _number("notice_days", rules.notice_days, 0, 60)
        _number("furthest_days", rules.furthest_days, 1, 730)
        _number("shortest_min", rules.shortest_min, 5, 600)
        _number("longest_min", rules.longest_min, rules.shortest_min, 1_440)
        for name, quota in (("person_week", rules.person_week), ("school_week", rules.school_week)):
            if quota is not None:
                _number(name, quota, 0, 10_000)
        if len(rules.pupils_per_adult) != MOST_HAZARD + 1:
            raise WrongEntry(Fault.MISSING, "pupils_per_adult")
        for pupils in rules.pupils_per_adult:
            _number("pupils_per_adult", pupils, 1, 1_000)
        _number("soon_h", rules.soon_h, 0, 168)
        _number("no_show_min", self.no_show_min, 5, 240)
        _number("request_h", self.request_h, 1, 720)


@dataclass(frozen=True, slots=True)
class WriteCertificate:
    """That somebody may use what needs it, up to `until_ms` if that is set. Its key is (`user_id`, `name`)."""

    user_id: str
    name: str
    until_ms: int | None = None

    def __post_init__(self) -> None:
        _text("name", self.name, 63)


@dataclass(frozen=True, slots=True)
class RemoveCertificate:
    certificate_id: int


Entry: TypeAlias = (
    WriteRoom
    | WriteThing
    | RetireThing
    | WriteHours
    | WriteClosure
    | RemoveClosure
    | WriteLimits
    | WriteCertificate
    | RemoveCertificate
)


def _text(at: str, text: str, most: int, least: int = 1) -> None:
    if len(text.strip()) < least:
        raise WrongEntry(Fault.MISSING, at)
    if len(text) > most:
        raise WrongEntry(Fault.TOO_LONG, at, most=most)


def _number(at: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise WrongEntry(Fault.OUT_OF_RANGE, at, least=least, most=most)
