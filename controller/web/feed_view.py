"""A calendar feed in its reader's language, and the page on which feeds are made."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import segno
from markupsafe import Markup

from controller.scheduling import feed
from controller.scheduling.booking_states import BookingState
from controller.scheduling.feed import Event, Standing
from controller.scheduling.feeds import FeedView, Reading
from controller.scheduling.views import BookingView, Had, ThingView
from controller.web.formats import age, date_time
from controller.web.i18n import Language
from controller.web.typography import tidy

_STANDING: Final = {
    BookingState.OFFERED: Standing.TENTATIVE,
    BookingState.REQUESTED: Standing.TENTATIVE,
    BookingState.REFUSED: Standing.CANCELLED,
    BookingState.EXPIRED: Standing.CANCELLED,
    BookingState.CANCELLED: Standing.CANCELLED,
}
"""Every other state was had as it was booked."""

Rooms: TypeAlias = Sequence[tuple[int, str]]
"""Id and name."""


@dataclass(frozen=True, slots=True)
class FeedEntry:
    id: int
    title: str
    made: str
    read: str


@dataclass(frozen=True, slots=True)
class Address:
    """The secret address, this once: as text, for the calendar of the machine that shows it, and for a phone's eye."""

    url: str
    subscribe: str
    code: Markup


@dataclass(frozen=True, slots=True)
class FeedsPage:
    """`rooms` are those whose feeds the reader may make."""

    feeds: Sequence[FeedEntry]
    rooms: Rooms
    fresh: Address | None


def calendar(reading: Reading, words: Language) -> bytes:
    """The calendar file of a feed."""
    name = reading.room or str(words.t("My bookings"))
    return feed.calendar(f"{name} – Fabfleet", (_event(each, reading, words) for each in reading.bookings))


def _event(booking: BookingView, reading: Reading, words: Language) -> Event:
    standing = _STANDING.get(booking.state, Standing.CONFIRMED)
    return Event(
        booking_id=booking.id,
        start_ms=booking.start_ms,
        end_ms=booking.end_ms,
        standing=standing,
        summary=_summary(booking, standing, words),
        location="; ".join(dict.fromkeys(_place(each, reading) for each in booking.things)),
        sequence=booking.sequence,
        changed_ms=booking.changed_ms,
        description=booking.purpose,
    )


def _summary(booking: BookingView, standing: Standing, words: Language) -> str:
    things = ", ".join(each.name if not each.count else f"{each.count} × {each.name}" for each in booking.things)
    whose = booking.title or ("" if booking.mine else booking.school)
    text = " · ".join(part for part in (things, whose) if part) or str(words.t("Booking"))
    if standing is Standing.TENTATIVE:
        return str(words.t("Waiting for approval: {booking}", booking=Markup(text)))  # noqa: S704 - no HTML is made of it
    if standing is Standing.CANCELLED:
        return str(words.t("Cancelled: {booking}", booking=Markup(text)))  # noqa: S704 - as above
    return text


def _place(had: Had, reading: Reading) -> str:
    return ", ".join(part for part in (had.room, reading.schools.get(had.school_id, "")) if part)


def feeds_page(feeds: Sequence[FeedView], rooms: Rooms, url: str, now_ms: int, words: Language) -> FeedsPage:
    """`url` is the fresh address of a feed that was just made or renewed; empty if none was."""
    return FeedsPage(tuple(_entry(each, now_ms, words) for each in feeds), rooms, _address(url) if url else None)


def _entry(each: FeedView, now_ms: int, words: Language) -> FeedEntry:
    title = words.t("Bookings of room {room}", room=tidy(each.room)) if each.room else words.t("My bookings")
    read = age(each.read_ms, now_ms, words)
    return FeedEntry(each.id, title, date_time(each.created_ms, now_ms, words), read)


def _address(url: str) -> Address:
    drawn = segno.make(url, error="m").svg_inline(omitsize=True, border=2, dark="#16202b", light="#fff")
    return Address(url, "webcal://" + url.partition("://")[2], Markup(drawn))  # noqa: S704 - of our own address


def rooms_of(things: Iterable[ThingView]) -> Rooms:
    """The rooms in which these can be booked."""
    found = {each.room_id: f"{tidy(each.room)}, {tidy(each.school)}" for each in things if each.room_id is not None}
    return tuple(sorted(found.items(), key=lambda room: room[1]))
