"""Every query of timetables. The caller commits."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, tzinfo

from sqlmodel import Session, col, select

from controller.scheduling.school_time import Bells, Half, Holiday, MakeUpDay, Period, SchoolYear, Term, Week
from controller.timetable.tables import BellRow, HolidayRow, MakeUpRow, PeriodRow, TermRow, Year


def years(db: Session, school_id: str) -> Sequence[Year]:
    """In the order of their names."""
    return db.exec(select(Year).where(Year.school_id == school_id).order_by(Year.name)).all()


def year_of(db: Session, school_id: str, day: date) -> int | None:
    """The year of a day: the one whose term is the last to have begun by then, else the first that is to come."""
    terms = db.exec(select(TermRow).where(TermRow.school_id == school_id).order_by(col(TermRow.first))).all()
    begun = [each for each in terms if each.first <= day]
    return begun[-1].year_id if begun else terms[0].year_id if terms else None


def school_year(db: Session, year_id: int | None, zone: tzinfo) -> SchoolYear:
    """One without any lessons for None. Raises SchoolTimeError if what is stored cannot be."""
    if year_id is None:
        return SchoolYear(zone, (), ())
    return SchoolYear(
        zone,
        tuple(Term(each.name, each.first, each.last, Week(each.opens_with)) for each in terms(db, year_id)),
        bells(db, year_id),
        tuple(Holiday(each.name, each.first, each.last) for each in holidays(db, year_id)),
        tuple(MakeUpDay(each.day, each.as_weekday) for each in make_up(db, year_id)),
    )


def year_on(db: Session, school_id: str, day: date, zone: tzinfo) -> SchoolYear:
    """The school year that a day of a school belongs to."""
    return school_year(db, year_of(db, school_id, day), zone)


def terms(db: Session, year_id: int) -> Sequence[TermRow]:
    return db.exec(select(TermRow).where(TermRow.year_id == year_id).order_by(col(TermRow.first))).all()


def holidays(db: Session, year_id: int) -> Sequence[HolidayRow]:
    return db.exec(select(HolidayRow).where(HolidayRow.year_id == year_id).order_by(col(HolidayRow.first))).all()


def make_up(db: Session, year_id: int) -> Sequence[MakeUpRow]:
    return db.exec(select(MakeUpRow).where(MakeUpRow.year_id == year_id).order_by(col(MakeUpRow.day))).all()


def bells(db: Session, year_id: int) -> tuple[Bells, ...]:
    periods: dict[int, list[Period]] = defaultdict(list)
    rung = select(PeriodRow).join(BellRow, col(BellRow.id) == PeriodRow.bell_id).where(BellRow.year_id == year_id)
    for each in db.exec(rung):
        periods[each.bell_id].append(Period(each.begins, each.ends, Half(each.half), each.number))
    rows = db.exec(select(BellRow).where(BellRow.year_id == year_id).order_by(col(BellRow.first), col(BellRow.id)))
    return tuple(
        Bells(frozenset(map(int, each.weekdays)), each.first, each.last, tuple(sorted(periods[each.id or 0])))
        for each in rows
    )
