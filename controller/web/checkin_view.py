"""What the page behind a machine's label says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import urlencode

from markupsafe import Markup

from controller.identity.policy import Principal
from controller.scheduling.attendance import Free, Sight
from controller.scheduling.booking_errors import BookingError, NotYours, Refused
from controller.scheduling.policy import MAINTENANCE
from controller.scheduling.school_time import TICK_MS, SchoolYear
from controller.scheduling.sight import Moment
from controller.scheduling.views import BookingView
from controller.web.booking_words import capital, clock, clock_words, day_of, day_words, period_words, problem_words
from controller.web.formats import duration
from controller.web.i18n import Language

_LESSON_MS: Final = 45 * 60_000
_STATUS: Final[Mapping[type[BookingError], int]] = {NotYours: 403, Refused: 422}


@dataclass(frozen=True, slots=True)
class Look:
    """How a state of the page looks: the state of ui.html whose colour it has, and its icon."""

    mood: str
    icon: str


_LOOKS: Final[Mapping[Moment, Look]] = {
    Moment.READY: Look("ok", icon="circle-check"),
    Moment.EARLY: Look("in-use", icon="clock"),
    Moment.LATE: Look("warning", icon="alert-triangle"),
    Moment.SOMEBODY_ELSES: Look("warning", icon="info-circle"),
    Moment.YOURS: Look("ok", icon="circle-check"),
    Moment.IN_USE: Look("in-use", icon="player-play"),
    Moment.UNCONFIRMED: Look("warning", icon="hourglass"),
    Moment.MAINTENANCE: Look("maintenance", icon="lock"),
    Moment.FREE: Look("ok", icon="calendar-plus"),
}


@dataclass(frozen=True, slots=True)
class BookingCard:
    """`time` has clock, class and head-count, `who` whoever answers for it."""

    periods: str
    time: str
    who: str


@dataclass(frozen=True, slots=True)
class Instead:
    text: str
    button: str
    href: str


@dataclass(frozen=True, slots=True)
class CheckinPage:
    """`error` is why the last step was not done. `beside` is what somebody may say who stands by: "", "ask", "said"."""

    code: str
    name: str
    place: str
    clock: str
    address: str
    moment: Moment
    look: Look
    title: str
    text: str
    booking: BookingCard | None
    opens: str
    substitute: str
    beside: str
    instead: Instead | None
    book_href: str
    jobs_href: str
    waiting: int
    error: str
    told: bool

    @property
    def mine(self) -> bool:
        """Whether the reader has the machine now, or can take it."""
        return self.moment in (Moment.READY, Moment.LATE, Moment.YOURS)


@dataclass(frozen=True, slots=True)
class Reading:
    """Who reads the label, when, and whence: `address` is what leads to this page."""

    who: Principal
    year: SchoolYear
    words: Language
    now_ms: int
    address: str
    jobs_href: str = ""
    waiting: int = 0
    error: str = ""
    told: bool = False

    def at(self, at_ms: int) -> str:
        return clock(at_ms, self.year.zone)


def checkin_page(sight: Sight, instead: Free | None, reading: Reading) -> CheckinPage:
    """`instead` is what is offered in place of what cannot be had."""
    words, booking = reading.words, sight.booking
    tell = _TELL[sight.moment]
    title, text = tell(sight, booking, reading) if booking else _free(sight, reading)
    return CheckinPage(
        code=sight.thing.code,
        name=sight.thing.name,
        place=" · ".join(filter(None, (sight.thing.room, sight.thing.school))),
        clock=reading.at(reading.now_ms),
        address=reading.address,
        moment=sight.moment,
        look=_LOOKS[sight.moment],
        title=str(title),
        text=str(text),
        booking=_card(booking, reading) if booking else None,
        opens=reading.at(sight.opens_ms),
        substitute=_substitute(sight, words) if sight.substitute else "",
        beside=("said" if sight.present else "ask") if sight.supervise else "",
        instead=_instead(instead, sight, reading) if instead else None,
        book_href=_book_href(Free(sight.thing, sight.free_until_ms), reading),
        jobs_href=reading.jobs_href,
        waiting=reading.waiting,
        error=reading.error,
        told=reading.told,
    )


def why(error: BookingError, name: str, words: Language) -> tuple[int, str]:
    """The status and the words for a step at the machine called `name` that was not done."""
    if isinstance(error, Refused):
        names = {each.resource: name for each in error.problems if each.resource is not None}
        text = " ".join(problem_words(each, names, words) for each in error.problems)
    elif isinstance(error, NotYours):
        text = str(words.t("This is somebody else's booking."))
    else:
        text = str(words.t("The booking has changed meanwhile. This is how it stands now."))
    return _STATUS.get(type(error), 409), text


_Tell: TypeAlias = Callable[[Sight, BookingView, Reading], tuple[Markup, Markup]]


def _ready(sight: Sight, _booking: BookingView, reading: Reading) -> tuple[Markup, Markup]:
    words = reading.words
    kept = words.t("The machine is kept until {time} if it is not checked in.", time=reading.at(sight.gives_up_ms))
    return words.t("It is your time"), kept


def _early(sight: Sight, booking: BookingView, reading: Reading) -> tuple[Markup, Markup]:
    words = reading.words
    span = duration(booking.start_ms - reading.now_ms + 59_999, words)
    opens = words.t("The button to check in opens at {time}.", time=reading.at(sight.opens_ms))
    return words.t("{span} early", span=span), opens


def _late(sight: Sight, booking: BookingView, reading: Reading) -> tuple[Markup, Markup]:
    words = reading.words
    return words.t("Still in time to check in"), words.t(
        "The booking began at {begin}. After {time} the machine goes to others.",
        begin=reading.at(booking.start_ms),
        time=reading.at(sight.gives_up_ms),
    )


def _somebody_elses(_sight: Sight, booking: BookingView, reading: Reading) -> tuple[Markup, Markup]:
    words = reading.words
    whose = words.t("This booking is {name}'s", name=booking.holder or booking.school)
    return whose, words.t("You are signed in as {name}.", name=reading.who.name)


def _yours(_sight: Sight, booking: BookingView, reading: Reading) -> tuple[Markup, Markup]:
    words = reading.words
    return words.t("Checked in at {time}", time=reading.at(booking.checked_in_ms or 0)), words.t(
        "The machine is open for {title} until {end}.",
        title=class_words(booking.title, words) or booking.school,
        end=reading.at(booking.end_ms),
    )


def _in_use(_sight: Sight, booking: BookingView, reading: Reading) -> tuple[Markup, Markup]:
    words = reading.words
    in_use = words.t("In use until {time}", time=reading.at(booking.end_ms))
    return in_use, words.t("Checked in for {name}.", name=class_words(booking.title, words) or booking.school)


def _unconfirmed(_sight: Sight, booking: BookingView, reading: Reading) -> tuple[Markup, Markup]:
    words = reading.words
    if booking.hold_until_ms is None:
        return words.t("Waiting for approval"), Markup()
    until = words.t("The machine's school answers by {time}.", time=reading.at(booking.hold_until_ms))
    return words.t("Waiting for approval"), until


def _maintenance(_sight: Sight, booking: BookingView, reading: Reading) -> tuple[Markup, Markup]:
    words = reading.words
    until = words.t("Until {time} nobody can check it in.", time=reading.at(booking.end_ms))
    return words.t("Under maintenance"), until


_TELL: Final[Mapping[Moment, _Tell]] = {
    Moment.READY: _ready,
    Moment.EARLY: _early,
    Moment.LATE: _late,
    Moment.SOMEBODY_ELSES: _somebody_elses,
    Moment.YOURS: _yours,
    Moment.IN_USE: _in_use,
    Moment.UNCONFIRMED: _unconfirmed,
    Moment.MAINTENANCE: _maintenance,
    Moment.FREE: lambda sight, _, reading: _free(sight, reading),
}


def _free(sight: Sight, reading: Reading) -> tuple[Markup, Markup]:
    words = reading.words
    return words.t("Nobody has booked it now"), capital(free_words(sight.free_until_ms, reading.year, words))


def free_words(until_ms: int | None, year: SchoolYear, words: Language) -> Markup:
    """ "trống đến 13:15": until when something is free, None for the rest of the day."""
    if until_ms is None:
        return words.t("free for the rest of the day")
    return words.t("free until {time}", time=clock(until_ms, year.zone))


def class_words(title: str, words: Language) -> str:
    """A class with its word in front, "lớp 8A1"; a club or an occasion as it is."""
    return str(words.t("class {name}", name=title)) if title[:1].isdigit() else title


def _substitute(sight: Sight, words: Language) -> str:
    holder = sight.booking.holder if sight.booking else ""
    return str(words.t("I teach this lesson in their place. {name} gets a notification.", name=holder))


def _instead(free: Free, sight: Sight, reading: Reading) -> Instead:
    words, thing = reading.words, free.thing
    until = free_words(free.until_ms, reading.year, words)
    if thing.room_id == sight.thing.room_id:
        text = words.t("Do you need a machine now? {name} in the same room is {until}.", name=thing.name, until=until)
    else:
        text = words.t(
            "Do you need a machine now? {name} in {room}, {school}, is {until}.",
            name=thing.name,
            room=thing.room,
            school=thing.school,
            until=until,
        )
    button = words.t("Book {name} now", name=thing.name)
    return Instead(str(text), str(button), _book_href(free, reading))


def _book_href(free: Free, reading: Reading) -> str:
    """The form to book, filled in for a lesson's length from the next five minutes on."""
    start_ms = -(-reading.now_ms // TICK_MS) * TICK_MS
    end_ms = min(start_ms + _LESSON_MS, free.until_ms or start_ms + _LESSON_MS)
    day = day_of(start_ms, reading.year.zone).isoformat()
    when = {"day": day, "begins": reading.at(start_ms), "ends": reading.at(end_ms)}
    return "/calendar/new?" + urlencode({"item1": f"thing:{free.thing.id}", **when})


def _card(booking: BookingView, reading: Reading) -> BookingCard:
    words, year = reading.words, reading.year
    slots, day = year.within(booking.start_ms, booking.end_ms), day_of(booking.start_ms, year.zone)
    pupils = words.tn("{n} pupil", "{n} pupils", booking.head_count) if booking.head_count else ""
    subject = words.t("Maintenance") if booking.kind == MAINTENANCE else capital(Markup.escape(_class(booking, words)))
    of_whom = ", ".join(filter(None, (str(subject), str(pupils))))
    when = ", ".join(filter(None, (str(period_words(slots, words)) if slots else "", str(day_words(day, words)))))
    return BookingCard(
        periods=when[:1].upper() + when[1:],
        time=" · ".join(filter(None, (clock_words(booking.span_ms, year.zone), of_whom))),
        who=str(words.t("In charge: {name}", name=booking.holder)) if booking.holder else booking.school,
    )


def _class(booking: BookingView, words: Language) -> str:
    return class_words(booking.title, words)
