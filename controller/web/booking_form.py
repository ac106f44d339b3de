"""The form in which somebody says what they want to book: read from its fields, and shown again. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from itertools import groupby
from typing import Final

from markupsafe import Markup

from controller.scheduling.alternatives import Alternative, Kind
from controller.scheduling.office import Asked, Look
from controller.scheduling.policy import HAZARD_SUPERVISED, MAINTENANCE
from controller.scheduling.school_time import Half, SchoolYear, Slot, instant
from controller.scheduling.stock import Item
from controller.scheduling.views import ThingView
from controller.web import booking_words as say
from controller.web import picks, typed
from controller.web.i18n import Language
from controller.web.typography import tidy

WAIT: Final = "wait"
"""The choice not to have anything now, but to be on the waitlist."""
MOST_ITEMS: Final = 4
"""Lines of a bundle."""
MOST_SUPERVISORS: Final = 2
_MOST_LETTERS: Final = 128
_MOST_PURPOSE: Final = 200
_MOST_COUNT: Final = 1_000
_FIVE_MIN: Final = 5


class Unclear(ValueError):
    """The form does not say what is wanted; the words are for the reader."""

    def __init__(self, words: Markup) -> None:
        super().__init__(str(words))
        self.words = words


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bundle: `thing:12`, `class:printer-3d` or nothing, and how many as it was typed."""

    what: str = ""
    count: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """The fields as they were typed. `choice` is an alternative that was offered, or `WAIT`; `lanes` what the calendar
    shows.

    `begins` and `ends` are times of the clock, and count before the periods `first` and `last`.
    """

    key: str = ""
    day: str = ""
    first: str = ""
    last: str = ""
    begins: str = ""
    ends: str = ""
    lines: tuple[Line, ...] = ()
    title: str = ""
    purpose: str = ""
    head_count: str = ""
    supervisors: tuple[str, ...] = ()
    holder: str = ""
    school: str = ""
    maintenance: bool = False
    reason: str = ""
    choice: str = ""
    lanes: str = ""


def draft(fields: Mapping[str, str]) -> Draft:
    """What a form or an address says; what is not there is empty."""

    def text(name: str, most: int = 64) -> str:
        return fields.get(name, "").strip()[:most]

    return Draft(
        key=text("key", 60),
        day=text("day"),
        first=text("first"),
        last=text("last"),
        begins=text("begins"),
        ends=text("ends"),
        lines=tuple(Line(text(f"item{n}"), text(f"count{n}")) for n in range(1, MOST_ITEMS + 1)),
        title=text("title", _MOST_LETTERS),
        purpose=text("purpose", _MOST_PURPOSE),
        head_count=text("head_count"),
        supervisors=tuple(filter(None, (text(f"supervisor{n}") for n in range(1, MOST_SUPERVISORS + 1)))),
        holder=text("holder"),
        school=text("school"),
        maintenance=bool(text("maintenance")),
        reason=text("reason", _MOST_PURPOSE),
        choice=text("choice", 200),
        lanes=text("lanes", 200),
    )


# what it asks for


@dataclass(frozen=True)
class Ground:
    """What a form is read against: the calendar and the things within the reader's reach."""

    year: SchoolYear
    things: Sequence[ThingView]
    words: Language

    def thing(self, thing_id: int) -> ThingView | None:
        return next((each for each in self.things if each.id == thing_id), None)

    @property
    def names(self) -> Mapping[int, str]:
        return {each.id: tidy(each.name) for each in self.things}


def asked(given: Draft, ground: Ground) -> Asked:
    """What the form asks for, as typed or as the alternative that was chosen. Raises Unclear."""
    items = tuple(_items(given.lines, ground))
    if not items:
        raise Unclear(ground.words.t("Choose what you want to book."))
    span = _span(given, ground)
    if given.choice:
        span, items = _chosen(given.choice, items, ground)
    return Asked(
        items=items,
        start_ms=span.start,
        end_ms=span.stop,
        kind=MAINTENANCE if given.maintenance else "lesson",
        title=given.title,
        purpose=given.purpose,
        head_count=_count(given.head_count, ground) or 0,
        holder=given.holder,
        school_id=given.school,
        supervisors=tuple(dict.fromkeys(given.supervisors)),
    )


