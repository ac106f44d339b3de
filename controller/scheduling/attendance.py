"""Being there: a machine's label is read, its booking checked in, stood by, given back; a trouble is told."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from controller.identity.policy import Permission, Principal, may
from controller.identity.store import audit
from controller.scheduling import facts, views
from controller.scheduling.booking_errors import NoSuchBooking, NotYours, Refused, TooLate
from controller.scheduling.booking_states import BookingState
from controller.scheduling.bookings import Bookings
from controller.scheduling.notices import Kind, News, post
from controller.scheduling.policy import HAZARD_SUPERVISED, MAINTENANCE, Code, Problem
from controller.scheduling.request import Then, nothing
from controller.scheduling.sight import Moment, Use, at_hand, free_until, moment
from controller.scheduling.tables import Supervisor
from controller.scheduling.views import BookingView, ThingView

MOST_TEXT: Final = 300
"""Letters of a reported problem."""
_AHEAD_MS: Final = 12 * 3_600_000
"""How far ahead it is looked for the next who has a machine."""
_WORTH_MS: Final = 15 * 60_000
"""What is free for a shorter time is no help."""


@dataclass(frozen=True, slots=True)
class Free:
    """A machine that is free now: until when, None if nobody is known to come."""

    thing: ThingView
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class Sight:
    """What somebody sees of a machine whose label they read.

    `booking` is the one that `moment` is about, as the reader may see it. It can be checked in from `opens_ms` on, and
    is a no-show after `gives_up_ms`. `free_until_ms` is as in `Free`, now for what somebody has. `instead` are machines
    of its class that are free now, those beside it first. `substitute`: the reader may teach in the holder's place.
    `supervise`: the reader may say that they stand by; `present`: they said so.
    """

    thing: ThingView
    moment: Moment
    booking: BookingView | None = None
    opens_ms: int = 0
    gives_up_ms: int = 0
    free_until_ms: int | None = None
    instead: tuple[Free, ...] = ()
    substitute: bool = False
    supervise: bool = False
    present: bool = False


class Attendance:
    """Safe to use from any thread and any process. A `code` is what stands on a label, in any case of letters.

    Every method raises NoSuchBooking for a code that leads to nothing that the asker may book, and where there is no
    booking that it could be about. `changed` is called after every commit that touches a booking.
    """

    def __init__(
        self, engine: Engine, bookings: Bookings, now_ms: Callable[[], int], changed: Callable[[], None]
    ) -> None:
        self._engine = engine
        self._bookings = bookings
        self._now_ms = now_ms
        self._changed = changed

    def sight(self, who: Principal, code: str) -> Sight:
        with self._engine.connect() as connection:
            return self._sight(connection, who, code)

    def check_in(self, who: Principal, code: str, *, substitute: bool = False) -> None:
        """Take the machine for its booking; of somebody else's as a `substitute`, of which the holder is told.

        Raises TooLate if it is not the time for it, NotYours, and Refused for a substitute without the certificate
        where no named supervisor has it. Who is named to stand by is there with that.
        """
        with self._engine.connect() as connection:
            sight = self._sight(connection, who, code)
            booking = _about(sight)
            if sight.moment is Moment.SOMEBODY_ELSES:
                if not (substitute and sight.substitute):
                    raise NotYours("this is somebody else's booking")
                self._certified(connection, who, booking)
            elif sight.moment not in (Moment.READY, Moment.LATE):
                raise TooLate(f"for the reader it is {sight.moment}")
        then = self._covered(who, sight, booking) if sight.moment is Moment.SOMEBODY_ELSES else nothing
        self._bookings.advance(booking.id, BookingState.CHECKED_IN, by=who.id, then=then)
        if who.id in booking.supervisors:
            self._is_present(who, booking)
        self._changed()

    def _covered(self, who: Principal, sight: Sight, booking: BookingView) -> Then:
        """Tells the holder who took the machine in their place."""
        detail = {"by": who.name, "thing": sight.thing.name}
        news = News(Kind.SUBSTITUTE, booking.id, booking.school_id, booking.holder_id, detail)
        return lambda connection: post(connection, news, self._now_ms())

    def give_back(self, who: Principal, code: str) -> None:
        """Let go of all that the booking still has: of a use that began, and of one that is not wanted any more.

        Raises TooLate if it is neither, NotYours.
        """
        sight = self.sight(who, code)
        booking = _about(sight)
        if sight.moment in (Moment.SOMEBODY_ELSES, Moment.IN_USE):
            raise NotYours("this is somebody else's booking")
        if sight.moment not in (Moment.READY, Moment.LATE, Moment.YOURS):
            raise TooLate(f"for the reader it is {sight.moment}")
        begun = sight.moment is Moment.YOURS
        self._bookings.end(booking.id, BookingState.DONE if begun else BookingState.CANCELLED, by=who.id)
        self._changed()

    def stand_by(self, who: Principal, code: str) -> None:
        """Say that one is there, as the adult beside a dangerous machine. Again changes nothing.

        Raises NotYours for who is neither named nor certified.
        """
        sight = self.sight(who, code)
        booking = _about(sight)
        if not sight.supervise:
            raise NotYours("only who is named, or certified for the machine, stands by")
        if not sight.present:
            self._is_present(who, booking)
            self._changed()

    def report(self, who: Principal, code: str, text: str) -> None:
        """Tell the technicians of the machine's school of a problem; `text` is cut to MOST_TEXT."""
        thing = self.sight(who, code).thing
        detail = {"by": who.name, "thing": thing.name, "text": text.strip()[:MOST_TEXT]}
        with self._engine.begin() as connection:
            now_ms, school_id = self._now_ms(), thing.school_id
            audit(connection, now_ms, "problem-report", actor=who.id, subject=thing.code, school_id=school_id)
            post(connection, News(Kind.PROBLEM, thing.code, school_id, detail=detail), now_ms)

    def _sight(self, connection: Connection, who: Principal, code: str) -> Sight:
        thing, known = views.thing_of_code(connection, code.strip().upper()), views.things(connection, who.scope)
        if thing is None or thing not in known:
            raise NoSuchBooking(f"no label {code}")
        now_ms = self._now_ms()
        near = _alike(thing, known)
        span = range(now_ms, now_ms + _AHEAD_MS)
        found = views.of_things(connection, who, [thing.id, *(each.id for each in near)], span)
        holding = [each for each in found if each.state.holds]
        uses = _uses(connection, who, thing, holding)
        use = at_hand(uses, now_ms)
        if use is None:
            return Sight(thing, Moment.FREE, free_until_ms=free_until(uses, now_ms))
        booking = next(each for each in holding if each.id == use.id)
        with Session(connection) as db:
            patience_ms = facts.stored_limits(db, thing.school_id).no_show_min * 60_000
            return Sight(
                thing,
                moment(use, now_ms),
                booking,
                opens_ms=use.opens_ms,
                gives_up_ms=booking.start_ms + patience_ms,
                free_until_ms=free_until(uses, now_ms),
                instead=_free(connection, who, near, holding, now_ms),
                substitute=not booking.mine and who.scope.covers(booking.school_id) and may(who, Permission.BOOK),
                supervise=use.open_at(now_ms) and _may_supervise(db, who, thing, booking),
                present=_present(db, who, booking),
            )

    def _certified(self, connection: Connection, who: Principal, booking: BookingView) -> None:
        """Raises Refused if neither `who` nor a supervisor of the booking may use all that it has."""
        needed = {each.id: each.certificate for each in views.things(connection, who.scope)}
        with Session(connection) as db:
            adults = facts.adults(db, {who.id, *booking.supervisors}).values()
        problems = tuple(
            Problem(Code.NO_CERTIFICATE, had.resource_id, name=needed[had.resource_id])
            for had in booking.things
            if had.resource_id in needed
            and not any(adult.may_use(needed[had.resource_id], booking.end_ms) for adult in adults)
        )
        if problems:
            raise Refused(problems)

    def _is_present(self, who: Principal, booking: BookingView) -> None:
        now_ms = self._now_ms()
        with Session(self._engine) as db:
            named = db.get(Supervisor, (booking.id, who.id)) or Supervisor(booking_id=booking.id, user_id=who.id)
            named.present_ms = now_ms
            db.add(named)
            audit(db, now_ms, "booking-stand-by", actor=who.id, subject=booking.id, school_id=booking.school_id)
            try:
                db.commit()
            except IntegrityError:  # the same person, a moment before
                db.rollback()


