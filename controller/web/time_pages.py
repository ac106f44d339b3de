"""The pages of school time: years, their terms, holidays, make-up days and bells. They work without scripts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Annotated, Any, Final, TypeAlias, TypeVar

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, Response
from markupsafe import Markup

from controller.api.ids import RowId
from controller.scheduling.school_time import (
    Bells,
    Half,
    Holiday,
    MakeUpDay,
    Period,
    SchoolTimeError,
    Term,
    Week,
)
from controller.services import Services
from controller.timetable.editing import RemoveYear, StoredYear, WriteYear, YearChange
from controller.timetable.errors import ChangedMeanwhile, NoSuchYear, YearNameTaken
from controller.timetable.plan import NamedBells, YearPlan
from controller.web import time_view, typed
from controller.web.admin_form import Filled
from controller.web.admin_words import flaw_field, flaw_words, period_field
from controller.web.planning import AGREED, Planner, Planning, see
from controller.web.time_view import NEW, Part
from controller.web.visit import Form

_Each = TypeVar("_Each")
_Build: TypeAlias = Callable[[], YearPlan]
_NO_PROBLEMS: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class PartPlace:
    """One of a year's parts as an address names it: `place` is its number in the order of dates, or `NEW`."""

    year_id: RowId
    part: Part
    place: str


Where: TypeAlias = Annotated[PartPlace, Depends()]


def router(services: Services) -> APIRouter:
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    _add_years(routes, services)
    _add_copies(routes, services)
    _add_parts(routes, services)
    return routes


def _add_years(routes: APIRouter, services: Services) -> None:
    @routes.get("/admin/time")
    def years(request: Request, who: Planner, school: str = "") -> Response:
        return _years_page(Planning(services, request, who), school)

    @routes.post("/admin/time")
    def add(request: Request, who: Planner, given: Form) -> Response:
        planning = Planning(services, request, who)
        school, name = given.get("school", ""), given.get("name", "").strip()
        if any(each.plan.name == name for each in services.timetables.years(who, planning.school(school).id)):
            return _years_page(planning, school, name, planning.words.t("“{name}” is there already.", name=name))
        try:
            services.timetables.change(who, [WriteYear(YearPlan(planning.school(school).id, name))])
        except SchoolTimeError as wrong:
            return _years_page(planning, school, name, flaw_words(wrong, planning.words))
        made = next(each for each in services.timetables.years(who, school) if each.plan.name == name)
        return see(f"/admin/time/{made.id}")

    @routes.get("/admin/time/{year_id}")
    def year(request: Request, who: Planner, year_id: RowId, day: str = "", copied: str = "") -> Response:
        return Editing.of(services, request, who, year_id).page(day=day, copied=bool(copied))

    @routes.post("/admin/time/{year_id}")
    def rename(request: Request, who: Planner, year_id: RowId, given: Form) -> Response:
        editing = Editing.of(services, request, who, year_id, given)
        name = given.get("name", "").strip()
        return editing.save(lambda: replace(editing.year.plan, name=name), lambda found: editing.page(found, name=name))

    @routes.post("/admin/time/{year_id}/remove")
    def remove(request: Request, who: Planner, year_id: RowId, given: Form) -> Response:
        editing = Editing.of(services, request, who, year_id, given)
        title = editing.planning.words.t("Remove the school year {name}", name=editing.year.plan.name)
        return editing.does(RemoveYear(year_id), title, f"/admin/time?school={editing.year.plan.school_id}")


def _add_copies(routes: APIRouter, services: Services) -> None:
    @routes.post("/admin/time/{year_id}/next")
    def next_year(request: Request, who: Planner, year_id: RowId, given: Form) -> Response:
        editing = Editing.of(services, request, who, year_id, given)
        name = given.get("name", "").strip()
        return editing.copy(lambda: editing.year.plan.later(name), "next")

    @routes.post("/admin/time/{year_id}/copy")
    def copy(request: Request, who: Planner, year_id: RowId, given: Form) -> Response:
        editing = Editing.of(services, request, who, year_id, given)
        school, name = editing.planning.school(given.get("school", "-")), given.get("name", "").strip()
        return editing.copy(lambda: replace(editing.year.plan, school_id=school.id, name=name), "copy")


