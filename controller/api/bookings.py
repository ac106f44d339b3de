"""Bookings: what is free, what is booked; book, move, confirm and cancel."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.responses import JSONResponse

from controller.api.booking_models import (
    BOOKING_ERRORS,
    AlternativeOut,
    AvailabilityOut,
    BookingChange,
    BookingIn,
    BookingList,
    BookingOut,
    NotBooked,
    OpeningOut,
    ProblemOut,
    ResourceOut,
)
from controller.api.ids import GivenId
from controller.identity.policy import Permission, Principal
from controller.scheduling.booking_errors import (
    BookingError,
    FreeNow,
    KeyUsed,
    NoSuchBooking,
    NothingOfThatKind,
    NotYours,
    Refused,
    Taken,
    TooLate,
)
from controller.scheduling.office import MAX_KEY, Asked, Office
from controller.scheduling.school_time import TICK_MS
from controller.scheduling.stock import Item
from controller.scheduling.views import ThingView
from controller.services import Services
from controller.web.access import allowed

Booker = Annotated[Principal, Depends(allowed(Permission.BOOK))]
BookingId = Annotated[str, Path(max_length=32)]
_DAY_MS: Final = 86_400_000
_MOST_DAYS: Final = 62
_MOST_OPENINGS: Final = 20
_STATUS: Final[Mapping[type[BookingError], tuple[int, str]]] = {
    Taken: (409, "taken"),
    FreeNow: (409, "free-now"),
    TooLate: (409, "state"),
    Refused: (422, "rules"),
    NothingOfThatKind: (422, "nothing-of-that-kind"),
    KeyUsed: (422, "key"),
    NotYours: (403, "not-yours"),
    NoSuchBooking: (404, "no-such-booking"),
}


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["bookings"], responses={404: BOOKING_ERRORS[404]})
    _add_reading(routes, services)
    _add_booking(routes, services.office)
    return routes


def _add_reading(routes: APIRouter, services: Services) -> None:
    office = services.office

    @routes.get("/bookings", responses={422: BOOKING_ERRORS[422]})
    def bookings(
        who: Booker,
        from_ms: int | None = None,
        until_ms: int | None = None,
        resource: Annotated[
            list[GivenId] | None, Query(max_length=200, description="of these things; none: your own")
        ] = None,
    ) -> BookingList:
        """Bookings that touch a time: from now on for a week if nothing is said, 62 days at the most."""
        span_ms = _window(services, from_ms, until_ms)
        if resource is None:
            found = office.mine(who, span_ms)
        else:
            within_reach = {each.id for each in office.things(who)}
            found = office.of_things(who, [each for each in resource if each in within_reach], span_ms)
        return BookingList(items=[BookingOut.of(each) for each in found])

    @routes.get("/bookings/{booking_id}")
    def booking(who: Booker, booking_id: BookingId) -> BookingOut:
        return BookingOut.of(office.find(who, booking_id))

    @routes.get("/availability", responses={422: BOOKING_ERRORS[422]})
    def availability(
        *,
        who: Booker,
        from_ms: int | None = None,
        until_ms: int | None = None,
        resource: Annotated[list[GivenId] | None, Query(max_length=20)] = None,
        class_name: Annotated[list[str] | None, Query(max_length=20, description="any unit of it")] = None,
        count: Annotated[int, Query(ge=1, le=1_000, description="of each class or pool")] = 1,
        periods: Annotated[int, Query(ge=0, le=12, description="search for so many in a row")] = 0,
        school: Annotated[str, Query(max_length=63)] = "",
    ) -> AvailabilityOut:
        """What can be booked, and when it is taken. With `periods` also when all of it together can be had, by the
        school's bells and by its rules: the first 20 times.
        """
        span_ms = _window(services, from_ms, until_ms)
        things = [each for each in office.things(who) if _is_wanted(each, resource, class_name)]
        taken = office.taken([each.id for each in things], span_ms)
        openings: list[OpeningOut] = []
        if periods:
            pools = {each.id for each in things if each.kind == "pool"}
            items = [Item(each, count=count if each in pools else 1) for each in resource or ()]
            items += [Item(class_name=each, count=count) for each in class_name or ()]
            asked = Asked(tuple(items), span_ms.start, span_ms.start + TICK_MS, school_id=school)
            found = office.openings(who, asked, periods, span_ms, _MOST_OPENINGS)
            openings = [OpeningOut.of(at, choice) for at, choice in found]
        return AvailabilityOut(
            resources=[ResourceOut.of(each, taken.get(each.id, [])) for each in things], openings=openings
        )


def _is_wanted(thing: ThingView, resources: list[int] | None, classes: list[str] | None) -> bool:
    """All are, if nothing is said."""
    if resources is None and classes is None:
        return True
    return thing.id in (resources or ()) or thing.class_name in (classes or ())


def _add_booking(routes: APIRouter, office: Office) -> None:
    @routes.post("/bookings", status_code=201, responses=BOOKING_ERRORS)
    def book(
        who: Booker,
        wanted: BookingIn,
        idempotency_key: Annotated[str, Header(max_length=MAX_KEY, description="instead of `key`")] = "",
    ) -> BookingOut:
        """Have all of it or nothing. It is durable when this answers; what needs a word of somebody is `requested`.

        With `waitlist` what is taken is waited for.
        """
        asked = Asked(
            items=tuple(each.item() for each in wanted.items),
            start_ms=wanted.start_ms,
            end_ms=wanted.end_ms,
            kind=wanted.kind,
            title=wanted.title,
            purpose=wanted.purpose,
            head_count=wanted.head_count,
            holder=wanted.holder,
            school_id=wanted.school,
            supervisors=tuple(wanted.supervisors),
        )
        key = wanted.key or idempotency_key
        have = office.book_or_wait if wanted.waitlist else office.book
        return BookingOut.of(have(who, asked, key=key, reason=wanted.reason))

    @routes.patch("/bookings/{booking_id}", responses=BOOKING_ERRORS)
    def change(who: Booker, booking_id: BookingId, wanted: BookingChange) -> BookingOut:
        """Move it, say yes or no to a request, or take what was offered you."""
        if wanted.state is not None and wanted.start_ms is None and wanted.end_ms is None:
            answers = {"confirmed": office.confirm, "refused": office.refuse, "accepted": office.accept}
            return BookingOut.of(answers[wanted.state](who, booking_id))
        if wanted.state is None and wanted.start_ms is not None and wanted.end_ms is not None:
            moved = office.move(who, booking_id, wanted.start_ms, wanted.end_ms, reason=wanted.reason)
            return BookingOut.of(moved)
        raise NothingOfThatKind("give either state, or start_ms and end_ms")

    @routes.delete("/bookings/{booking_id}", responses=BOOKING_ERRORS)
    def cancel(who: Booker, booking_id: BookingId) -> BookingOut:
        """Cancel it; once it was checked in, give back what is left of it."""
        return BookingOut.of(office.cancel(who, booking_id))


def problem(_request: Request, error: Exception) -> JSONResponse:
    """The answer to a request that booked nothing. For BookingError only."""
    if not isinstance(error, BookingError):
        raise error
    status, code = _STATUS[type(error)]
    told = NotBooked(
        detail=str(error),
        code=code,
        problems=[ProblemOut.of(each) for each in error.problems] if isinstance(error, Refused) else [],
        alternatives=[AlternativeOut.of(each) for each in error.alternatives]
        if isinstance(error, Refused | Taken)
        else [],
    )
    return JSONResponse(told.model_dump(mode="json"), status)


def _window(services: Services, from_ms: int | None, until_ms: int | None) -> range:
    """The time that is asked about. Raises NothingOfThatKind."""
    begin = services.now_ms() // TICK_MS * TICK_MS if from_ms is None else from_ms
    end = begin + 7 * _DAY_MS if until_ms is None else until_ms
    if not 0 <= begin < end <= begin + _MOST_DAYS * _DAY_MS or end > _LAST_MS:
        raise NothingOfThatKind(f"a time of at most {_MOST_DAYS} days is wanted, from_ms before until_ms")
    return range(begin, end)


_LAST_MS: Final = int((datetime(9999, 12, 1, tzinfo=UTC) - timedelta(days=1)).timestamp()) * 1000
"""Beyond it there are no dates."""
