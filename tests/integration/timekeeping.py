"""A lab with machines that can be booked and the parts that keep its time, on a real database and a test's clock."""

from collections.abc import Sequence

from sqlalchemy import Engine, update
from sqlmodel import Session, col, select

from controller.fleet.tables import Agent, Latest, Series
from controller.identity.store import audit_lines
from controller.ingest.observer import Fresh
from controller.scheduling.booked import LeaseState
from controller.scheduling.booking_states import BookingState
from controller.scheduling.bookings import Booked, Bookings, Request
from controller.scheduling.clockwork import Clockwork
from controller.scheduling.leases import LeaseDesk, WalkUp
from controller.scheduling.school_time import TICK_MS
from controller.scheduling.stock import Item
from controller.scheduling.tables import Assignment, Booking, Claim, LeaseGrant, Notice, Resource, UseSpan
from controller.scheduling.usage import Usage
from controller.telemetry.days import DAY_MS
from controller.telemetry.rows import rows_in
from tests.integration.office import PRINTER, PROJECTOR, Clock, fill

MINUTE = 60_000
HA, KY = "u-ha", "u-ky"
PRINTER_THING, PROJECTOR_THING, ROOM_THING, CIRCUIT = 11, 12, 13, 14
"""What can be booked: the printer with five minutes of cleaning, on a circuit of its watts; a projector; a room."""


def _thing(number: int, name: str, kind: str = "unit", **more: int) -> Resource:
    thing = Resource(id=number, school_id="an-phu", kind=kind, name=name, code=f"C{number}", shared=True)
    for key, value in more.items():
        setattr(thing, key, value)
    return thing


