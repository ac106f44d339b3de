"""Where somebody wishes to book: the rules first, then the claims, and else what would do instead."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice
from typing import Final

from sqlalchemy import Connection, Engine

from controller.scheduling import records, search
from controller.scheduling.alternatives import Alternative
from controller.scheduling.booking_errors import Refused, Taken
from controller.scheduling.bookings import Booked, Bookings, Put
from controller.scheduling.choice import Choice
from controller.scheduling.holdings import booked
from controller.scheduling.policy import Code, Facts, Problem, standing
from controller.scheduling.request import Request, Then, nothing
from controller.scheduling.series import Outcome, Verdict, dates
from controller.scheduling.stock import Item
from controller.scheduling.waiting import MOST_WAITING, ends_ms
from controller.scheduling.wish import Wish

_QUOTAS: Final = frozenset({Code.QUOTA_PERSON, Code.QUOTA_SCHOOL})
"""What is moved was counted when it was made, and what is accepted when it was offered."""


@dataclass(frozen=True, slots=True)
class Pick:
    """A date of a series that somebody chose, and when (ms). `items` are those of an alternative, None: as wished."""

    day: date
    span_ms: range
    items: tuple[Item, ...] | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """What was booked under `id`, and which of the chosen dates were not: lost to somebody quicker, or not allowed."""

    id: str
    booked: tuple[tuple[date, Booked], ...]
    lost: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Lessons:
    """One request at many times. `key` is the asker's own, of at most 80 letters."""

    request: Request
    facts: Facts
    spans_ms: tuple[range, ...]
    key: str

    @property
    def series_id(self) -> str:
        return _series_id(self.request, self.key)

    def at(self, span_ms: range) -> Request:
        key = f"{self.key}:{self.facts.day(span_ms.start)}"
        return replace(self.request, start_ms=span_ms.start, end_ms=span_ms.stop, series_id=self.series_id, key=key)


class Desk:
    """Books by the rules. Safe to use from any thread and any process.

    The `facts` of each call come without `things`, `by_holder` and `by_school`, which are read here. Every method
    raises NothingOfThatKind.
    """

    def __init__(self, engine: Engine, bookings: Bookings) -> None:
        self._reading = engine.execution_options(isolation_level="AUTOCOMMIT")
        """In a transaction or not, each query sees what is committed then; PostgreSQL is a fifth quicker without."""
        self._bookings = bookings

    def problems(self, request: Request, facts: Facts) -> tuple[Problem, ...]:
        """All that speaks against it but that it is taken."""
        with self._reading.connect() as connection:
            return Wish(connection, request, facts).problems(request.span_ms)

    def book(self, request: Request, facts: Facts, reason: str = "") -> Booked:
        """Have all of it or nothing. With a `reason` the asker overrules what can be, if the role allows it.

        Raises Refused and Taken, both with what would do instead.
        """
        known = self._bookings.of_key(request.key) if request.key is not None else None
        if known is not None:
            return known
        with self._reading.connect() as connection:
            wish = Wish(connection, request, facts)
            found = wish.problems(request.span_ms)
            left = standing(found, facts.asker.role, reason)
            if left:
                raise Refused(left, wish.nearest(request.span_ms))
            likely = None if found else wish.had_by(request.span_ms)
            if not found and likely is None:  # nobody need wait for a transaction to learn that
                raise Taken("not all of it is free at that time", wish.nearest(request.span_ms))
        if found:
            request = replace(request, overruled=f"{', '.join(each.code for each in found)}: {reason}")
        try:
            return self._bookings.book(request, wish.allowed(request.span_ms, reason), likely)
        except Taken as lost:
            raise Taken(str(lost), self.alternatives(request, facts)) from None

    def move(self, booking_id: str, request: Request, facts: Facts, reason: str = "", then: Then = nothing) -> Booked:
        """Have the booking at the request's time instead, by the same rules; `request` is the booking as it is to be.

        `then` as in `Bookings.move`. Raises as `book`, and NoSuchBooking, TooLate.
        """
        with self._reading.connect() as connection:
            wish = Wish(connection, request, facts)
            found = [each for each in wish.problems(request.span_ms) if each.code not in _QUOTAS]
            left = standing(found, facts.asker.role, reason)
            if left:
                raise Refused(left, wish.nearest(request.span_ms))
        try:
            return self._bookings.move(
                booking_id,
                request.start_ms,
                request.end_ms,
                wish.allowed(request.span_ms, reason),
                by=facts.asker.id,
                then=then,
            )
        except Taken as lost:
            raise Taken(str(lost), self.alternatives(request, facts)) from None

    def wait(self, request: Request, facts: Facts) -> Booked:
        """Be told when it can be had, by the same rules. Raises Refused with what would do instead, FreeNow."""
        known = self._bookings.of_key(request.key) if request.key is not None else None
        if known is not None:
            return known
        with self._reading.connect() as connection:
            wish = Wish(connection, request, facts)
            found = wish.problems(request.span_ms)
            if search.waiting(connection, request.holder) >= MOST_WAITING:
                found = (*found, Problem(Code.TOO_MANY_WISHES, limit=MOST_WAITING))
            if found:
                raise Refused(found, wish.nearest(request.span_ms))
        waiting = replace(request, hold_until_ms=ends_ms(request.start_ms))
        return self._bookings.wait(waiting, wish.allowed(request.span_ms, ""))

    def accept(self, booking_id: str, request: Request, facts: Facts) -> Booked:
        """Have what is offered, if the rules are not against it by now; `request` is the booking as it is to be.

        Raises Refused, NoSuchBooking, TooLate.
        """
        with self._reading.connect() as connection:
            wish = Wish(connection, request, facts)
            found = tuple(each for each in wish.problems(request.span_ms) if each.code not in _QUOTAS)
        if found:
            raise Refused(found)
        return self._bookings.accept(booking_id, request.hold_until_ms, by=facts.asker.id)

    def alternatives(self, request: Request, facts: Facts) -> tuple[Alternative, ...]:
        """What else would do: free now, and nothing speaks against it. Three at most, the nearest first."""
        with self._reading.connect() as connection:
            return Wish(connection, request, facts).nearest(request.span_ms)

    def openings(
        self, request: Request, facts: Facts, periods: int, days: Iterable[date], most: int
    ) -> Sequence[tuple[range, Choice]]:
        """The first times (ms) on those days, `most` of them, at which it could be had for so many periods in a row.

        The request's own time counts for nothing but its rules that hold at any time.
        """
        with self._reading.connect() as connection:
            return list(islice(Wish(connection, request, facts).openings(periods, days), most))

    def plan_series(
        self, request: Request, facts: Facts, until: date, *, alternate: bool = False
    ) -> tuple[Verdict, ...]:
        """What would become of the request on its own date and the same weekday up to `until`; books nothing."""
        with self._reading.connect() as connection:
            wish = Wish(connection, request, facts)
            planned = dates(facts.year, request.span_ms, until, alternate=alternate)
            return tuple(_judged(each, wish) for each in planned)

    def plan_spans(self, request: Request, facts: Facts, spans_ms: Iterable[range]) -> tuple[Verdict, ...]:
        """What would become of the request at each of these times (ms), without what would do instead."""
        with self._reading.connect() as connection:
            wish = Wish(connection, request, facts)
            return tuple(_outcome(Verdict(facts.day(each.start), Outcome.OK, each), wish) for each in spans_ms)

    def book_series(self, request: Request, facts: Facts, picks: Sequence[Pick], key: str, reason: str = "") -> Series:
        """Book each date by itself. `key` is the asker's own, of at most 80 letters: again is the same series."""
        series_id = _series_id(request, key)
        had: list[tuple[date, Booked]] = []
        lost: list[Verdict] = []
        for pick in picks:
            one = replace(
                request,
                start_ms=pick.span_ms.start,
                end_ms=pick.span_ms.stop,
                items=pick.items or request.items,
                series_id=series_id,
                key=f"{key}:{pick.day}",
            )
            try:
                had.append((pick.day, self.book(one, facts, reason)))
            except Refused as error:
                lost.append(_lost(pick, Outcome.NOT_ALLOWED, error))
            except Taken as error:
                lost.append(_lost(pick, Outcome.TAKEN, error))
        return Series(series_id, tuple(had), tuple(lost))

    def book_together(
        self, all_lessons: Sequence[Lessons], then: Callable[[Connection, Sequence[Series]], None]
    ) -> Sequence[Series]:
        """Book all of it in one transaction with what `then` writes; again is the same.

        Dates that the rules are against or somebody has by now are lost, without what would do instead.
        """

        def whole(connection: Connection, put: Put) -> Sequence[Series]:
            made = [_book_lessons(connection, each, put) for each in all_lessons]
            then(connection, made)
            return made

        return self._bookings.together((each.request for each in all_lessons), whole)


