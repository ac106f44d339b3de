"""The calendar: a week of bookings, the form that makes one, and the requests that wait for a word."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session

from controller.identity import store
from controller.identity.policy import Permission, Principal
from controller.identity.tables import User
from controller.scheduling.booking_errors import (
    FreeNow,
    NoSuchBooking,
    NothingOfThatKind,
    NotYours,
    Refused,
    Taken,
    TooLate,
)
from controller.scheduling.office import Asked
from controller.scheduling.policy import OVERRULERS
from controller.scheduling.views import BookingView, ThingView
from controller.services import Services
from controller.web import booking_form, booking_notes, typed
from controller.web import booking_words as say
from controller.web.access import allowed
from controller.web.booking_form import Draft, Ground, LookView, Option, Unclear
from controller.web.calendar_grid import Reader
from controller.web.calendar_picker import picker
from controller.web.calendar_view import lanes, monday_of, week_page, week_span
from controller.web.frame import language_of, render
from controller.web.i18n import Language
from controller.web.typography import tidy
from controller.web.visit import Form, is_part

_STATUS: Final = {
    Taken: 409,
    FreeNow: 409,
    TooLate: 409,
    Refused: 422,
    NothingOfThatKind: 422,
    NoSuchBooking: 404,
    NotYours: 403,
}
_FIRST_PERIOD: Final = "morning-1"

Booker = Annotated[Principal, Depends(allowed(Permission.BOOK))]
Manager = Annotated[Principal, Depends(allowed(Permission.MANAGE_BOOKINGS))]


def router(services: Services) -> APIRouter:
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    _add_week(routes, services)
    _add_form(routes, services)
    _add_requests(routes, services)
    return routes


def _add_week(routes: APIRouter, services: Services) -> None:
    @routes.get("/calendar")
    def calendar(request: Request, who: Booker) -> Response:
        """`week` and `day` are dates, `thing` ids as often as wanted, `booked` is what was just made."""
        desk, asked = _Desk(services, request, who), request.query_params
        chosen = [thing for each in asked.getlist("thing") if (thing := typed.whole(each)) is not None]
        reader = desk.reader(typed.day(asked.get("week", "")), typed.day(asked.get("day", "")), chosen)
        if reader is None:
            return desk.render("calendar_empty.html")
        shown, span = [each.id for each in reader.lanes], week_span(reader.monday, reader.year)
        had, spare = services.office.of_things(who, shown, span), services.office.spare(shown, span)
        return desk.render(
            "calendar.html",
            view=week_page(reader, had, spare),
            picker=picker(reader, desk.things),
            made=desk.made(asked.get("booked", ""), reader),
            waiting=booking_notes.waiting(services.office.requests(who), reader.year, desk.words),
            here=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        )


def _add_form(routes: APIRouter, services: Services) -> None:
    @routes.get("/calendar/new")
    def new(request: Request, who: Booker) -> Response:
        """The form, filled in with what the address says; for a script the form alone."""
        desk = _Desk(services, request, who)
        given = booking_form.draft(dict(request.query_params))
        given = replace(given, key=given.key or secrets.token_hex(8), first=given.first or _FIRST_PERIOD)
        given = replace(given, day=given.day or desk.next_day(given), last=given.last or given.first)
        return desk.form(given)

    @routes.post("/calendar/look")
    def look(request: Request, who: Booker, fields: Form) -> Response:
        """What would become of it: a part of the form."""
        desk = _Desk(services, request, who)
        given = replace(booking_form.draft(fields), choice="")
        return desk.render("calendar_look.html", given=given, look=desk.look(given))

    @routes.post("/calendar")
    def book(request: Request, who: Booker, fields: Form) -> Response:
        """Book it, and show the week with it; else say why not beside the form, with everything that was typed."""
        desk = _Desk(services, request, who)
        given = booking_form.draft(fields)
        try:
            if given.choice == booking_form.WAIT:
                desk.wait(given)
                return _leads_to(request, "/my?done=waiting#waiting")
            made = desk.book(given)
        except FreeNow:
            return desk.refused(given, _STATUS[FreeNow], free=True)
        except (Unclear, Taken, Refused, NothingOfThatKind) as error:
            return desk.refused(given, 422 if isinstance(error, Unclear) else _STATUS[type(error)])
        return _leads_to(request, desk.shows(made, given))


def _add_requests(routes: APIRouter, services: Services) -> None:
    office = services.office

    @routes.post("/calendar/requests/{booking_id}/confirm")
    def confirm(who: Manager, booking_id: str, fields: Form) -> Response:
        return _decided(lambda: office.confirm(who, booking_id), fields.get("back", ""))

    @routes.post("/calendar/requests/{booking_id}/refuse")
    def refuse(who: Manager, booking_id: str, fields: Form) -> Response:
        return _decided(lambda: office.refuse(who, booking_id, fields.get("why", "")), fields.get("back", ""))


def _decided(decide: Callable[[], BookingView], back: str) -> Response:
    """Back to the list, which shows how things stand; also if somebody else was quicker."""
    try:
        decide()
    except (NoSuchBooking, NotYours) as error:
        raise HTTPException(_STATUS[type(error)], str(error)) from None
    except TooLate:
        pass
    there = back if back.startswith("/calendar") else "/calendar"
    return RedirectResponse(f"{there}#requests", 303)


def _leads_to(request: Request, there: str) -> Response:
    """A script is told where to go; it would not see where a redirect led."""
    return (
        Response(status_code=204, headers={"hx-redirect": there}) if is_part(request) else RedirectResponse(there, 303)
    )


@dataclass(frozen=True)
class _Desk:
    """Somebody at the calendar."""

    services: Services
    request: Request
    who: Principal

    @cached_property
    def words(self) -> Language:
        return language_of(self.request)

    @cached_property
    def things(self) -> Sequence[ThingView]:
        return self.services.office.things(self.who)

    @cached_property
    def people(self) -> Sequence[User]:
        with Session(self.services.engine) as db:
            return store.staff(db, self.who.scope)

    def render(self, template: str, *, status: int = 200, **values: object) -> HTMLResponse:
        return render(self.services, self.request, template, values, status=status)

    # the week

    def reader(self, week: date | None, day: date | None, chosen: Sequence[int]) -> Reader | None:
        """None if there is nothing that could be booked."""
        shown = lanes(self.things, chosen)
        if not shown:
            return None
        school_id = self.who.school_id or shown[0].school_id
        first = self.services.office.opens_on(school_id)
        monday = monday_of(week or day or first)
        within = day is not None and monday_of(day) == monday
        return Reader(
            year=self.services.office.year(school_id, monday),
            words=self.words,
            now_ms=self.services.now_ms(),
            school_id=school_id,
            school=self._school_name(school_id),
            monday=monday,
            day=day if within and day else first if monday_of(first) == monday else monday,
            lanes=shown,
        )

    def made(self, booking_id: str, reader: Reader) -> booking_notes.Made | None:
        """The booking that was just made, if it can be seen."""
        if not booking_id:
            return None
        try:
            return booking_notes.made(self.services.office.find(self.who, booking_id), reader.year, self.words)
        except NoSuchBooking:
            return None

    def shows(self, made: BookingView, given: Draft) -> str:
        """The week in which a booking is, its things among those that are shown."""
        day = say.day_of(made.start_ms, self.services.office.zone)
        shown = dict.fromkeys([*given.lanes.split("."), *(str(had.resource_id) for had in made.things)])
        ids = [thing for each in shown if (thing := typed.whole(each)) is not None]
        if len(ids) > len(lanes(self.things, ids)):
            ids = [had.resource_id for had in made.things]
        asked = [("week", str(monday_of(day))), ("day", str(day)), ("booked", made.id)]
        return f"/calendar?{urlencode([*asked, *(('thing', each) for each in ids)])}"

    def _school_name(self, school_id: str) -> str:
        """Of the reader's school, or of one whose things they see."""
        schools = self.services.live.schools(self.who.scope)
        return next((each.name for each in schools if each.id == school_id), "")

    # the form

    def ground(self, given: Draft) -> Ground:
        day = typed.day(given.day) or self.services.office.today()
        return Ground(self.services.office.year(self.school(given), day), self.things, self.words)

    def next_day(self, given: Draft) -> str:
        """The day with which an empty form begins."""
        return str(self.ground(given).year.next_taught(self.services.office.today()))

    def school(self, given: Draft) -> str:
        """For which school it is: the asker's, else that of the person it is for, else that of the first thing."""
        if self.who.school_id:
            return self.who.school_id
        holder = next((each.school_id for each in self.people if each.id == given.holder), None)
        first = next((each.what for each in given.lines if each.what), "")
        named = next((each.school_id for each in self.things if first == f"thing:{each.id}"), None)
        return holder or named or (self.things[0].school_id if self.things else "")

    def asked(self, given: Draft, ground: Ground) -> Asked:
        """Raises Unclear."""
        known = {each.id for each in self.people} | {""}
        if not {given.holder, *given.supervisors} <= known:
            raise Unclear(self.words.t("This person is not known here any more."))
        return booking_form.asked(replace(given, school=self.school(given)), ground)

    def look(self, given: Draft) -> LookView:
        ground = self.ground(given)
        try:
            wish = self.asked(given, ground)
            return booking_form.look_view(wish, self.services.office.look(self.who, wish), ground)
        except Unclear as error:
            return LookView(unclear=error.words)
        except NothingOfThatKind:
            return LookView(unclear=self.words.t("There are not so many of that kind."))

    def book(self, given: Draft) -> BookingView:
        """Raises Unclear, Taken, Refused, NothingOfThatKind."""
        wish = self.asked(given, self.ground(given))
        return self.services.office.book(self.who, wish, key=given.key, reason=given.reason)

    def wait(self, given: Draft) -> None:
        """Raises Unclear, FreeNow, Refused, NothingOfThatKind."""
        wish = self.asked(replace(given, choice=""), self.ground(given))
        self.services.office.wait(self.who, wish, key=given.key)

    def refused(self, given: Draft, status: int, *, free: bool = False) -> Response:
        """Why not, and what would do: beside the form, or for a script alone. `free`: it came free just now."""
        given = replace(given, choice="")
        look = self.look(given)
        if look.good and not free:  # it was not, a moment ago
            look = replace(look, against=(say.taken_words((), self.words),))
        if is_part(self.request):
            return self.render("calendar_look.html", status=status, given=given, look=look)
        return self.form(given, look=look, status=status)

    def form(self, given: Draft, *, look: LookView | None = None, status: int = 200) -> Response:
        view = booking_form.form(
            given, self.ground(given), [_person(each, self.who) for each in self.people], manages=self._manages
        )
        return self.render(
            "calendar_form.html" if is_part(self.request) else "calendar_new.html",
            status=status,
            form=view,
            given=given,
            look=look or self.look(given),
        )

    @property
    def _manages(self) -> bool:
        return self.who.role in OVERRULERS


def _person(user: User, who: Principal) -> Option:
    return Option(user.id, tidy(user.name) if user.id != who.id else f"{tidy(user.name)} ★")
