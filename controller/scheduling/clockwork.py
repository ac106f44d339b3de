"""What time does to bookings: requests run out, nobody comes, uses end, leases are due. The tables are the truth."""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import Connection, Engine, Row, Select, Table, and_, case, exists, func, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from contract.messages import Presence
from controller.fleet.tables import Agent, Device
from controller.ingest.observer import Fresh, Told
from controller.scheduling.adoption import adopt
from controller.scheduling.booked import WALK_UP_KIND
from controller.scheduling.booking_errors import BookingError
from controller.scheduling.booking_states import BookingState
from controller.scheduling.bookings import Bookings
from controller.scheduling.fates import ASKING, Case, edge_ms, fate
from controller.scheduling.journal import Journal
from controller.scheduling.leases import LeaseDesk
from controller.scheduling.notices import Kind, post_to_holder
from controller.scheduling.offers import Offers
from controller.scheduling.policy import MAINTENANCE
from controller.scheduling.request import Then, nothing
from controller.scheduling.tables import Assignment, Booking, BookingLimits, Resource, UseSpan
from controller.scheduling.telling import remind
from controller.scheduling.usage import Usage

TURN_S: Final = 15.0
"""A turn is taken at least so often, whatever else wakes it."""
_TURN, _EDGE = "turn", "edge"
_AT_ONCE_MS: Final = 50
_SOON_MS: Final = 500
"""How long a machine that begins or ends to work may wait for company: in a large fleet there is always one."""
_MINUTE_MS: Final = 60_000
_USUAL: Final = BookingLimits(school_id="")
_TOLD: Final = {
    (BookingState.REQUESTED, BookingState.EXPIRED): Kind.EXPIRED,
    (BookingState.OFFERED, BookingState.EXPIRED): Kind.LAPSED,
    (BookingState.WAITING, BookingState.EXPIRED): Kind.NOT_SERVED,
    (BookingState.CONFIRMED, BookingState.NO_SHOW): Kind.NO_SHOW,
}
_WAITLIST_MS: Final = 5 * 60_000
"""So often those who wait are looked at: a machine may have been mended, or given back by who had not booked it."""
_log = logging.getLogger(__name__)
_AGENT: Table = Agent.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_ASSIGNMENT: Table = Assignment.__table__  # type: ignore[attr-defined]
_BOOKING: Table = Booking.__table__  # type: ignore[attr-defined]
_DEVICE: Table = Device.__table__  # type: ignore[attr-defined]
_LIMITS: Table = BookingLimits.__table__  # type: ignore[attr-defined]
_RESOURCE: Table = Resource.__table__  # type: ignore[attr-defined]
_USE: Table = UseSpan.__table__  # type: ignore[attr-defined]


