"""Two schools that teach, and share what stands in their labs: on any database, whatever day it is.

People, besides those of `running.seed`: `duc` teaches at An Phú as `ha` does, `nam` at Bình Minh, `lan` coordinates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine
from sqlmodel import Session, select

from controller.database import make_engine
from controller.demo.bookables import holidays, periods, school_year, terms
from controller.demo.cluster import HILL
from controller.fleet.tables import Room, School
from controller.identity.admin import NewUser
from controller.identity.policy import Principal, Role
from controller.identity.store import add_user, principal, user_by_login
from controller.main import wall_ms
from controller.scheduling.school_time import Half
from controller.scheduling.stock import Item
from controller.scheduling.tables import HeldCertificate, Resource
from controller.timetable.store import year_on
from controller.timetable.tables import BellRow, HolidayRow, PeriodRow, TermRow, Year
from tests.integration.running import PASSWORD, seed, settings

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
HERE, THERE = "an-phu", "binh-minh"
PRINTERS = Item(class_name="printer-3d")


@dataclass(frozen=True)
class Furnished:
    """What can be booked, by name: `3D-01` to `3D-03` (the third is not shared; each takes 350 W of a circuit of 800),
    `Laser` (certified, supervised, on approval), `Kit` (30 of them), `Lab` (the room); and `3D-09` of the other school.
    """

    engine: Engine
    things: Mapping[str, int]

    def item(self, name: str, count: int = 1) -> Item:
        return Item(self.things[name], count=count)

    def person(self, login: str) -> Principal:
        with Session(self.engine) as db:
            found = user_by_login(db, login)
            assert found is not None
            return principal(found)


def furnished(state: Path) -> Furnished:
    """Fill an empty state: for `running.running`."""
    cluster = seed(state)
    for login, role, school in (
        ("duc", Role.TEACHER, HERE),
        ("nam", Role.TEACHER, THERE),
        ("lan", Role.COORDINATOR, None),
    ):
        cluster.admin.add_user(NewUser(login, f"Person {login}", role, school), PASSWORD)
    return furnish(make_engine(settings(state).database))


def populated(engine: Engine) -> Furnished:
    """Fill an empty database, with people who cannot sign in: for what is tested without a controller."""
    with Session(engine) as db:
        for school in (HERE, THERE):
            db.add(School(id=school, name=school))
            db.flush()
            db.add(Room(school_id=school, slug="fablab", name="FabLab"))
        for login, role, school_id in (
            ("ha", Role.TEACHER, HERE),
            ("nam", Role.TEACHER, THERE),
            ("lan", Role.COORDINATOR, None),
        ):
            person = f"Person {login}"
            add_user(db, login=login, name=person, role=role, school_id=school_id, password_hash="", now_ms=0)
        db.commit()
    return furnish(engine)


def furnish(engine: Engine) -> Furnished:
    """Years, bells, things, and a certificate for `ha` if there is such a person. Schools and rooms are there."""
    today = datetime.fromtimestamp(wall_ms() / 1000, ZONE).date()
    with Session(engine) as db:
        for school in (HERE, THERE):
            for begun in (school_year(today), school_year(today) + 1):
                _year(db, school, begun)
        things = _things(db)
        ha = user_by_login(db, "ha")
        if ha is not None:
            db.add(HeldCertificate(school_id=HERE, user_id=ha.id, name="laser", issued_ms=0, by_id=ha.id))
        db.commit()
    return Furnished(engine, things)


def school_day(number: int = 0) -> date:
    """A Tuesday that is more than a week away, or one of the four days after it. No holiday is among them."""
    today = datetime.fromtimestamp(wall_ms() / 1000, ZONE).date()
    tuesday = today + timedelta(days=8 - today.weekday() + 7)
    while any(is_holiday(tuesday + timedelta(days=each)) for each in range(5)):
        tuesday += timedelta(days=7)
    return tuesday + timedelta(days=number)


def span(engine: Engine, day: date, first: int, last: int, half: Half = Half.MORNING, school: str = HERE) -> range:
    """The instants (ms) from the beginning of one period to the end of another."""
    with Session(engine) as db:
        year = year_on(db, school, day, ZONE)
    one, other = year.slot(day, half, first), year.slot(day, half, last)
    assert one is not None
    assert other is not None
    return range(one.start_ms, other.end_ms)


def is_holiday(day: date) -> bool:
    return any(day in free for begun in (school_year(day), school_year(day) + 1) for free in holidays(begun))


def _year(db: Session, school_id: str, begun: int) -> None:
    year = Year(school_id=school_id, name=f"{begun}–{begun + 1}")
    db.add(year)
    db.flush()
    its = year.id or 0
    for term in terms(begun):
        db.add(
            TermRow(
                school_id=school_id,
                year_id=its,
                name=term.name,
                first=term.first,
                last=term.last,
                opens_with=term.opens_with,
            )
        )
    for free in holidays(begun):
        db.add(HolidayRow(school_id=school_id, year_id=its, name=free.name, first=free.first, last=free.last))
    first, last = date(begun, 9, 1), date(begun + 1, 8, 31)
    bells = BellRow(school_id=school_id, year_id=its, name="Cả năm", weekdays="012345", first=first, last=last)
    db.add(bells)
    db.flush()
    for each in periods(HILL):
        db.add(
            PeriodRow(
                bell_id=bells.id or 0,
                half=each.half,
                number=each.number,
                school_id=school_id,
                begins=each.begins,
                ends=each.ends,
            )
        )


def _things(db: Session) -> Mapping[str, int]:
    rooms = {each.school_id: each.id for each in db.exec(select(Room))}

    def add(name: str, code: str, school_id: str = HERE, **more: object) -> int:
        given = {"kind": "unit", "shared": True, **more}
        thing = Resource(school_id=school_id, room_id=rooms.get(school_id), name=name, code=code, **given)  # type: ignore[arg-type]  # a test's shorthand
        db.add(thing)
        db.flush()
        return thing.id or 0

    circuit = add("Mạch", "CCCC22", kind="circuit", capacity=800)
    printer: dict[str, Any] = {"class_name": "printer-3d", "clean_up_min": 5, "watts": 350, "hazard": 1}
    return {
        "3D-01": add("3D-01", "D2222A", circuit_id=circuit, **printer),
        "3D-02": add("3D-02", "D2222B", circuit_id=circuit, **printer),
        "3D-03": add("3D-03", "D2222C", circuit_id=circuit, **{**printer, "shared": False}),
        "Laser": add("Laser", "L2222A", class_name="laser", hazard=3, certificate="laser", approval=True),
        "Kit": add("Kit", "K2222A", kind="pool", capacity=30),
        "Lab": add("Lab", "R2222A", class_name="room"),
        "3D-09": add("3D-09", "D2222D", THERE, **printer),
    }
