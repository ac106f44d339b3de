"""Notices as sentences. What a writer left out of a notice's detail, its booking tells if it can.

Of bookings the detail may have: `thing`, and `start_ms` with `end_ms`, as it was; `to`, the machine that it has now;
`reason`, which is `fault`, `offline` or `maintenance`; `by`, the name of who did it; `text`, that person's own words;
of an offer `until_ms`, to when it is kept; of a lost one `fate` and its `school_id`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from markupsafe import Markup

from controller.scheduling.noticeboard import NoticeView
from controller.scheduling.notices import Kind
from controller.scheduling.telling import REMINDER, REQUESTED
from controller.scheduling.views import BookingView
from controller.web.booking_reader import Reader
from controller.web.booking_words import Say, capital, day_of, day_words, moment_words
from controller.web.formats import age
from controller.web.i18n import Language
from controller.web.typography import tidy


@dataclass(frozen=True, slots=True)
class NoticeEntry:
    """`move` is the id of a booking that may be moved elsewhere, empty if there is none."""

    id: int
    mood: str
    icon: str
    title: str
    text: str
    age: str
    move: str


@dataclass(frozen=True, slots=True)
class _Told:
    """What the sentences are made of; what is not known is empty."""

    thing: str
    to: str
    when: str
    reason: str
    by: str
    text: str
    until: str = ""


def _by(words: Language, told: _Told) -> Markup | str:
    return words.t("By {by}.", by=told.by) if told.by else ""


@dataclass(frozen=True, slots=True)
class _Form:
    title: Callable[[Language, _Told], Markup]
    text: Callable[[Language, _Told], str]
    mood: str
    icon: str


_FORMS: Final[Mapping[str, _Form]] = {
    Kind.MOVED: _Form(
        lambda words, told: words.t("{thing}: moved to {to}", thing=told.thing, to=told.to),
        lambda words, told: told.reason or _by(words, told) or words.t("It was moved so that the lesson can be held."),
        "in-use",
        icon="info-circle",
    ),
    Kind.REFUSED: _Form(
        lambda words, told: words.t("Sent back: {thing}, {when}", thing=told.thing, when=told.when),
        lambda words, told: told.text or words.t("The request was not approved. You can ask for another time."),
        "warning",
        icon="arrow-back-up",
    ),
    Kind.CONFIRMED: _Form(
        lambda words, told: words.t("Approved: {thing}, {when}", thing=told.thing, when=told.when),
        lambda words, _: words.t("The machine is yours then."),
        "ok",
        icon="circle-check",
    ),
    Kind.EXPIRED: _Form(
        lambda words, told: words.t("Not approved in time: {thing}, {when}", thing=told.thing, when=told.when),
        lambda words, _: words.t("What the request held is free again. You can ask for another time."),
        "warning",
        icon="hourglass",
    ),
    Kind.NO_SHOW: _Form(
        lambda words, told: words.t("No-show: {thing}, {when}", thing=told.thing, when=told.when),
        lambda words, _: words.t("Nobody checked in, so the machine was given to others."),
        "warning",
        icon="clock",
    ),
    Kind.USE_WITHOUT_BOOKING: _Form(
        lambda words, told: words.t("{thing} was used without a booking", thing=told.thing),
        lambda words, _: words.t("A short booking beforehand keeps others from coming at the same time."),
        "warning",
        icon="alert-triangle",
    ),
    Kind.SUBSTITUTE: _Form(
        lambda words, told: words.t(
            "{by} covers the lesson: {thing}, {when}",
            by=told.by or words.t("Somebody"),
            thing=told.thing,
            when=told.when,
        ),
        lambda words, _: words.t("The machine was checked in in your place."),
        "in-use",
        icon="info-circle",
    ),
    Kind.CANCELLED: _Form(
        lambda words, told: words.t("Cancelled: {thing}, {when}", thing=told.thing, when=told.when),
        lambda words, told: _by(words, told) or words.t("What it held is free again. You can book another time."),
        "warning",
        icon="x",
    ),
    Kind.CALENDAR_CHANGED: _Form(
        lambda words, told: words.t(
            "The school calendar has changed: {thing}, {when}", thing=told.thing, when=told.when
        ),
        lambda words, _: words.t("The booking stays as it is. See whether the class still comes then."),
        "warning",
        icon="calendar-x",
    ),
    REQUESTED: _Form(
        lambda words, told: words.t("A request waits: {thing}, {when}", thing=told.thing, when=told.when),
        lambda words, _: words.t("It keeps what it asks for until somebody approves it or sends it back."),
        "warning",
        icon="hourglass",
    ),
    REMINDER: _Form(
        lambda words, told: words.t("Soon: {thing}, {when}", thing=told.thing, when=told.when),
        lambda words, _: words.t("Check in at the machine when it begins."),
        "in-use",
        icon="clock",
    ),
    Kind.OFFER: _Form(
        lambda words, told: words.t("Free for you: {thing}, {when}", thing=told.thing, when=told.when),
        lambda words, told: (
            words.t(
                "It is kept for you until {until}. Take it, or let it go to the next, under “My bookings”.",
                until=told.until,
            )
            if told.until
            else words.t("It is kept for a while. Say soon whether you want it.")
        ),
        "in-use",
        icon="info-circle",
    ),
    Kind.LAPSED: _Form(
        lambda words, told: words.t("No longer kept for you: {thing}, {when}", thing=told.thing, when=told.when),
        lambda words, _: words.t("The offer was not answered in time, and went on to the next who waits."),
        "warning",
        icon="hourglass",
    ),
    Kind.NOT_SERVED: _Form(
        lambda words, told: words.t("Nothing came free: {thing}, {when}", thing=told.thing, when=told.when),
        lambda words, _: words.t("The wish has left the waitlist. You can book another time."),
        "warning",
        icon="hourglass",
    ),
    Kind.LOST: _Form(
        lambda words, told: words.t(
            "Not in the backup that was put back: {thing}, {when}", thing=told.thing, when=told.when
        ),
        lambda _, told: told.reason,
        "warning",
        icon="alert-triangle",
    ),
    Kind.PROBLEM: _Form(
        lambda words, told: words.t(
            "{by} reports a problem: {thing}", by=told.by or words.t("Somebody"), thing=told.thing
        ),
        lambda _, told: told.text,
        "warning",
        icon="alert-triangle",
    ),
}
_REASONS: Final[Mapping[str, tuple[Say, Say]]] = {
    "fault": (lambda words: words.t("fault"), lambda words: words.t("The machine has a fault.")),
    "offline": (
        lambda words: words.t("no contact"),
        lambda words: words.t("There is no contact with the machine."),
    ),
    "maintenance": (
        lambda words: words.t("maintenance"),
        lambda words: words.t("The machine is under maintenance then."),
    ),
    "lost": (
        lambda words: words.t("backup"),
        lambda words: words.t("The booking is lost. Book it again, or tell the class."),
    ),
    "changed": (
        lambda words: words.t("backup"),
        lambda words: words.t("Its last change is lost. See whether it is still right."),
    ),
    "unsure": (
        lambda words: words.t("backup"),
        lambda words: words.t("It was being made when the server stopped, and may never have been one."),
    ),
}
"""In brackets, and as a sentence."""
_OF_MACHINES: Final = frozenset({Kind.PROBLEM, Kind.USE_WITHOUT_BOOKING})
"""Their subject is no booking."""
Find: TypeAlias = Callable[[str], BookingView | None]
"""The booking of an id, as the reader may see it."""


def entry(notice: NoticeView, find: Find, reader: Reader) -> NoticeEntry | None:
    """None for a kind that has no words: it is of a newer release."""
    form = _FORMS.get(notice.kind)
    if form is None:
        return None
    booking = None if notice.kind in _OF_MACHINES else find(notice.subject)
    told = _told(notice, booking, reader)
    movable = notice.kind == Kind.MOVED and booking is not None and booking.mine and booking.state.holds
    return NoticeEntry(
        id=notice.id,
        mood=form.mood,
        icon=form.icon,
        title=capital(form.title(reader.words, told)),
        text=form.text(reader.words, told),
        age=age(notice.at_ms, reader.now_ms, reader.words),
        move=notice.subject if movable else "",
    )


def kinds() -> frozenset[str]:
    """Those that have words."""
    return frozenset(_FORMS)


def moved_words(notice: NoticeView, booking: BookingView, reader: Reader) -> Markup:
    """For a booking's badge: from where it was moved, and why."""
    words, was = reader.words, _was(notice, booking)
    reason = _REASONS.get(str(notice.detail.get("reason")))
    days = [day_of(at_ms, reader.year(at_ms, booking.school_id).zone) for at_ms in (was.start, booking.start_ms)]
    if days[0] != days[1]:
        text = words.t("Moved from {day}", day=day_words(days[0], words))
    elif was != booking.span_ms:
        text = words.t("Moved from {day}", day=reader.when_of(was, booking.school_id))
    elif "thing" in notice.detail:
        text = words.t("Moved from {thing}", thing=tidy(str(notice.detail["thing"])))
    else:
        text = words.t("Moved")
    return text if reason is None else Markup("{} ({})").format(text, reason[0](words))


