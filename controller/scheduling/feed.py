"""Bookings as a calendar file (iCalendar, RFC 5545) that phones subscribe to. Pure.

Each booking is one event at instants in UTC: no rule of repetition and no zone that a reader could take otherwise. The
same bookings are the same bytes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from icalendar import Event as Component

REFRESH: Final = timedelta(hours=1)
"""How often readers are asked to look again."""
_PRODUCT: Final = "-//Fabfleet//Fabfleet//EN"


class Standing(StrEnum):
    """What calendars know of an event."""

    CONFIRMED = "CONFIRMED"
    TENTATIVE = "TENTATIVE"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class Event:
    """`booking_id` makes it the same event whenever it is read, `sequence` rises with every change of it."""

    booking_id: str
    start_ms: int
    end_ms: int
    standing: Standing
    summary: str
    location: str
    sequence: int
    changed_ms: int
    description: str = ""


def calendar(name: str, events: Iterable[Event]) -> bytes:
    """A calendar file of that name."""
    from icalendar import Calendar  # takes as long as a tenth of the controller's start

    found = Calendar()
    found.add("prodid", _PRODUCT)
    found.add("version", "2.0")
    found.add("method", "PUBLISH")
    found.calendar_name = name
    for field in ("refresh-interval", "x-published-ttl"):
        found.add(field, REFRESH, parameters={"VALUE": "DURATION"})
    for event in events:
        found.add_component(_component(event))
    return bytes(found.to_ical())


def _component(event: Event) -> "Component":
    from icalendar import Event as Component

    found = Component()
    found.add("uid", f"{event.booking_id}@fabfleet")
    found.add("sequence", event.sequence)
    found.add("dtstamp", _instant(event.changed_ms))
    found.add("last-modified", _instant(event.changed_ms))
    found.add("dtstart", _instant(event.start_ms))
    found.add("dtend", _instant(event.end_ms))
    found.add("status", event.standing.value)
    found.add("transp", "TRANSPARENT" if event.standing is Standing.CANCELLED else "OPAQUE")
    found.add("summary", event.summary)
    if event.location:
        found.add("location", event.location)
    if event.description:
        found.add("description", event.description)
    return found


def _instant(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms // 1000, UTC)
