"""Every query of timetables. The caller commits."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, tzinfo
from typing import Any

from sqlalchemy import delete, update
from sqlmodel import Session, col, select

from controller.scheduling.school_time import Bells, Half, Period, SchoolYear
from controller.timetable import almanac
from controller.timetable.plan import NamedBells, YearPlan
from controller.timetable.tables import BellRow, HolidayRow, MakeUpRow, PeriodRow, TermRow, Year


def years(db: Session, school_id: str) -> Sequence[Year]:
    """In the order of their names."""
    return db.exec(select(Year).where(Year.school_id == school_id).order_by(Year.name)).all()


def school_year(db: Session, year_id: int | None, zone: tzinfo) -> SchoolYear:
    """As `almanac.school_year`, with what this session has flushed."""
    return almanac.school_year(db.connection(), year_id, zone)


def year_on(db: Session, school_id: str, day: date, zone: tzinfo) -> SchoolYear:
    """As `almanac.year_on`, with what this session has flushed."""
    return almanac.year_on(db.connection(), school_id, day, zone)


def terms(db: Session, year_id: int) -> Sequence[TermRow]:
    return db.exec(select(TermRow).where(TermRow.year_id == year_id).order_by(col(TermRow.first))).all()


def holidays(db: Session, year_id: int) -> Sequence[HolidayRow]:
    return db.exec(select(HolidayRow).where(HolidayRow.year_id == year_id).order_by(col(HolidayRow.first))).all()


def make_up(db: Session, year_id: int) -> Sequence[MakeUpRow]:
    return db.exec(select(MakeUpRow).where(MakeUpRow.year_id == year_id).order_by(col(MakeUpRow.day))).all()


def named_bells(db: Session, year_id: int) -> tuple[NamedBells, ...]:
    periods: dict[int, list[Period]] = defaultdict(list)
    rung = select(PeriodRow).join(BellRow, col(BellRow.id) == PeriodRow.bell_id).where(BellRow.year_id == year_id)
    for each in db.exec(rung):
        periods[each.bell_id].append(Period(each.begins, each.ends, Half(each.half), each.number))
    rows = db.exec(select(BellRow).where(BellRow.year_id == year_id).order_by(col(BellRow.first), col(BellRow.id)))
    return tuple(NamedBells(each.name, _bells(each, periods[each.id or 0])) for each in rows)


# whole years, as they are edited


def plan(db: Session, year: Year) -> YearPlan:
    """Raises SchoolTimeError if what is stored cannot be."""
    its = year.id or 0
    stored = school_year(db, its, UTC)
    return YearPlan(year.school_id, year.name, stored.terms, named_bells(db, its), stored.holidays, stored.make_up)


def plans(db: Session, school_id: str) -> Mapping[int, YearPlan]:
    """All of a school, by id."""
    return {each.id or 0: plan(db, each) for each in years(db, school_id)}


def add(db: Session, wanted: YearPlan) -> int:
    """The new year's id."""
    year = Year(school_id=wanted.school_id, name=wanted.name)
    db.add(year)
    db.flush()
    _fill(db, year.id or 0, wanted)
    return year.id or 0


def replace(db: Session, year_id: int, wanted: YearPlan) -> None:
    """Have a year be so, under the name that it has then."""
    _clear(db, year_id)
    db.execute(update(Year).where(col(Year.id) == year_id).values(name=wanted.name))
    _fill(db, year_id, wanted)


def remove(db: Session, year_id: int) -> None:
    _clear(db, year_id)
    db.execute(delete(Year).where(col(Year.id) == year_id))


def _bells(row: BellRow, periods: Sequence[Period]) -> Bells:
    return Bells(frozenset(map(int, row.weekdays)), row.first, row.last, tuple(sorted(periods)))


def _clear(db: Session, year_id: int) -> None:
    rung = select(BellRow.id).where(BellRow.year_id == year_id)
    db.execute(delete(PeriodRow).where(col(PeriodRow.bell_id).in_(rung)))
    for table in (TermRow, HolidayRow, MakeUpRow, BellRow):
        db.execute(delete(table).where(col(table.year_id) == year_id))


def _fill(db: Session, year_id: int, wanted: YearPlan) -> None:
    its: dict[str, Any] = {"school_id": wanted.school_id, "year_id": year_id}
    for term in wanted.terms:
        db.add(TermRow(name=term.name, first=term.first, last=term.last, opens_with=term.opens_with, **its))
    for free in wanted.holidays:
        db.add(HolidayRow(name=free.name, first=free.first, last=free.last, **its))
    for made in wanted.make_up:
        db.add(MakeUpRow(day=made.day, as_weekday=made.as_weekday, **its))
    for each in wanted.bells:
        _ring(db, each, its)
    db.flush()


def _ring(db: Session, named: NamedBells, its: Mapping[str, Any]) -> None:
    bells = named.bells
    weekdays = "".join(map(str, sorted(bells.weekdays)))
    row = BellRow(name=named.name, weekdays=weekdays, first=bells.first, last=bells.last, **its)
    db.add(row)
    db.flush()
    for each in bells.periods:
        db.add(
            PeriodRow(
                bell_id=row.id or 0,
                half=each.half,
                number=each.number,
                school_id=its["school_id"],
                begins=each.begins,
                ends=each.ends,
            )
        )