class Clockwork:
    """One thread, and an ingest Observer. Every turn goes by the tables alone: a restart, or a turn that was missed,
    changes nothing. `leases_changed` is called when there are new lease books to send.
    """

    def __init__(
        self,
        engine: Engine,
        now_ms: Callable[[], int],
        *,
        leases: LeaseDesk,
        usage: Usage,
        leases_changed: Callable[[], None],
        journal: Journal | None = None,
        offers: Offers | None = None,
    ) -> None:
        self._engine = engine
        self._now_ms = now_ms
        self._bookings = Bookings(engine, now_ms, journal, offers)
        self._leases = leases
        self._usage = usage
        self._leases_changed = leases_changed
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone=UTC,
        )
        self._machines_changed = True
        self._offered_ms = 0
        self._asking = threading.Lock()
        self._turning = False
        self._due: datetime | None = None

    def start(self) -> None:
        self._scheduler.add_job(self._try, "interval", seconds=TURN_S, id=_TURN, next_run_time=datetime.now(UTC))
        self._scheduler.start()

    def stop(self) -> None:
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def wake(self) -> None:
        """A booking was made or changed: look at once. From any thread."""
        self._turn_within(_AT_ONCE_MS)

    def registry_changed(self, agent_id: int) -> None:
        self._machines_changed = True
        self._usage.registry_changed(agent_id)

    def values_committed(self, values: Sequence[Fresh]) -> None:
        if self._usage.notes(values):
            self._turn_within(_SOON_MS)

    def outcomes_committed(self, outcomes: Sequence[Told]) -> None:
        pass

    def broker_connected(self, connected: bool) -> None:
        pass

    def turn(self) -> int | None:
        """Do all that is due now; when something will be due next, as far as that is near. Raises SQLAlchemyError."""
        self._adopt()
        self._usage.turn()
        cases = self._cases()
        for each in cases:
            state = fate(each, self._now_ms())
            if state is not None:
                self._come_to(each, state)
        self._look_at_waitlist()
        with self._engine.begin() as connection:
            remind(connection, self._now_ms())
        if self._leases.follow_bookings():
            self._leases_changed()
        return _nearest(cases, self._now_ms())

    def _adopt(self) -> None:
        """Machines that were seen for the first time become bookable."""
        if self._machines_changed:
            self._machines_changed = False
            try:
                with self._engine.begin() as connection:
                    waiting = adopt(connection, self._now_ms()).waiting
                if waiting:
                    self._machines_changed = True
            except SQLAlchemyError:
                self._machines_changed = True
                raise

    def _look_at_waitlist(self) -> None:
        if self._now_ms() - self._offered_ms >= _WAITLIST_MS:
            self._bookings.offer_waiting()
            self._offered_ms = self._now_ms()

    def _come_to(self, booking: Case, state: BookingState) -> None:
        try:
            if state.holds:
                self._bookings.advance(booking.booking_id, state, why="the machine is at work")
            else:
                self._bookings.end(booking.booking_id, state, then=self._telling(booking, state))
        except BookingError as error:  # somebody did something with it at this moment
            _log.info("booking %s does not become %s: %s", booking.booking_id, state, error)

    def _telling(self, booking: Case, state: BookingState) -> Then:
        """Tells the holder, in the transaction of what is told."""
        kind = _TOLD.get((booking.state, state))
        if kind is None:
            return nothing

        def tell(connection: Connection) -> None:
            with Session(connection) as db:
                post_to_holder(db, kind, booking.booking_id, self._now_ms())

        return tell

    def _cases(self) -> Sequence[Case]:
        """The bookings that have begun or will soon, and all that waits for something."""
        with self._engine.connect() as connection:
            return [_case(row) for row in connection.execute(_near(self._now_ms()))]

    def _turn_within(self, ms: int) -> None:
        """Once, however often it is asked for; what is asked for during a turn comes after it."""
        with self._asking:
            due = datetime.now(UTC) + timedelta(milliseconds=ms)
            if self._due is None or due < self._due:
                self._due = due
                if not self._turning and self._scheduler.running:
                    self._scheduler.modify_job(_TURN, next_run_time=due)

    def _try(self) -> None:
        with self._asking:
            self._turning, self._due = True, None
        try:
            self._turn_and_come_back()
        finally:
            self._turned()

    def _turned(self) -> None:
        with self._asking:
            self._turning = False
            if self._due is not None and self._scheduler.running:
                self._scheduler.modify_job(_TURN, next_run_time=self._due)

    def _turn_and_come_back(self) -> None:
        try:
            edge = self.turn()
        except SQLAlchemyError as error:
            _log.warning("bookings cannot be looked after now: %s", type(error).__name__)
        except Exception:  # noqa: BLE001 - outermost loop: the clock goes on
            _log.exception("the clockwork of bookings goes on after an error")
        else:
            self._come_back_at(edge)

    def _come_back_at(self, edge: int | None) -> None:
        if edge is not None and self._scheduler.running:
            due = datetime.now(UTC) + timedelta(milliseconds=max(50, edge - self._now_ms()))
            self._scheduler.add_job(self._try, "date", run_date=due, id=_EDGE, replace_existing=True)


def _nearest(cases: Iterable[Case], now_ms: int) -> int | None:
    edges = [edge for edge in (edge_ms(each, now_ms) for each in cases) if edge is not None]
    return min(edges, default=None)


def _near(now_ms: int) -> Select[Any]:
    its_use = exists().where(_USE.c.booking_id == _BOOKING.c.id)
    unheard = case((and_(_DEVICE.c.id.is_not(None), _AGENT.c.presence != Presence.ONLINE), 1), else_=0)
    return (
        select(
            _BOOKING.c.id,
            _BOOKING.c.state,
            _BOOKING.c.kind,
            _BOOKING.c.start_ms,
            _BOOKING.c.end_ms,
            _BOOKING.c.hold_until_ms,
            func.max(_ASSIGNMENT.c.until_ms).label("until_ms"),
            func.min(_LIMITS.c.no_show_min).label("no_show_min"),
            func.max(unheard).label("unheard"),
            case((its_use, 1), else_=0).label("used"),
        )
        .outerjoin(_ASSIGNMENT, _ASSIGNMENT.c.booking_id == _BOOKING.c.id)
        .outerjoin(_RESOURCE, _RESOURCE.c.id == _ASSIGNMENT.c.resource_id)
        .outerjoin(_LIMITS, _LIMITS.c.school_id == _RESOURCE.c.school_id)
        .outerjoin(_DEVICE, _DEVICE.c.id == _RESOURCE.c.device_id)
        .outerjoin(_AGENT, _AGENT.c.id == _DEVICE.c.agent_id)
        .where(
            or_(
                _BOOKING.c.state.in_(ASKING),
                and_(
                    _BOOKING.c.state.in_((BookingState.CONFIRMED, BookingState.CHECKED_IN)),
                    or_(_BOOKING.c.start_ms <= now_ms + _MINUTE_MS, its_use),
                ),
            )
        )
        .group_by(_BOOKING.c.id)
    )


def _case(row: Row[Any]) -> Case:
    nobody_comes = row.kind == MAINTENANCE
    minutes = _USUAL.no_show_min if row.no_show_min is None else row.no_show_min
    return Case(
        booking_id=row.id,
        state=BookingState(row.state),
        over_ms=row.end_ms if row.kind == WALK_UP_KIND else max(row.end_ms, row.until_ms or 0),
        no_show_ms=None if nobody_comes else min(row.end_ms, row.start_ms + minutes * _MINUTE_MS),
        hold_until_ms=row.hold_until_ms,
        used=bool(row.used),
        unheard=bool(row.unheard),
    )
