"""The week of a lab as a sheet to print."""

from datetime import date, datetime, time, timedelta

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, Response

from controller.api.ids import RowId
from controller.scheduling.school_time import instant
from controller.scope import CLUSTER
from controller.services import Services
from controller.web.board_pages import Viewer, room_of
from controller.web.frame import language_of, render
from controller.web.qr import qr_svg
from controller.web.week_view import Known, week_page


def router(services: Services) -> APIRouter:
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

    @routes.get("/rooms/{room_id}/week")
    def week(request: Request, who: Viewer, room_id: RowId, date: str = "") -> Response:
        room, office = room_of(services, who, room_id), services.office
        monday, things = _monday(date, office.opens_on(room.school_id)), office.in_room(room.id)
        span = range(*(instant(day, time(), office.zone) for day in (monday, monday + timedelta(days=7))))
        known = Known(
            room=room,
            monday=monday,
            things=things,
            bookings=office.of_things(None, [thing.id for thing in things], span),
            shorts={school.id: school.short or school.name for school in services.live.schools(CLUSTER)},
            year=office.year(room.school_id, monday),
            now_ms=services.now_ms(),
        )
        address = f"{request.base_url}rooms/{room.id}/week?date={monday}"
        values = {"view": week_page(known, language_of(request)), "qr": qr_svg(address), "host": request.url.netloc}
        return render(services, request, "week.html", values)

    return routes


def _monday(text: str, first: date) -> date:
    """Of the week of that day; without, of the one that comes first."""
    try:
        day = datetime.strptime(text, "%Y-%m-%d").date() if text else first  # noqa: DTZ007 - a date has no zone
        return day - timedelta(days=day.weekday())
    except (ValueError, OverflowError):
        raise HTTPException(404, "no such day") from None
