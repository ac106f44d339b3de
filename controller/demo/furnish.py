"""Writes the demo's school years, things and bookings into its tables. Again changes nothing."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta, tzinfo

from sqlalchemy import Engine
from sqlmodel import Session, select

from controller.demo import bookables
from controller.demo.bookables import DemoBooking, DemoThing
from controller.demo.cluster import PEOPLE, SCHOOLS, DemoSchool
from controller.fleet.tables import Room
from controller.identity import store as people
from controller.scheduling.booking_errors import BookingError
from controller.scheduling.bookings import Bookings, Request
from controller.scheduling.stock import Item
from controller.scheduling.tables import HeldCertificate, Resource
from controller.timetable.store import year_on
from controller.timetable.tables import BellRow, HolidayRow, PeriodRow, TermRow, Year

_WEEK = timedelta(days=7)
_SUNDAY = 6


def furnish(engine: Engine, now_ms: Callable[[], int], zone: tzinfo) -> None:
    """Years, things and certificates if there are no things yet, and bookings in the week that is shown first.

    People and rooms are there already.
    """
    today = datetime.fromtimestamp(now_ms() / 1000, zone).date()
    with Session(engine) as db:
        if db.exec(select(Resource.id)).first() is None:
            for school in SCHOOLS:
                _year(db, school, bookables.school_year(today))
            _things(db)
            _certificates(db, now_ms())
            db.commit()
        wanted = _requests(db, today, zone)
    bookings = Bookings(engine, now_ms)
    for request in wanted:
        if request.start_ms > now_ms():
            with suppress(BookingError):  # somebody who tries the demo was quicker
                bookings.book(request)


def _requests(db: Session, today: date, zone: tzinfo) -> Sequence[Request]:
    monday = today - timedelta(days=today.weekday()) + (_WEEK if today.weekday() == _SUNDAY else timedelta())
    ids = {(each.school_id, each.name): each.id or 0 for each in db.exec(select(Resource))}
    made = (_request(db, each, monday, ids, zone) for each in bookables.BOOKINGS)
    return [each for each in made if each is not None]


def _year(db: Session, school: DemoSchool, begun: int) -> None:
    year = Year(school_id=school.slug, name=f"{begun}–{begun + 1}")
    db.add(year)
    db.flush()
    its = year.id or 0
    for term in bookables.terms(begun):
        db.add(
            TermRow(
                school_id=school.slug,
                year_id=its,
                name=term.name,
                first=term.first,
                last=term.last,
                opens_with=term.opens_with,
            )
        )
    for free in bookables.holidays(begun):
        db.add(HolidayRow(school_id=school.slug, year_id=its, name=free.name, first=free.first, last=free.last))
    bells = BellRow(
        school_id=school.slug,
        year_id=its,
        name="Cả năm",
        weekdays="".join(str(each) for each in sorted(bookables.weekdays())),
        first=date(begun, 9, 1),
        last=date(begun + 1, 8, 31),
    )
    db.add(bells)
    db.flush()
    for each in bookables.periods(school):
        db.add(
            PeriodRow(
                bell_id=bells.id or 0,
                half=each.half,
                number=each.number,
                school_id=school.slug,
                begins=each.begins,
                ends=each.ends,
            )
        )


def _things(db: Session) -> None:
    rooms = {(each.school_id, each.slug): each.id for each in db.exec(select(Room))}
    circuits: dict[tuple[str, str], int | None] = {}
    for each in bookables.things():
        made = _resource(each, rooms[each.school, each.room], circuits.get((each.school, each.circuit)))
        db.add(made)
        db.flush()
        circuits[each.school, each.name] = made.id


def _resource(thing: DemoThing, room_id: int | None, circuit_id: int | None) -> Resource:
    return Resource(
        school_id=thing.school,
        room_id=room_id,
        kind=thing.kind,
        class_name=thing.class_name,
        name=thing.name,
        code=thing.code,
        capacity=thing.capacity,
        clean_up_min=thing.clean_up_min,
        watts=thing.watts,
        circuit_id=circuit_id,
        hazard=thing.hazard,
        certificate=thing.certificate,
        shared=thing.shared,
        approval=thing.approval,
    )


def _certificates(db: Session, now_ms: int) -> None:
    for person in PEOPLE:
        user = people.user_by_login(db, person.login)
        if user is not None:
            db.add_all(
                HeldCertificate(school_id=person.school, user_id=user.id, name=each, issued_ms=now_ms, by_id=user.id)
                for each in person.certificates
            )


def _request(
    db: Session, wanted: DemoBooking, monday: date, ids: Mapping[tuple[str, str], int], zone: tzinfo
) -> Request | None:
    """None if its periods are not taught on that day, or somebody has removed a thing."""
    user = people.user_by_login(db, wanted.login)
    if user is None or user.school_id is None:
        return None
    day = monday + timedelta(days=wanted.day)
    year = year_on(db, user.school_id, day, zone)
    first, last = (year.slot(day, wanted.half, number) for number in (wanted.first, wanted.last))
    if first is None or last is None:
        return None
    named = [each.split(":", 1) for each in wanted.things]
    if any((bookables.SCHOOL_OF[key], name) not in ids for key, name in named):
        return None
    pools = {each.name: wanted.head_count for each in bookables.things() if each.kind == "pool"}
    return Request(
        school_id=user.school_id,
        holder=user.id,
        by_id=user.id,
        items=tuple(Item(ids[bookables.SCHOOL_OF[key], name], count=pools.get(name, 1)) for key, name in named),
        start_ms=first.start_ms,
        end_ms=last.end_ms,
        title=wanted.title,
        purpose=wanted.purpose,
        head_count=wanted.head_count,
        key=f"demo:{monday}:{wanted.login}:{wanted.day}:{wanted.half}:{wanted.first}",
    )
