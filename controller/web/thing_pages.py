"""The pages of rooms and of what can be booked: add, change, retire, maintain; opening hours and closures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, Response
from markupsafe import Markup

from controller.api.ids import RowId
from controller.scheduling.booking_errors import BookingError, Refused, Taken
from controller.scheduling.entries import (
    Entry,
    Kind,
    NoSuchEntry,
    RemoveClosure,
    RetireThing,
    WriteClosure,
    WriteHours,
    WriteRoom,
    WriteThing,
    WrongEntry,
)
from controller.scheduling.inventory import Inventory
from controller.scheduling.office import Asked
from controller.scheduling.opening_hours import Open
from controller.scheduling.policy import MAINTENANCE
from controller.scheduling.school_time import SchoolTimeError, instant
from controller.scheduling.stock import Item
from controller.services import Services
from controller.web import thing_view, typed
from controller.web.admin_form import Filled
from controller.web.admin_words import fault_words, flaw_words
from controller.web.booking_words import problem_words, taken_words
from controller.web.planning import Planner, Planning, see
from controller.web.visit import Form

_NOTHING: Final[Mapping[str, str]] = {}
_REASON: Final = 128


def router(services: Services) -> APIRouter:
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    _add_list(routes, services)
    _add_thing(routes, services)
    _add_rooms(routes, services)
    return routes


def _add_list(routes: APIRouter, services: Services) -> None:
    @routes.get("/admin/things")
    def things(request: Request, who: Planner, school: str = "") -> Response:
        stock = Stock(Planning(services, request, who))
        return stock.page(stock.planning.school(school).id)

    @routes.post("/admin/rooms")
    def add_room(request: Request, who: Planner, given: Form) -> Response:
        stock, school_id = Stock(Planning(services, request, who)), given.get("school", "-")
        try:
            (room_id,) = stock.change([WriteRoom(school_id, given.get("name", "").strip())])
        except WrongEntry as wrong:
            return stock.page(school_id, {"room-name": fault_words(wrong, stock.planning.words)})
        return see(f"/admin/rooms/{room_id}")

    @routes.post("/admin/closures")
    def add_closure(request: Request, who: Planner, given: Form) -> Response:
        stock, school_id = Stock(Planning(services, request, who)), given.get("school", "-")
        filled = Filled(given, stock.planning.words)
        room_id, first, last = filled.maybe("room"), filled.day("first"), filled.day("last")
        if filled.problems:
            return stock.page(school_id, filled.problems, given)
        try:
            stock.change([WriteClosure(school_id, room_id, filled.text("name"), first, last)])
        except WrongEntry as wrong:
            return stock.page(school_id, {wrong.field: fault_words(wrong, stock.planning.words)}, given)
        return see(f"/admin/things?school={school_id}#closures")

    @routes.post("/admin/closures/{closure_id}/remove")
    def remove_closure(request: Request, who: Planner, closure_id: RowId, given: Form) -> Response:
        Stock(Planning(services, request, who)).change([RemoveClosure(closure_id)])
        return see(f"/admin/things?school={given.get('school', '')}#closures")


def _add_thing(routes: APIRouter, services: Services) -> None:
    @routes.get("/admin/things/new")
    def new(request: Request, who: Planner, school: str = "") -> Response:
        stock = Stock(Planning(services, request, who))
        school_id = stock.planning.school(school).id
        return stock.thing_page(school_id, None, thing_view.NEW_THING)

    @routes.post("/admin/things/new")
    def add(request: Request, who: Planner, given: Form) -> Response:
        stock = Stock(Planning(services, request, who))
        return stock.save(stock.planning.school(given.get("school", "-")).id, None, given)

    @routes.get("/admin/things/{thing_id}")
    def thing(request: Request, who: Planner, thing_id: RowId) -> Response:
        stock = Stock(Planning(services, request, who))
        school_id = stock.school_of(thing_id)
        return stock.thing_page(school_id, thing_id, thing_view.thing_values(stock.thing(school_id, thing_id)))

    @routes.post("/admin/things/{thing_id}")
    def save(request: Request, who: Planner, thing_id: RowId, given: Form) -> Response:
        stock = Stock(Planning(services, request, who))
        return stock.save(stock.school_of(thing_id), thing_id, given)

    @routes.post("/admin/things/{thing_id}/retire")
    def retire(request: Request, who: Planner, thing_id: RowId) -> Response:
        stock = Stock(Planning(services, request, who))
        school_id = stock.school_of(thing_id)
        try:
            stock.change([RetireThing(thing_id)])
        except WrongEntry as wrong:
            values = thing_view.thing_values(stock.thing(school_id, thing_id))
            return stock.thing_page(
                school_id, thing_id, values, {wrong.field: fault_words(wrong, stock.planning.words)}
            )
        return see(f"/admin/things?school={school_id}")

    @routes.post("/admin/things/{thing_id}/maintenance")
    def maintain(request: Request, who: Planner, thing_id: RowId, given: Form) -> Response:
        return Stock(Planning(services, request, who)).maintain(thing_id, given)


def _add_rooms(routes: APIRouter, services: Services) -> None:
    @routes.get("/admin/rooms/{room_id}")
    def room(request: Request, who: Planner, room_id: RowId) -> Response:
        stock = Stock(Planning(services, request, who))
        hours = next((each for each in stock.inventory_of_room(room_id).hours if each.room_id == room_id), None)
        return stock.room_page(room_id, thing_view.hours_values(hours.weekly if hours else ()))

    @routes.post("/admin/rooms/{room_id}")
    def save(request: Request, who: Planner, room_id: RowId, given: Form) -> Response:
        stock = Stock(Planning(services, request, who))
        inventory, words = stock.inventory_of_room(room_id), stock.planning.words
        filled = Filled(given, words)
        try:
            weekly = _weekly(filled)
            if filled.problems:
                return stock.room_page(room_id, given, filled.problems)
            stock.change(
                [WriteRoom(inventory.school_id, filled.text("name"), room_id=room_id), WriteHours(room_id, weekly)]
            )
        except SchoolTimeError as wrong:
            return stock.room_page(room_id, given, {"weekly": flaw_words(wrong, words), **filled.problems})
        except WrongEntry as wrong:
            return stock.room_page(room_id, given, {wrong.field: fault_words(wrong, words)})
        return see(f"/admin/things?school={inventory.school_id}")


@dataclass(frozen=True, slots=True)
class Stock:
    """Somebody says what can be booked. What is outside of their scope is answered with 404."""

    planning: Planning

    def change(self, entries: Sequence[Entry]) -> list[int]:
        """Raises WrongEntry."""
        try:
            return self.planning.services.stocktaking.change(self.planning.who, entries)
        except NoSuchEntry:
            raise HTTPException(404, "no such thing") from None

    def inventory(self, school_id: str) -> Inventory:
        return self.planning.services.stocktaking.inventory(self.planning.who, self.planning.school(school_id).id)

    def inventory_of_room(self, room_id: int) -> Inventory:
        try:
            school_id = self.planning.services.stocktaking.school_of_room(self.planning.who, room_id)
        except NoSuchEntry:
            raise HTTPException(404, "no such room") from None
        return self.inventory(school_id)

    def school_of(self, thing_id: int) -> str:
        try:
            return self.planning.services.stocktaking.school_of(self.planning.who, thing_id)
        except NoSuchEntry:
            raise HTTPException(404, "no such thing") from None

    def thing(self, school_id: str, thing_id: int) -> WriteThing:
        inventory = self.inventory(school_id)
        return next(each for each in (*inventory.things, *inventory.retired) if each.thing_id == thing_id)

    # pages

    def page(
        self, school_id: str, problems: Mapping[str, str] = _NOTHING, given: Mapping[str, str] = _NOTHING
    ) -> HTMLResponse:
        inventory, words = self.inventory(school_id), self.planning.words
        return self.planning.render(
            "admin_things.html",
            status=422 if problems else 200,
            school_id=school_id,
            school=self.planning.school(school_id),
            schools=self.planning.schools,
            rooms=thing_view.rooms(inventory, words),
            places=inventory.rooms,
            retired=thing_view.entries(inventory.retired, words),
            closures=thing_view.closures(inventory, words),
            given=given,
            problems=problems,
        )

    def thing_page(
        self,
        school_id: str,
        thing_id: int | None,
        values: Mapping[str, str],
        problems: Mapping[str, str] = _NOTHING,
        block: Mapping[str, str] = _NOTHING,
    ) -> HTMLResponse:
        """`block` is what was written in the form of maintenance."""
        inventory, planning = self.inventory(school_id), self.planning
        stored = self.thing(school_id, thing_id) if thing_id is not None else None
        bookings = planning.services.stocktaking.ahead(planning.who, thing_id) if thing_id is not None else ()
        return planning.render(
            "admin_thing.html",
            status=422 if problems else 200,
            school_id=school_id,
            school=planning.school(school_id),
            thing=stored,
            retired=any(each.thing_id == thing_id for each in inventory.retired),
            fields=thing_view.thing_fields(inventory, values, problems, planning.words),
            bookable=stored is not None and stored.kind is not Kind.CIRCUIT,
            bookings=planning.told(bookings),
            count=len(bookings),
            block=block,
            problems=problems,
        )

    def room_page(
        self, room_id: int, values: Mapping[str, str], problems: Mapping[str, str] = _NOTHING
    ) -> HTMLResponse:
        inventory = self.inventory_of_room(room_id)
        room = next(each for each in inventory.rooms if each.room_id == room_id)
        return self.planning.render(
            "admin_room.html",
            status=422 if problems else 200,
            school_id=inventory.school_id,
            school=self.planning.school(inventory.school_id),
            room=room,
            name=values.get("name", room.name),
            days=thing_view.day_hours(values, self.planning.words),
            problems=problems,
        )

    # what forms do

    def save(self, school_id: str, thing_id: int | None, given: Mapping[str, str]) -> Response:
        words = self.planning.words
        filled = Filled(given, words)
        try:
            entry = _thing(filled, school_id, thing_id)
            if filled.problems:
                return self.thing_page(school_id, thing_id, given, filled.problems)
            (written,) = self.change([entry])
        except WrongEntry as wrong:
            return self.thing_page(school_id, thing_id, given, {wrong.field: fault_words(wrong, words)})
        return see(f"/admin/things/{written}" if thing_id is None else f"/admin/things?school={school_id}")

    def maintain(self, thing_id: int, given: Mapping[str, str]) -> Response:
        """Book the thing, all of it, so that nobody else can."""
        planning, words = self.planning, self.planning.words
        school_id = self.school_of(thing_id)
        thing = self.thing(school_id, thing_id)
        values = thing_view.thing_values(thing)
        begins, ends = (_moment(given.get(name, ""), planning) for name in ("from", "until"))
        if begins is None or ends is None or begins >= ends:
            why = words.t("Write when it begins and when it ends, later than that, at full five minutes.")
            return self.thing_page(school_id, thing_id, values, {"maintenance": why}, given)
        asked = Asked(
            items=(Item(thing_id, count=thing.capacity),),
            start_ms=begins,
            end_ms=ends,
            kind=MAINTENANCE,
            title=given.get("reason", "").strip()[:_REASON] or str(words.t("Maintenance")),
            school_id=school_id,
        )
        try:
            planning.services.office.book(planning.who, asked, reason=given.get("why", "").strip()[:_REASON])
        except BookingError as error:
            return self.thing_page(school_id, thing_id, values, {"maintenance": self._why(error, thing)}, given)
        return see(f"/admin/things/{thing_id}#ahead")

    def _why(self, error: BookingError, thing: WriteThing) -> str:
        words = self.planning.words
        if isinstance(error, Refused):
            names = {thing.thing_id or 0: thing.name}
            return Markup(" ").join(problem_words(each, names, words) for each in error.problems)
        if isinstance(error, Taken):
            return taken_words((), words)
        return str(error)


def _thing(filled: Filled, school_id: str, thing_id: int | None) -> WriteThing:
    """Raises WrongEntry."""
    kind = filled.text("kind")
    return WriteThing(
        school_id=school_id,
        name=filled.text("name"),
        kind=Kind(kind) if kind in tuple(Kind) else Kind.UNIT,
        class_name=filled.text("class_name"),
        code=filled.text("code").upper(),
        room_id=filled.maybe("room_id"),
        device_id=filled.maybe("device_id"),
        circuit_id=filled.maybe("circuit_id"),
        capacity=filled.whole("capacity", 1),
        setup_min=filled.whole("setup_min"),
        clean_up_min=filled.whole("clean_up_min"),
        charge_min=filled.whole("charge_min"),
        watts=filled.whole("watts"),
        hazard=filled.whole("hazard"),
        certificate=filled.text("certificate"),
        shared=filled.has("shared"),
        approval=filled.has("approval"),
        thing_id=thing_id,
        fresh=thing_id is None,
    )


def _weekly(filled: Filled) -> tuple[Open, ...]:
    """Raises SchoolTimeError."""
    names = (
        (day, thing_view.opening_field(day, at)) for day in range(7) for at in range(thing_view.openings(filled.given))
    )
    return tuple(
        Open(day, filled.clock(f"{name}-opens"), filled.clock(f"{name}-closes"))
        for day, name in names
        if filled.has(f"{name}-opens") or filled.has(f"{name}-closes")
    )


def _moment(text: str, planning: Planning) -> int | None:
    """Milliseconds since the epoch of what a field of date and time says; None if it says none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if found.tzinfo is not None or found.minute % 5 or found.second or found.microsecond:
        return None
    day = typed.day(str(found.date()))
    return instant(day, found.time(), planning.services.office.zone) if day is not None else None
