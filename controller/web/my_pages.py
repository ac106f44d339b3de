"""My bookings: the list with its notices, and the sheets on which one is moved, cancelled and repeated.

Each sheet is a page of its own; static/sheet.js opens it over the list.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, time, timedelta
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, HTTPException, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from controller.api.ids import RowId
from controller.identity.policy import Permission, Principal, may
from controller.jobs.states import JobState
from controller.scheduling.alternatives import Alternative
from controller.scheduling.booking_errors import NoSuchBooking, NothingOfThatKind, NotYours, Refused, Taken, TooLate
from controller.scheduling.booking_states import BookingState
from controller.scheduling.noticeboard import NoSuchNotice, Noticeboard
from controller.scheduling.office import MAX_KEY, Asked, Office
from controller.scheduling.policy import periods
from controller.scheduling.school_time import instant
from controller.scheduling.series import Verdict
from controller.scheduling.stock import Item
from controller.scheduling.views import BookingView
from controller.services import Services
from controller.web import job_view, move_view, my_view, notice_view, picks, repeat_view, typed, views
from controller.web.access import allowed
from controller.web.booking_reader import Reader, Years
from controller.web.booking_words import Names, day_of, problem_words
from controller.web.frame import language_of, render
from controller.web.i18n import Language
from controller.web.move_view import OTHER_UNIT, Found, MoveSheet, Trouble
from controller.web.visit import Form

_AHEAD_MS: Final = 400 * 86_400_000
_MOST_TIMES: Final = 20
_DONE: Final = frozenset({"moved", "cancelled", "waiting", "left", "declined", "accepted"})
"""What a page is told of that was done just before."""
_LEFT: Final = {BookingState.WAITING: "left", BookingState.OFFERED: "declined"}
"""What it is to cancel a booking that was so."""

Booker = Annotated[Principal, Depends(allowed(Permission.BOOK))]
BookingId = Annotated[str, Path(max_length=32)]
NoticeId = RowId


def router(services: Services) -> APIRouter:
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    _add_list(routes, services)
    _add_move(routes, services)
    _add_cancel(routes, services)
    _add_again(routes, services)
    return routes


@dataclass(frozen=True, slots=True)
class Desk:
    """Somebody in front of one of their bookings. What is not theirs to change is answered with 404 or 403."""

    services: Services
    request: Request
    who: Principal
    booking_id: str

    @property
    def office(self) -> Office:
        return self.services.office

    def own(self) -> tuple[BookingView, Asked]:
        """The booking as it is, and what it was made from."""
        try:
            asked = self.office.asked(self.who, self.booking_id)
            return self.office.find(self.who, self.booking_id), asked
        except NoSuchBooking:
            raise HTTPException(404, "no such booking") from None
        except NotYours:
            raise HTTPException(403, "somebody else's booking") from None

    @property
    def reader(self) -> Reader:
        return _reader(self.services, self.request, self.who)

    @property
    def names(self) -> Names:
        return {each.id: each.name for each in self.office.things(self.who)}

    def found(self, asked: Asked, alternatives: Iterable[Alternative]) -> list[Found]:
        """What has other machines is another wish; else it stays what was wished."""
        return [
            Found(each, self.office.instead(asked, each).items if each.kind in OTHER_UNIT else ())
            for each in alternatives
        ]

    def render(self, template: str, view: object, status: int = 200) -> Response:
        return render(self.services, self.request, template, {"view": view}, status=status)


def _reader(services: Services, request: Request, who: Principal) -> Reader:
    years = Years(services.office.year, services.office.zone)
    return Reader(language_of(request), years, who.school_id or "", services.now_ms())


# the list


def _add_list(routes: APIRouter, services: Services) -> None:
    board = Noticeboard(services.engine, services.now_ms)

    @routes.get("/my")
    def my(request: Request, who: Booker, again: str = "", done: str = "") -> Response:
        """`again` opens the repetition of a booking."""
        if again:
            return RedirectResponse(f"/my/{quote(again, safe='')}/again", 303)
        reader = _reader(services, request, who)
        values = {
            "mine": _mine(services, board, who, reader),
            "notices": _notices(services, board, who, reader),
            "view": views.my_page(services.live, who.scope, reader.words),
            "done": done if done in _DONE else "",
            **_open_jobs(services, who, reader.words),
        }
        return render(services, request, "my.html", values)

    @routes.post("/my/notices/{notice_id}/seen")
    def seen(who: Booker, notice_id: NoticeId) -> Response:
        try:
            board.put_away(who, notice_id)
        except NoSuchNotice:
            raise HTTPException(404, "no such notice") from None
        return RedirectResponse("/my", 303)


def _mine(services: Services, board: Noticeboard, who: Principal, reader: Reader) -> my_view.MyBookings:
    office = services.office
    begins_ms = instant(office.today(), time(0), office.zone)
    bookings = office.mine(who, range(begins_ms, reader.now_ms + _AHEAD_MS))
    names = {each.id: each.name for each in office.things(who)}
    return my_view.my_bookings(bookings, board.moved(who, [each.id for each in bookings]), names, reader)


def _notices(
    services: Services, board: Noticeboard, who: Principal, reader: Reader
) -> tuple[notice_view.NoticeEntry, ...]:
    def find(booking_id: str) -> BookingView | None:
        try:
            return services.office.find(who, booking_id)
        except NoSuchBooking:
            return None

    found = (notice_view.entry(each, find, reader) for each in board.unseen(who))
    return tuple(each for each in found if each is not None)


def _open_jobs(services: Services, who: Principal, words: Language) -> Mapping[str, object]:
    """The jobs of the reader's school, those that wait for a release first, and how many do."""
    if not may(who, Permission.HANDLE_JOBS):
        return {"jobs": (), "waiting": 0}
    names = {device.id: device.name for device in services.live.devices(who.scope)}
    found = sorted(services.jobs.open_jobs(who.scope), key=lambda job: job.state is not JobState.WAITING)
    entries = tuple(job_view.entry(job, words, services.now_ms(), names.get(job.device_id, "")) for job in found)
    return {"jobs": entries, "waiting": sum(job.state is JobState.WAITING for job in found)}