def _add_parts(routes: APIRouter, services: Services) -> None:
    @routes.get("/admin/time/{year_id}/{part}/{place}")
    def form(request: Request, who: Planner, where: Where) -> Response:
        editing = Editing.of(services, request, who, where.year_id)
        at = editing.at(where)
        values = {} if at is None else time_view.part_values(editing.year.plan, where.part, at)
        return editing.part_page(where, values, _NO_PROBLEMS)

    @routes.post("/admin/time/{year_id}/{part}/{place}")
    def save(request: Request, who: Planner, where: Where, given: Form) -> Response:
        editing = Editing.of(services, request, who, where.year_id, given)
        plan, at = editing.year.plan, editing.at(where)
        filled = Filled(given, editing.planning.words)

        def again(problems: Mapping[str, str]) -> HTMLResponse:
            return editing.part_page(where, given, problems)

        if given.get("do") == "remove":
            return editing.save(lambda: _with(plan, where.part, at, None), again)
        try:
            written = _READ[where.part](filled)
        except SchoolTimeError as wrong:
            return again({flaw_field(wrong): flaw_words(wrong, editing.planning.words), **filled.problems})
        if filled.problems:
            return again(filled.problems)
        return editing.save(lambda: _with(plan, where.part, at, written), again)


@dataclass(frozen=True, slots=True)
class Editing:
    """Somebody changes one school year. One outside of their scope is answered with 404."""

    planning: Planning
    year: StoredYear
    given: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, services: Services, request: Request, who: Planner, year_id: int, given: Mapping[str, str] = _NO_PROBLEMS
    ) -> "Editing":
        try:
            found = services.timetables.find(who, year_id)
        except NoSuchYear:
            raise HTTPException(404, "no such school year") from None
        return cls(Planning(services, request, who), found, given)

    @property
    def href(self) -> str:
        return f"/admin/time/{self.year.id}"

    def at(self, where: PartPlace) -> int | None:
        """Which of its parts; None for a new one. One that is not there is answered with 404."""
        if where.place == NEW:
            return None
        at = typed.whole(where.place)
        if at is None or at >= time_view.count(self.year.plan, where.part):
            raise HTTPException(404, "no such part of the year")
        return at

    def save(self, build: _Build, again: Callable[[Mapping[str, str]], HTMLResponse]) -> Response:
        """Have the year be as it is built then; what cannot be is said by its field."""
        words = self.planning.words
        try:
            plan = build()
        except SchoolTimeError as wrong:
            return again({flaw_field(wrong): flaw_words(wrong, words)})
        title = words.t("Change the school year {name}", name=plan.name)
        try:
            return self.does(WriteYear(plan, self.year.id, self.given.get("was", "")), title, self.href)
        except YearNameTaken:
            return again({"name": words.t("“{name}” is there already.", name=plan.name)})
        except ChangedMeanwhile:
            return again({"": words.t("Somebody has changed this school year meanwhile. Look at it again.")})

    def does(self, change: YearChange, title: Markup, then: str) -> Response:
        """Do it; what it means for bookings is told first. Raises YearNameTaken, ChangedMeanwhile."""
        timetables, who = self.planning.services.timetables, self.planning.who
        bookings = timetables.foresee(who, [change])
        if bookings and AGREED not in self.given:
            return self.planning.agree(title, bookings, self.given, self.href)
        timetables.change(who, [change])
        self.planning.services.clockwork.wake()
        return see(then)

    def copy(self, build: _Build, form: str) -> Response:
        """Add the year that is built; look at it then."""
        words, timetables, who = self.planning.words, self.planning.services.timetables, self.planning.who
        try:
            plan = build()
        except SchoolTimeError as wrong:
            return self.page({form: flaw_words(wrong, words)}, name=self.year.plan.name)
        if any(each.plan.name == plan.name for each in timetables.years(who, plan.school_id)):
            return self.page({form: words.t("“{name}” is there already.", name=plan.name)})
        timetables.change(who, [WriteYear(plan)])
        made = next(each for each in timetables.years(who, plan.school_id) if each.plan.name == plan.name)
        return see(f"/admin/time/{made.id}?copied=yes")

    def page(
        self, problems: Mapping[str, str] = _NO_PROBLEMS, *, name: str = "", day: str = "", copied: bool = False
    ) -> HTMLResponse:
        planning, plan, words = self.planning, self.year.plan, self.planning.words
        calendar = plan.school_year(planning.services.office.zone)
        chosen = typed.day(day) or planning.services.office.today()
        return planning.render(
            "admin_year.html",
            status=422 if problems else 200,
            school_id=plan.school_id,
            year=self.year,
            school=planning.school(plan.school_id),
            others=[each for each in planning.schools if each.id != plan.school_id],
            name=name or plan.name,
            next_name=next_name(plan.name),
            tables=time_view.tables(self.year, words),
            weeks=time_view.weeks(calendar, words),
            day=time_view.day_entry(calendar, chosen, words),
            problems=problems,
            copied=copied,
        )

    def part_page(self, where: PartPlace, values: Mapping[str, str], problems: Mapping[str, str]) -> HTMLResponse:
        part = where.part
        words, plan = self.planning.words, self.year.plan
        rung = part is Part.BELLS
        return self.planning.render(
            "admin_year_part.html",
            status=422 if problems else 200,
            school_id=plan.school_id,
            title=time_view.part_title(part, words),
            year=self.year,
            school=self.planning.school(plan.school_id),
            to=f"{self.href}/{part}/{where.place}",
            new=where.place == NEW,
            was=values.get("was", plan.fingerprint),
            fields=time_view.part_fields(part, values, problems, words),
            weekdays=time_view.weekday_fields(values, words) if rung else (),
            periods=time_view.period_fields(values, problems, words) if rung else (),
            problems=problems,
        )


