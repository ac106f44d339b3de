"""Who reads of bookings, and in which school years: each is read once for a page."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, tzinfo
from typing import TypeAlias

from controller.scheduling.school_time import SchoolYear
from controller.scheduling.views import BookingView
from controller.web.booking_words import day_of, when_words
from controller.web.i18n import Language

Read: TypeAlias = Callable[[str, date], SchoolYear]
"""The year that a day of a school belongs to."""


class Years:
    """For one request."""

    def __init__(self, read: Read, zone: tzinfo) -> None:
        self._read = read
        self._zone = zone
        self._known: defaultdict[str, list[SchoolYear]] = defaultdict(list)

    def on(self, school_id: str, at_ms: int) -> SchoolYear:
        """The school's year at that instant."""
        day, known = day_of(at_ms, self._zone), self._known[school_id]
        found = next((each for each in known if each.term_of(day)), None)
        if found is None:
            found = self._read(school_id, day)
            known.append(found)
        return found


@dataclass(frozen=True, slots=True)
class Reader:
    """`school_id` is empty for who belongs to the whole cluster."""

    words: Language
    years: Years
    school_id: str
    now_ms: int

    def year(self, at_ms: int, school_id: str = "") -> SchoolYear:
        """The reader's own school's then; for who has none that of `school_id`."""
        return self.years.on(self.school_id or school_id, at_ms)

    def when(self, booking: BookingView) -> str:
        """The booking's time in the reader's own periods."""
        return self.when_of(booking.span_ms, booking.school_id)

    def when_of(self, span_ms: range, school_id: str = "") -> str:
        return str(when_words(span_ms, self.year(span_ms.start, school_id), self.words))