def _about(sight: Sight) -> BookingView:
    if sight.booking is None:
        raise NoSuchBooking("nobody has booked this machine now")
    return sight.booking


def _alike(thing: ThingView, known: Iterable[ThingView]) -> Sequence[ThingView]:
    """Other machines of its class, those in its room first."""
    found = (each for each in known if each.kind == "unit" and each.class_name == thing.class_name != "")
    return sorted((each for each in found if each.id != thing.id), key=lambda each: each.room_id != thing.room_id)


def _uses(connection: Connection, who: Principal, thing: ThingView, holding: Iterable[BookingView]) -> Sequence[Use]:
    """The bookings that have the thing; of a pool, which many have at once, only their own."""
    return [
        Use(
            booking.id,
            booking.state,
            booking.kind,
            booking.span_ms,
            had.span_ms,
            mine=booking.mine or _took(connection, who, booking),
        )
        for booking in holding
        for had in booking.things
        if had.resource_id == thing.id and (booking.mine or not had.count)
    ]


def _took(connection: Connection, who: Principal, booking: BookingView) -> bool:
    """Whether somebody checked in in the holder's place."""
    row = views.stored(connection, booking.id) if booking.checked_in_ms is not None else None
    return row is not None and row.checked_in_by == who.id


def _free(
    connection: Connection, who: Principal, things: Iterable[ThingView], holding: Sequence[BookingView], now_ms: int
) -> tuple[Free, ...]:
    """Those that are free now for long enough to be of use."""
    found = (Free(each, free_until(_uses(connection, who, each, holding), now_ms)) for each in things)
    return tuple(each for each in found if each.until_ms is None or each.until_ms >= now_ms + _WORTH_MS)


def _may_supervise(db: Session, who: Principal, thing: ThingView, booking: BookingView) -> bool:
    """Who is named, or is of one of the two schools and certified until it ends."""
    awaited = booking.state in (BookingState.CONFIRMED, BookingState.CHECKED_IN) and booking.kind != MAINTENANCE
    if not awaited or thing.hazard < HAZARD_SUPERVISED:
        return False
    if db.get(Supervisor, (booking.id, who.id)) is not None:
        return True
    near = who.scope.covers(booking.school_id) or who.scope.covers(thing.school_id)
    return (
        near
        and may(who, Permission.BOOK)
        and facts.adults(db, {who.id})[who.id].may_use(thing.certificate, booking.end_ms)
    )


def _present(db: Session, who: Principal, booking: BookingView) -> bool:
    asked = select(Supervisor.present_ms).where(Supervisor.booking_id == booking.id, Supervisor.user_id == who.id)
    return db.exec(asked).first() is not None