def next_name(name: str) -> str:
    """2026–2027 -> 2027–2028; any other name as it is."""
    first, last = (typed.whole(each) for each in name.partition("–")[::2])
    return name if first is None or last is None else f"{first + 1}–{last + 1}"


def _years_page(planning: Planning, school_id: str, name: str = "", problem: str = "") -> HTMLResponse:
    school = planning.school(school_id)
    years = planning.services.timetables.years(planning.who, school.id)
    return planning.render(
        "admin_time.html",
        status=422 if problem else 200,
        school_id=school.id,
        school=school,
        schools=planning.schools,
        years=time_view.year_entries(years, planning.words),
        name=name,
        problem=problem,
    )


# what forms say


def _term(filled: Filled) -> Term:
    kind = Week.B if filled.text("opens_with") == Week.B else Week.A
    return Term(filled.text("name"), filled.day("first"), _last(filled), kind)


def _holiday(filled: Filled) -> Holiday:
    return Holiday(filled.text("name"), filled.day("first"), _last(filled))


def _made_up(filled: Filled) -> MakeUpDay:
    return MakeUpDay(filled.day("day"), filled.whole("as_weekday"))


def _bells(filled: Filled) -> NamedBells:
    weekdays = frozenset(each for each in range(7) if filled.has(f"weekday-{each}"))
    if not weekdays:
        filled.problems["weekdays"] = filled.words.t("Choose a weekday.")
    places = ((half, at) for half in Half for at in range(1, time_view.most_periods(filled.given, half) + 1))
    periods = tuple(
        Period(filled.clock(f"{name}-begins"), filled.clock(f"{name}-ends"), half, at)
        for half, at in places
        for name in (period_field((half, at)),)
        if filled.has(f"{name}-begins") or filled.has(f"{name}-ends")
    )
    return NamedBells(filled.text("name"), Bells(weekdays, filled.day("first"), _last(filled), periods))


def _last(filled: Filled) -> date:
    """A day that cannot be read is told of by itself, not as one that comes too early."""
    found = filled.day("last")
    return found if "last" not in filled.problems else date.max


_READ: Final[Mapping[Part, Callable[[Filled], Any]]] = {
    Part.TERMS: _term,
    Part.BELLS: _bells,
    Part.HOLIDAYS: _holiday,
    Part.MAKE_UP: _made_up,
}


def _with(plan: YearPlan, part: Part, at: int | None, written: Any) -> YearPlan:
    """The plan with one of its parts as it was written: at its place, as a new one, or without it if it is None."""
    if part is Part.TERMS:
        return replace(plan, terms=_put(plan.terms, at, written))
    if part is Part.BELLS:
        return replace(plan, bells=_put(plan.bells, at, written))
    if part is Part.HOLIDAYS:
        return replace(plan, holidays=_put(plan.holidays, at, written))
    return replace(plan, make_up=_put(plan.make_up, at, written))


def _put(parts: tuple[_Each, ...], at: int | None, written: Any) -> tuple[_Each, ...]:
    kept = tuple(each for place, each in enumerate(parts) if place != at)
    return kept if written is None else (*kept, written)
