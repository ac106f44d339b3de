"""What time does to bookings: requests run out, nobody comes, uses end. The tables are the truth."""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import Engine, Table, select
from sqlalchemy.exc import SQLAlchemyError

from controller.scheduling.adoption import adopt
from controller.scheduling.booking_errors import BookingError
from controller.scheduling.booking_states import BookingState
from controller.scheduling.bookings import Bookings
from controller.scheduling.tables import Booking

TURN_S: Final = 15.0
"""A turn is taken at least so often, whatever else wakes it."""
_TURN: Final = "turn"
_log = logging.getLogger(__name__)
_BOOKING: Table = Booking.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it


class Clockwork:
    """One thread. Every turn goes by the tables alone: a restart, or a turn that was missed, changes nothing."""

    def __init__(self, engine: Engine, now_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._now_ms = now_ms
        self._bookings = Bookings(engine, now_ms)
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone=UTC,
        )

    def start(self) -> None:
        self._scheduler.add_job(self._try, "interval", seconds=TURN_S, id=_TURN, next_run_time=datetime.now(UTC))
        self._scheduler.start()

    def stop(self) -> None:
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def wake(self) -> None:
        """A booking was made or changed: look at once. From any thread."""
        if self._scheduler.running:
            self._scheduler.modify_job(_TURN, next_run_time=datetime.now(UTC) + timedelta(milliseconds=50))

    def turn(self) -> None:
        """Do all that is due now. Raises SQLAlchemyError."""
        with self._engine.begin() as connection:
            adopt(connection)
        for booking_id in self._run_out():
            try:
                self._bookings.end(booking_id, BookingState.EXPIRED)
            except BookingError as error:  # somebody said yes or no at this moment
                _log.info("request %s did not run out: %s", booking_id, error)

    def _run_out(self) -> Sequence[str]:
        """Requests that nobody answered in time."""
        asked = select(_BOOKING.c.id).where(
            _BOOKING.c.state == BookingState.REQUESTED, _BOOKING.c.hold_until_ms <= self._now_ms()
        )
        with self._engine.connect() as connection:
            return connection.execute(asked).scalars().all()

    def _try(self) -> None:
        try:
            self.turn()
        except SQLAlchemyError as error:
            _log.warning("bookings cannot be looked after now: %s", type(error).__name__)
        except Exception:  # noqa: BLE001 - outermost loop: the clock goes on
            _log.exception("the clockwork of bookings goes on after an error")