def hazardous(items: Sequence[Item], ground: Ground) -> bool:
    """Whether pupils may work with any of it beside a supervisor alone."""
    ids = {each.resource_id for each in items}
    classes = {each.class_name for each in items} - {""}
    return any(
        each.hazard >= HAZARD_SUPERVISED and (each.id in ids or each.class_name in classes) for each in ground.things
    )


def _items(lines: Sequence[Line], ground: Ground) -> Iterator[Item]:
    for line in lines:
        kind, _, name = line.what.partition(":")
        if not name:
            continue
        count = _count(line.count, ground) or 1
        if kind == "class":
            yield Item(class_name=name, count=count)
            continue
        number = typed.whole(name)
        thing = ground.thing(number) if number is not None else None
        if thing is None:
            raise Unclear(ground.words.t("This is not here to be booked any more."))
        yield Item(thing.id, count=count if thing.kind == "pool" else 1)


def _span(given: Draft, ground: Ground) -> range:
    day, words = typed.day(given.day), ground.words
    if day is None:
        raise Unclear(words.t("Choose a day."))
    if given.begins or given.ends:
        begins, ends = _clock(given.begins), _clock(given.ends)
        if begins is None or ends is None or begins >= ends:
            raise Unclear(words.t("Give both times, to five minutes, the earlier one first."))
        return range(instant(day, begins, ground.year.zone), instant(day, ends, ground.year.zone))
    first, last = (_slot(each or given.first, day, ground.year) for each in (given.first, given.last))
    if first is None or last is None:
        raise Unclear(words.t("There is no such period on {day}.", day=say.day_words(day, words)))
    if first.start_ms >= last.end_ms:
        raise Unclear(words.t("The last period comes before the first one."))
    return range(first.start_ms, last.end_ms)


def _slot(key: str, day: date, year: SchoolYear) -> Slot | None:
    half, _, text = key.partition("-")
    count = typed.whole(text)
    if half not in set(Half) or count is None:
        return None
    return year.slot(day, Half(half), count)


def _count(text: str, ground: Ground) -> int | None:
    if not text:
        return None
    count = typed.whole(text)
    if count is None or count > _MOST_COUNT:
        raise Unclear(ground.words.t("“{text}” is not a number that can be meant here.", text=text))
    return count


def _clock(text: str) -> time | None:
    try:
        found = time.fromisoformat(text)
    except ValueError:
        return None
    return None if found.minute % _FIVE_MIN or found.second or found.tzinfo else found


# alternatives, as values of a form


def _choice(alternative: Alternative, wish: Asked, ground: Ground) -> str:
    """Units are named only where they are others than were wished; pools stay as they were asked for."""
    span = range(alternative.start_ms, alternative.end_ms)
    if alternative.kind not in (Kind.OTHER_UNIT, Kind.OTHER_UNIT_AND_TIME):
        return picks.written(span)
    units = (Item(unit.id) for group in alternative.choice.units for unit in group)
    return picks.written(span, (*units, *(each for each in wish.items if _is_pool(each, ground))))


def _chosen(choice: str, items: tuple[Item, ...], ground: Ground) -> tuple[range, tuple[Item, ...]]:
    """The time (ms) and items of an alternative. Raises Unclear."""
    try:
        span, others = picks.read(choice)
    except picks.WrongPick:
        raise Unclear(ground.words.t("Choose one of the alternatives again.")) from None
    return span, others or items


def _is_pool(item: Item, ground: Ground) -> bool:
    thing = ground.thing(item.resource_id) if item.resource_id is not None else None
    return thing is not None and thing.kind == "pool"


# how it is shown


@dataclass(frozen=True, slots=True)
class Option:
    value: str
    text: str


@dataclass(frozen=True, slots=True)
class Group:
    """Options under one heading."""

    name: str
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class Form:
    """`manages`: who may book for others, for maintenance, and overrule. `certified`: a supervisor is asked for.

    `lines` and `supervisors` have as many places as there are fields.
    """

    given: Draft
    lines: tuple[Line, ...]
    supervisors: tuple[str, ...]
    periods: tuple[Option, ...]
    offers: tuple[Group, ...]
    people: tuple[Option, ...]
    manages: bool
    certified: bool