# moving


def _add_move(routes: APIRouter, services: Services) -> None:
    @routes.get("/my/{booking_id}/move")
    def choose(request: Request, who: Booker, booking_id: BookingId, day: str = "") -> Response:
        desk = Desk(services, request, who, booking_id)
        return desk.render("my_move.html", _move_sheet(desk, day))

    @routes.post("/my/{booking_id}/move")
    def move(request: Request, who: Booker, booking_id: BookingId, given: Form) -> Response:
        desk = Desk(services, request, who, booking_id)
        (_, asked), (span, items) = desk.own(), _pick(given.get("to", ""))
        try:
            if items:
                _book_instead(desk, asked, span, items, given.get("key", ""))
            else:
                services.office.move(who, booking_id, span.start, span.stop)
        except (Taken, Refused) as error:
            why = _trouble(desk, asked, span, error)
            near = desk.found(asked, error.alternatives)
            sheet = _move_sheet(desk, day_of(span.start, services.office.zone).isoformat(), near, why)
            return desk.render("my_move.html", sheet, 409 if isinstance(error, Taken) else 422)
        except TooLate:
            return _over(desk)
        except NothingOfThatKind as error:
            raise HTTPException(422, str(error)) from None
        return RedirectResponse("/my?done=moved", 303)


def _book_instead(desk: Desk, asked: Asked, span: range, items: tuple[Item, ...], key: str) -> None:
    """Another booking first, and only then let go of this one: whoever loses the race still has it."""
    wanted = replace(asked, items=items, start_ms=span.start, end_ms=span.stop)
    desk.office.book(desk.who, wanted, key=key[:MAX_KEY])
    with suppress(TooLate):  # the form was sent twice
        desk.office.cancel(desk.who, desk.booking_id)


def _trouble(desk: Desk, asked: Asked, span: range, error: Taken | Refused) -> Trouble:
    if isinstance(error, Refused):
        return move_view.trouble(error.problems, (), desk.names, desk.reader)
    looked = desk.office.look(desk.who, replace(asked, start_ms=span.start, end_ms=span.stop))
    return move_view.trouble((), looked.taken_by, desk.names, desk.reader)


