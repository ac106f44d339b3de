"""A school's year as it is stored now. Every booking asks for it: what was read and is the same is not built again."""

from collections.abc import Sequence
from datetime import date, time, tzinfo
from functools import lru_cache
from itertools import groupby
from typing import Any, Final, NamedTuple, TypeAlias

from sqlalchemy import Connection, Row, Select, Table, bindparam, select

from controller.scheduling.school_time import Bells, Half, Holiday, MakeUpDay, Period, SchoolYear, Term, Week
from controller.timetable.tables import BellRow, HolidayRow, MakeUpRow, PeriodRow, TermRow

_TERM: Table = TermRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_HOLIDAY: Table = HolidayRow.__table__  # type: ignore[attr-defined]
_MAKE_UP: Table = MakeUpRow.__table__  # type: ignore[attr-defined]
_BELLS: Table = BellRow.__table__  # type: ignore[attr-defined]
_PERIOD: Table = PeriodRow.__table__  # type: ignore[attr-defined]
_SCHOOLS: Final = 256
"""Years that are kept as they were built: one or two for each school of a cluster."""

_YEARS = select(_TERM.c.year_id, _TERM.c.first).where(_TERM.c.school_id == bindparam("school")).order_by(_TERM.c.first)
_TERMS: Select[Any] = (
    select(_TERM.c.name, _TERM.c.first, _TERM.c.last, _TERM.c.opens_with)
    .where(_TERM.c.year_id == bindparam("year"))
    .order_by(_TERM.c.first)
)
_HOLIDAYS: Select[Any] = (
    select(_HOLIDAY.c.name, _HOLIDAY.c.first, _HOLIDAY.c.last)
    .where(_HOLIDAY.c.year_id == bindparam("year"))
    .order_by(_HOLIDAY.c.first)
)
_MAKE_UPS: Select[Any] = (
    select(_MAKE_UP.c.day, _MAKE_UP.c.as_weekday)
    .where(_MAKE_UP.c.year_id == bindparam("year"))
    .order_by(_MAKE_UP.c.day)
)
_RUNG: Select[Any] = (
    select(
        _BELLS.c.id,
        _BELLS.c.weekdays,
        _BELLS.c.first,
        _BELLS.c.last,
        _PERIOD.c.begins,
        _PERIOD.c.ends,
        _PERIOD.c.half,
        _PERIOD.c.number,
    )
    .outerjoin(_PERIOD, _PERIOD.c.bell_id == _BELLS.c.id)
    .where(_BELLS.c.year_id == bindparam("year"))
    .order_by(_BELLS.c.first, _BELLS.c.id, _PERIOD.c.begins)
)

_Rows: TypeAlias = tuple[tuple[Any, ...], ...]


class _Rung(NamedTuple):
    """A period and the bells that it belongs to; no period of bells that have none."""

    bells: int
    weekdays: str
    first: date
    last: date
    begins: time | None
    ends: time | None
    half: str | None
    number: int | None


def year_on(connection: Connection, school_id: str, day: date, zone: tzinfo) -> SchoolYear:
    """The school year that a day of a school belongs to; one without lessons if there is none.

    Raises SchoolTimeError if what is stored cannot be.
    """
    return school_year(connection, year_of(connection, school_id, day), zone)


def year_of(connection: Connection, school_id: str, day: date) -> int | None:
    """The one whose term is the last to have begun by then, else the first that is to come."""
    found = connection.execute(_YEARS, {"school": school_id}).all()
    begun = [year_id for year_id, first in found if first <= day]
    return begun[-1] if begun else found[0].year_id if found else None


def school_year(connection: Connection, year_id: int | None, zone: tzinfo) -> SchoolYear:
    """One without any lessons for None. Raises SchoolTimeError if what is stored cannot be."""
    if year_id is None:
        return _built(zone, (), (), (), ())
    terms, holidays, make_up, rung = (
        _plain(connection.execute(each, {"year": year_id}).all()) for each in (_TERMS, _HOLIDAYS, _MAKE_UPS, _RUNG)
    )
    return _built(zone, terms, holidays, make_up, rung)


def _plain(rows: Sequence[Row[Any]]) -> _Rows:
    return tuple(tuple(row) for row in rows)


@lru_cache(_SCHOOLS)
def _built(zone: tzinfo, terms: _Rows, holidays: _Rows, make_up: _Rows, rung: _Rows) -> SchoolYear:
    """Of the same rows the same year: it remembers the slots of days that were asked for."""
    return SchoolYear(
        zone,
        tuple(Term(name, first, last, Week(kind)) for name, first, last, kind in terms),
        _bells([_Rung(*each) for each in rung]),
        tuple(Holiday(*each) for each in holidays),
        tuple(MakeUpDay(*each) for each in make_up),
    )


def _bells(rung: Sequence[_Rung]) -> tuple[Bells, ...]:
    found = []
    for _, group in groupby(rung, key=lambda each: each.bells):
        its = list(group)
        periods = tuple(
            Period(each.begins, each.ends, Half(each.half), each.number)
            for each in its
            if each.begins is not None and each.ends and each.half and each.number
        )
        found.append(Bells(frozenset(map(int, its[0].weekdays)), its[0].first, its[0].last, periods))
    return tuple(found)