def form(given: Draft, ground: Ground, people: Sequence[Option], *, manages: bool) -> Form:
    """The form with what was typed. Periods are those of its day, or of the next one that has some."""
    day = typed.day(given.day)
    try:
        certified = hazardous(tuple(_items(given.lines, ground)), ground)
    except Unclear:
        certified = False
    return Form(
        given=given,
        lines=(*given.lines, *(Line() for _ in range(MOST_ITEMS)))[:MOST_ITEMS],
        supervisors=(*given.supervisors, *([""] * MOST_SUPERVISORS))[:MOST_SUPERVISORS],
        periods=period_options(ground.year.slots(ground.year.next_taught(day)) if day else (), ground),
        offers=tuple(offers(ground)),
        people=tuple(people),
        manages=manages,
        certified=certified,
    )


def offers(ground: Ground) -> Iterator[Group]:
    """What can be booked: any of a class, then every thing by its place."""
    words = ground.words
    sizes: dict[str, int] = {}
    for each in ground.things:
        if each.class_name and each.kind == "unit":
            sizes[each.class_name] = sizes.get(each.class_name, 0) + 1
    several = [(name, size) for name, size in sizes.items() if size > 1]
    if several:
        options = (
            Option(f"class:{name}", words.t("{kind}: any of {n}", kind=say.class_words(name, words), n=size))
            for name, size in several
        )
        yield Group(words.t("Any of a kind"), tuple(options))
    for (school, room), found in groupby(ground.things, key=lambda each: (each.school, each.room)):
        yield Group(" · ".join(filter(None, (tidy(school), tidy(room)))), tuple(_offer(each, words) for each in found))


def _offer(thing: ThingView, words: Language) -> Option:
    name = tidy(thing.name)
    text = words.t("{thing} ({n})", thing=name, n=thing.capacity) if thing.kind == "pool" else name
    return Option(f"thing:{thing.id}", text)


def period_options(slots: Sequence[Slot], ground: Ground) -> tuple[Option, ...]:
    """Every period of a day, as a form names it."""
    return tuple(
        Option(
            f"{each.period.half}-{each.period.number}",
            Markup("{} ({})").format(
                say.capital(say.period_words((each,), ground.words)),
                say.clock_words(range(each.start_ms, each.end_ms), ground.year.zone),
            ),
        )
        for each in slots
    )


@dataclass(frozen=True, slots=True)
class Other:
    """An alternative as it stands beside its radio button."""

    value: str
    text: Markup


@dataclass(frozen=True, slots=True)
class LookView:
    """What would become of it. `unclear` stands alone: then there is nothing to tell yet. `waitable`: one may wait."""

    unclear: Markup | None = None
    summary: Markup | None = None
    against: tuple[Markup, ...] = ()
    request: bool = False
    overridable: bool = False
    others: tuple[Other, ...] = ()
    waitable: bool = False
    quota: Markup | None = None
    percent: float = 0.0

    @property
    def good(self) -> bool:
        return self.unclear is None and not self.against


def look_view(wish: Asked, look: Look, ground: Ground) -> LookView:
    """What the office says, in words."""
    words = ground.words
    against = [say.problem_words(each, ground.names, words) for each in look.problems]
    if not look.free and (look.taken_by or not against):
        against.insert(0, say.taken_words(look.taken_by, words))
    limit = look.allowed
    return LookView(
        summary=summary(wish, ground),
        against=tuple(against),
        request=look.request,
        overridable=look.overridable and (look.free or not look.taken_by),
        others=tuple(
            Other(_choice(each, wish, ground), say.alternative_words(each, ground.names, ground.year, words))
            for each in look.alternatives
        ),
        waitable=not look.problems and not look.free,
        quota=words.t("Your school has used {used} of {limit} periods this week.", used=look.used, limit=limit)
        if limit
        else None,
        percent=min(100.0, 100 * look.used / limit) if limit else 0.0,
    )


def summary(wish: Asked, ground: Ground) -> Markup:
    """What and when: "Máy in 3D B · tiết 3–4 (09:15–10:50), Thứ Tư 25/11"."""
    when = say.when_words(range(wish.start_ms, wish.end_ms), ground.year, ground.words)
    things = ", ".join(say.item_words(each, ground.names, ground.words) for each in wish.items)
    return Markup("{} · {}").format(things, when)
