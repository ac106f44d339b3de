"""School years as they are edited: whole, checked, told of beforehand, and within the asker's schools."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, time, timedelta
from pathlib import Path

import pytest
from sqlmodel import Session, col, select

from controller.identity.store import audit_lines
from controller.main import wall_ms
from controller.scheduling.bookings import Bookings, Request
from controller.scheduling.notices import Kind
from controller.scheduling.school_time import Half, Holiday, Period
from controller.scheduling.tables import Notice
from controller.timetable.editing import RemoveYear, StoredYear, Timetables, WriteYear
from controller.timetable.errors import ChangedMeanwhile, NoSuchYear, YearNameTaken
from controller.timetable.plan import NamedBells
from tests.databases import fresh
from tests.integration.bookable import HERE, THERE, ZONE, Furnished, populated, school_day, span

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("bookings")]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Furnished]:
    engine = fresh(tmp_path / "db")
    yield populated(engine)
    engine.dispose()


@pytest.fixture
def timetables(here: Furnished) -> Timetables:
    return Timetables(here.engine, ZONE, wall_ms)


def year_of(timetables: Timetables, here: Furnished, day: date) -> StoredYear:
    found = timetables.years(here.person("lan"), HERE)
    return next(each for each in found if any(term.first <= day <= term.last for term in each.plan.terms))


def booked(here: Furnished, day: date, first: int, last: int) -> str:
    at = span(here.engine, day, first, last)
    holder = here.person("ha").id
    request = Request(HERE, holder, holder, (here.item("3D-01"),), at.start, at.stop, title="8A1")
    return Bookings(here.engine, wall_ms).book(request).id


def test_year_is_read_as_it_was_written_and_writing_it_again_changes_nothing(
    here: Furnished, timetables: Timetables
) -> None:
    who = here.person("lan")
    old = year_of(timetables, here, school_day())
    later = old.plan.later("Năm sau nữa")
    assert timetables.change(who, [WriteYear(later), WriteYear(later)]) == []
    named = [each.plan for each in timetables.years(who, HERE) if each.plan.name == "Năm sau nữa"]
    assert named == [later]
    assert later.terms[0].first == old.plan.terms[0].first + timedelta(weeks=52)
    assert later.terms[0].first.weekday() == old.plan.terms[0].first.weekday()


def test_year_of_a_school_is_copied_to_another_school(here: Furnished, timetables: Timetables) -> None:
    who = here.person("lan")
    plan = replace(year_of(timetables, here, school_day()).plan, school_id=THERE, name="Như An Phú")
    timetables.change(who, [WriteYear(plan)])
    assert plan in [each.plan for each in timetables.years(who, THERE)]


def test_holiday_tells_of_the_bookings_in_it_which_stay_and_whose_holders_hear(
    here: Furnished, timetables: Timetables
) -> None:
    who, day = here.person("lan"), school_day()
    hit, _spared = booked(here, day, 1, 2), booked(here, school_day(1), 1, 2)
    old = year_of(timetables, here, day)
    change = WriteYear(replace(old.plan, holidays=(*old.plan.holidays, Holiday("Hội thao", day, day))), old.id)
    foreseen = timetables.foresee(who, [change])
    assert [(each.id, each.title) for each in foreseen] == [(hit, "8A1")]
    assert timetables.find(who, old.id) == old, "foreseeing changes nothing"
    assert timetables.change(who, [change]) == foreseen
    with Session(here.engine) as db:
        notices = db.exec(select(Notice).where(col(Notice.kind) == Kind.CALENDAR_CHANGED)).all()
        assert [(each.subject, each.user_id) for each in notices] == [(hit, here.person("ha").id)]
        assert audit_lines(db)[-1].action == "year-write"
    found = Bookings(here.engine, wall_ms).find(hit)
    assert found is not None
    assert found.state.holds


def test_bells_that_ring_otherwise_tell_of_the_bookings_beside_them(here: Furnished, timetables: Timetables) -> None:
    day = school_day()
    hit = booked(here, day, 1, 1)
    booked(here, day, 3, 3)
    old = year_of(timetables, here, day)
    rung = old.plan.bells[0]
    kept = tuple(each for each in rung.bells.periods if each.place != (Half.MORNING, 1))
    later = Period(time(7, 25), time(8, 0), Half.MORNING, 1)
    bells = NamedBells(rung.name, replace(rung.bells, periods=(later, *kept)))
    change = WriteYear(replace(old.plan, bells=(bells,)), old.id)
    assert [each.id for each in timetables.foresee(here.person("lan"), [change])] == [hit]


def test_removing_a_year_tells_of_all_its_bookings(here: Furnished, timetables: Timetables) -> None:
    who, day = here.person("lan"), school_day()
    booked(here, day, 1, 1)
    years = [each.id for each in timetables.years(who, HERE)]
    assert len(timetables.change(who, [RemoveYear(each) for each in years])) == 1
    assert timetables.years(who, HERE) == []


def test_year_of_another_school_is_not_there_for_who_belongs_to_one(here: Furnished, timetables: Timetables) -> None:
    old = year_of(timetables, here, school_day())
    stranger = here.person("nam")
    with pytest.raises(NoSuchYear):
        timetables.find(stranger, old.id)
    with pytest.raises(NoSuchYear):
        timetables.years(stranger, HERE)
    with pytest.raises(NoSuchYear):
        timetables.change(stranger, [WriteYear(old.plan)])


def test_second_of_two_editors_is_told_to_look_again_and_nothing_of_a_batch_stays(
    here: Furnished, timetables: Timetables
) -> None:
    who = here.person("lan")
    old, other = timetables.years(who, HERE)
    first = replace(old.plan, holidays=())
    timetables.change(who, [WriteYear(first, old.id, old.plan.fingerprint)])
    with pytest.raises(ChangedMeanwhile):
        timetables.change(
            who, [WriteYear(first.later("Thừa")), WriteYear(replace(old.plan, terms=()), old.id, old.plan.fingerprint)]
        )
    with pytest.raises(YearNameTaken):
        timetables.change(who, [WriteYear(replace(first, name=other.plan.name), old.id)])
    assert [each.plan for each in timetables.years(who, HERE)] == [first, other.plan]