class Lab:
    """The clock stands at a full five minutes until a test sets it."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.clock = engine, Clock()
        self.clock.ms -= self.clock.ms % TICK_MS
        self.books_changed = 0
        self.bookings = Bookings(engine, self.clock)
        self.restart()

    def furnish(self) -> None:
        """Fill a database that has its tables."""
        fill(self.engine, self.clock())
        with Session(self.engine) as db:
            db.add(_thing(CIRCUIT, "Mạch", kind="circuit", capacity=500))
            db.flush()
            printer = _thing(PRINTER_THING, "3D-01", device_id=PRINTER)
            printer.clean_up_min, printer.watts, printer.circuit_id, printer.class_name = 5, 350, CIRCUIT, "printer-3d"
            db.add(printer)
            db.add(_thing(PROJECTOR_THING, "P-01", device_id=PROJECTOR))
            db.add(_thing(ROOM_THING, "Lab"))
            db.commit()

    def restart(self) -> None:
        """Everything that was in memory is gone."""
        self.desk = LeaseDesk(self.engine, self.clock)
        self.usage = Usage(self.engine, self.clock)
        self.clockwork = Clockwork(
            self.engine, self.clock, leases=self.desk, usage=self.usage, leases_changed=self._books_changed
        )

    def _books_changed(self) -> None:
        self.books_changed += 1

    # what people and time do

    def book(
        self, things: Sequence[int] = (PRINTER_THING,), *, begins: int = 0, minutes: int = 45, **more: object
    ) -> Booked:
        """`begins` in minutes from now."""
        start_ms = self.clock() + begins * MINUTE
        asked: dict[str, object] = {"holder": HA, "school_id": "an-phu", "by_id": HA, **more}
        items = tuple(Item(each) for each in things)
        return self.bookings.book(
            Request(items=items, start_ms=start_ms, end_ms=start_ms + minutes * MINUTE, **asked)  # type: ignore[arg-type]  # a test's shorthand
        )

    def walk_up(self, holder: str = KY, minutes: float = 30, device_id: int = PRINTER) -> int:
        with Session(self.engine) as db:
            number = self.desk.walk_up(db, WalkUp(device_id, holder, self.clock() + round(minutes * MINUTE)))
            db.commit()
            return number

    def end_walk_up(self, lease: LeaseGrant, by: str = "") -> bool:
        with Session(self.engine) as db:
            ended = self.desk.end(db, lease.booking, by)
            db.commit()
            return ended

    def later(self, minutes: float) -> None:
        self.clock.ms += round(minutes * MINUTE)

    def turn(self) -> int | None:
        return self.clockwork.turn()

    def agent(self, agent_id: int = 1, **values: object) -> None:
        with self.engine.begin() as connection:
            connection.execute(update(Agent).where(col(Agent.id) == agent_id).values(values))

    def holds_newest_book(self) -> None:
        """The agent says that it has it."""
        with Session(self.engine) as db:
            agent = db.get_one(Agent, 1)
            agent.held_generation, agent.held_number = 1, agent.book_number
            db.commit()

    def says(self, *, working: bool | None, device_id: int = PRINTER, ago_ms: int = 0, late: bool = False) -> None:
        """The machine's own word, stored and told as ingest does it; one that comes `late` is not told."""
        at_ms = self.clock() - ago_ms
        metric = "printing" if device_id == PRINTER else "lamp-on"
        with Session(self.engine) as db:
            found = db.exec(select(Series).where(Series.device_id == device_id, Series.metric == metric)).first()
            if found is None:
                found = Series(school_id="an-phu", device_id=device_id, metric=metric, unit="1", kind="bool")
                db.add(found)
                db.flush()
            series_id = found.id or 0
            db.merge(Latest(series_id=series_id, at_ms=at_ms, number=working, text=None, received_ms=at_ms))
            value = None if working is None else int(working)
            stored = rows_in(self.engine)
            stored.add(db.connection(), at_ms // DAY_MS, [(series_id, at_ms, 1, value)])
            stored.flush(db.connection())
            db.commit()
        if not late:
            self.clockwork.values_committed([Fresh(series_id, device_id, metric, at_ms, working)])

    # what there is then

    def leases(self, *, standing: bool = True) -> list[LeaseGrant]:
        with Session(self.engine) as db:
            found = db.exec(select(LeaseGrant).order_by(col(LeaseGrant.id))).all()
            return [each for each in found if each.revoked_ms is None or not standing]

    def lease(self, holder: str) -> LeaseGrant:
        (found,) = [each for each in self.leases() if each.holder == holder]
        return found

    def states(self, booking: Booked) -> dict[int, LeaseState]:
        return dict(self.desk.lease_states(booking.id))

    def row(self, booking_id: str | None) -> Booking:
        with Session(self.engine) as db:
            return db.get_one(Booking, booking_id)

    def state(self, booking: Booked) -> BookingState:
        return BookingState(self.row(booking.id).state)

    def claims(self, booking_id: str | None, thing: int = PRINTER_THING) -> list[int]:
        """Minutes from the clock's beginning of their five minutes."""
        with Session(self.engine) as db:
            ticks = db.exec(select(Claim.tick).where(Claim.booking_id == booking_id, Claim.resource_id == thing))
            return sorted((tick * TICK_MS - self.clock()) // MINUTE for tick in ticks)

    def assignments(self, booking_id: str) -> list[Assignment]:
        with Session(self.engine) as db:
            return list(db.exec(select(Assignment).where(Assignment.booking_id == booking_id)))

    def uses(self, device_id: int = PRINTER) -> list[UseSpan]:
        with Session(self.engine) as db:
            asked = select(UseSpan).where(UseSpan.device_id == device_id).order_by(col(UseSpan.from_ms))
            return list(db.exec(asked))

    def notices(self) -> list[tuple[str, str | None]]:
        """Kind, and for whom; None: the technicians."""
        with Session(self.engine) as db:
            return [(each.kind, each.user_id) for each in db.exec(select(Notice).order_by(col(Notice.id)))]

    def audit(self, action: str) -> list[tuple[str, str]]:
        """Actor and detail of each line."""
        with Session(self.engine) as db:
            return [(line.actor, line.detail) for line in audit_lines(db) if line.action == action]