def _until(detail: Mapping[str, Any], reader: Reader) -> str:
    if "until_ms" not in detail:
        return ""
    until_ms = int(detail["until_ms"])
    return str(moment_words(until_ms, reader.year(until_ms, str(detail.get("school_id", ""))), reader.words))


def _was(notice: NoticeView, booking: BookingView) -> range:
    """When it was, before."""
    detail = notice.detail
    return range(int(detail.get("start_ms", booking.start_ms)), int(detail.get("end_ms", booking.end_ms)))


def _told(notice: NoticeView, booking: BookingView | None, reader: Reader) -> _Told:
    words, detail = reader.words, notice.detail
    names = ", ".join(tidy(each.name) for each in booking.things) if booking else ""
    thing = tidy(str(detail.get("thing", ""))) or names or str(words.t("a machine"))
    other = tidy(str(detail.get("to", ""))) or names
    to, when = [other] if other != thing else [], ""
    if booking is not None:
        was = _was(notice, booking)
        when = reader.when_of(was, booking.school_id)
        if was != booking.span_ms or not to:
            to.append(reader.when(booking))
    elif {"start_ms", "end_ms"} <= detail.keys():
        span = range(int(detail["start_ms"]), int(detail["end_ms"]))
        when = reader.when_of(span, *([str(detail["school_id"])] if "school_id" in detail else []))
    reason = _REASONS.get(str(detail.get("fate" if notice.kind == Kind.LOST else "reason")))
    return _Told(
        thing=thing,
        to=", ".join(to),
        when=when,
        reason="" if reason is None else str(reason[1](words)),
        by=tidy(str(detail.get("by", ""))),
        text=tidy(str(detail.get("text", ""))),
        until=_until(detail, reader),
    )
