"""What the calendar says of single bookings: of one that was just made, and of requests that wait for a word. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from controller.scheduling.booking_states import BookingState
from controller.scheduling.school_time import SchoolYear
from controller.scheduling.views import BookingView
from controller.web import booking_words as say
from controller.web.i18n import Language
from controller.web.typography import tidy


@dataclass(frozen=True, slots=True)
class Made:
    """`again` leads to the same slot next week; `until` is said where it waits to be approved."""

    id: str
    what: Markup
    pending: bool
    until: Markup | None
    again: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request, who asks, for what, and until when it holds its place."""

    id: str
    what: Markup
    who: str
    why: str
    until: Markup | None


def made(booking: BookingView, year: SchoolYear, words: Language) -> Made:
    pending = booking.state is BookingState.REQUESTED
    return Made(
        id=booking.id,
        what=what(booking, year, words),
        pending=pending,
        until=_until(booking, year, words) if pending else None,
        again=f"/my?again={booking.id}",
    )


def waiting(bookings: Sequence[BookingView], year: SchoolYear, words: Language) -> tuple[Waiting, ...]:
    return tuple(
        Waiting(
            id=each.id,
            what=what(each, year, words),
            who=" · ".join(filter(None, (tidy(each.holder), tidy(each.school)))),
            why=" · ".join(filter(None, (tidy(each.title), tidy(each.purpose), _pupils(each, words)))),
            until=_until(each, year, words),
        )
        for each in bookings
    )


def what(booking: BookingView, year: SchoolYear, words: Language) -> Markup:
    """Its things and when: "Máy in 3D B · tiết 3–4 (09:15–10:50), Thứ Tư 25/11"."""
    things = ", ".join(f"{had.count} × {tidy(had.name)}" if had.count else tidy(had.name) for had in booking.things)
    return Markup("{} · {}").format(things, say.when_words(booking.span_ms, year, words))


def _pupils(booking: BookingView, words: Language) -> str:
    count = booking.head_count
    return words.tn("{n} pupil", "{n} pupils", count) if count else ""


def _until(booking: BookingView, year: SchoolYear, words: Language) -> Markup | None:
    return say.moment_words(booking.hold_until_ms, year, words) if booking.hold_until_ms is not None else None