def _move_sheet(desk: Desk, day: str, near: Sequence[Found] | None = None, why: Trouble | None = None) -> MoveSheet:
    """What is near is looked for, unless the last try has told it."""
    (booking, asked), reader, names = desk.own(), desk.reader, desk.names
    if near is None:
        near = desk.found(asked, desk.office.look(desk.who, asked).alternatives)
    zone, today = desk.office.zone, desk.office.today()
    wanted = max(typed.day(day) or day_of(booking.start_ms, zone), today)
    opens_ms = instant(wanted, time(0), zone)
    count = periods(booking.span_ms, reader.year(booking.start_ms, booking.school_id))
    span = range(opens_ms, instant(wanted + timedelta(days=1), time(0), zone))
    found = desk.office.openings(desk.who, asked, count, span, _MOST_TIMES)
    times = move_view.times(booking, wanted, [each for each, _ in found], reader)
    offers = tuple(move_view.offer(each, names, reader) for each in near)
    return move_view.move_sheet(booking, offers, (wanted, today), times, reader, key=secrets.token_hex(8), why=why)


def _pick(text: str) -> tuple[range, tuple[Item, ...]]:
    try:
        return picks.read(text)
    except picks.WrongPick as error:
        raise HTTPException(422, str(error)) from None


# cancelling


def _add_cancel(routes: APIRouter, services: Services) -> None:
    @routes.get("/my/{booking_id}/cancel")
    def ask(request: Request, who: Booker, booking_id: BookingId) -> Response:
        desk = Desk(services, request, who, booking_id)
        booking, _ = desk.own()
        return desk.render("my_cancel.html", my_view.cancel_sheet(booking, desk.names, desk.reader))

    @routes.post("/my/{booking_id}/cancel")
    def cancel(request: Request, who: Booker, booking_id: BookingId) -> Response:
        desk = Desk(services, request, who, booking_id)
        booking, _ = desk.own()
        try:
            services.office.cancel(who, booking_id)
        except TooLate:
            return _over(desk)
        return RedirectResponse(f"/my?done={_LEFT.get(booking.state, 'cancelled')}", 303)

    @routes.post("/my/{booking_id}/accept")
    def accept(request: Request, who: Booker, booking_id: BookingId) -> Response:
        """Have what is offered from the waitlist."""
        desk = Desk(services, request, who, booking_id)
        booking, _ = desk.own()
        try:
            services.office.accept(who, booking_id)
        except TooLate:
            return _over(desk)
        except Refused as error:
            sheet = my_view.cancel_sheet(booking, desk.names, desk.reader)
            told = " ".join(problem_words(each, desk.names, desk.reader.words) for each in error.problems)
            return desk.render("my_cancel.html", replace(sheet, against=told), 422)
        return RedirectResponse("/my?done=accepted", 303)


def _over(desk: Desk) -> Response:
    """It ended before anything could be done with it."""
    booking, _ = desk.own()
    return desk.render("my_cancel.html", my_view.cancel_sheet(booking, desk.names, desk.reader, over=True), 409)


# repeating


def _add_again(routes: APIRouter, services: Services) -> None:
    @routes.get("/my/{booking_id}/again")
    def plan(request: Request, who: Booker, booking_id: BookingId, until: str = "") -> Response:
        desk = Desk(services, request, who, booking_id)
        (booking, asked), reader = desk.own(), desk.reader
        planned = repeat_view.plan_of(booking, until, reader.year(booking.start_ms, booking.school_id))
        verdicts = services.office.plan_again(who, booking_id, planned.last, alternate=planned.alternate)
        found = _instead(desk, asked, verdicts)
        view = repeat_view.plan_sheet(
            booking, planned, verdicts, found, names=desk.names, reader=reader, key=secrets.token_hex(8)
        )
        return desk.render("my_again.html", view)

    @routes.post("/my/{booking_id}/again")
    def book(request: Request, who: Booker, booking_id: BookingId, given: Form) -> Response:
        """Exactly what was ticked. The same form again is the same series."""
        desk = Desk(services, request, who, booking_id)
        booking, asked = desk.own()
        try:
            wanted = repeat_view.picked(given)
            made = services.office.book_again(who, booking_id, wanted, key=given.get("key", "")[:MAX_KEY])
        except (picks.WrongPick, NothingOfThatKind) as error:
            raise HTTPException(422, str(error)) from None
        found = _instead(desk, asked, made.lost)
        view = repeat_view.result_sheet(
            booking, made, found, names=desk.names, reader=desk.reader, key=secrets.token_hex(8)
        )
        return desk.render("my_again.html", view)


def _instead(desk: Desk, asked: Asked, verdicts: Iterable[Verdict]) -> Mapping[date, Found]:
    """The nearest that would do instead, by date."""
    return {each.day: desk.found(asked, each.alternatives[:1])[0] for each in verdicts if each.alternatives}