def _book_lessons(connection: Connection, lessons: Lessons, put: Put) -> Series:
    wish = Wish(connection, lessons.request, lessons.facts)
    made: list[tuple[date, Booked]] = []
    lost: list[Verdict] = []
    for span in lessons.spans_ms:
        one, day = lessons.at(span), lessons.facts.day(span.start)
        known = records.of_key(connection, one.key or "")
        if known is not None:
            made.append((day, booked(connection, known)))
            continue
        found = wish.problems(span)
        serving = None if found else wish.had_by(span)
        if serving is None:
            outcome = Outcome.NOT_ALLOWED if found else Outcome.TAKEN
            lost.append(Verdict(day, outcome, span, problems=found))
            continue
        made.append((day, put(one, serving)))
        wish.was_booked(span.start)
    return Series(lessons.series_id, tuple(made), tuple(lost))


def _series_id(request: Request, key: str) -> str:
    return hashlib.sha256(f"{request.holder} {key}".encode()).hexdigest()[:16]


def _judged(planned: Verdict, wish: Wish) -> Verdict:
    """The calendar's word on a date, and where that is yes the rules' and the claims', with what would do instead."""
    found = _outcome(planned, wish)
    if found is planned or found.span_ms is None:
        return planned
    return replace(found, alternatives=wish.nearest(found.span_ms))


def _outcome(planned: Verdict, wish: Wish) -> Verdict:
    span = planned.span_ms
    if planned.outcome is not Outcome.OK or span is None:
        return planned
    problems = wish.problems(span)
    if problems:
        return replace(planned, outcome=Outcome.NOT_ALLOWED, problems=problems)
    if wish.had_by(span) is None:
        return replace(planned, outcome=Outcome.TAKEN, taken_by=wish.taken_by(span))
    return planned


def _lost(pick: Pick, outcome: Outcome, error: Refused | Taken) -> Verdict:
    problems = error.problems if isinstance(error, Refused) else ()
    return Verdict(pick.day, outcome, pick.span_ms, problems=problems, alternatives=error.alternatives)
