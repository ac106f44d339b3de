"""The board at a lab's door: for who is signed in, or by an address with a key for a screen that nobody signs in at."""

from datetime import datetime, time, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, Response

from controller.alerts.rules import DeviceState
from controller.api.ids import RowId
from controller.fleet.picture import RoomRow
from controller.identity.policy import Permission, Principal
from controller.scheduling.board_keys import BoardKeys
from controller.scheduling.school_time import instant
from controller.scope import CLUSTER
from controller.services import Services
from controller.web.access import allowed
from controller.web.board_view import Board, Known, board
from controller.web.frame import language_of, render
from controller.web.qr import qr_svg
from controller.web.statics import version

Viewer = Annotated[Principal, Depends(allowed(Permission.VIEW_DEVICES))]


def router(services: Services) -> APIRouter:
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    keys = BoardKeys(services.engine, services.now_ms)

    def by_key(key: str) -> RoomRow:
        room_id = keys.room_of(key)
        found = next((room for room in services.live.rooms(CLUSTER) if room.id == room_id), None)
        if found is None:
            raise HTTPException(404, "no such board")
        return found

    @routes.get("/board/open/{key}")
    def open_board(request: Request, key: str) -> Response:
        return _page(services, request, by_key(key))

    @routes.get("/board/open/{key}/now")
    def open_now(request: Request, key: str) -> Response:
        return _part(services, request, by_key(key))

    @routes.get("/board/{room_id}")
    def signed_in_board(request: Request, who: Viewer, room_id: RowId) -> Response:
        return _page(services, request, room_of(services, who, room_id))

    @routes.get("/board/{room_id}/now")
    def signed_in_now(request: Request, who: Viewer, room_id: RowId) -> Response:
        return _part(services, request, room_of(services, who, room_id))

    return routes


def room_of(services: Services, who: Principal, room_id: int) -> RoomRow:
    """A room that somebody may see, or has something to book in. Any other is answered with 404."""
    near = {room.id: room for room in services.live.rooms(who.scope)}
    if room_id in near:
        return near[room_id]
    if any(thing.room_id == room_id for thing in services.office.things(who)):
        return next(room for room in services.live.rooms(CLUSTER) if room.id == room_id)
    raise HTTPException(404, "no such room")


def _page(services: Services, request: Request, room: RoomRow) -> Response:
    query = f"?{request.url.query}" if request.url.query else ""
    address = f"{request.base_url}calendar?room={room.id}"
    values = {
        "view": _board(services, request, room),
        "source": f"{request.url.path}/now{query}",
        "version": version(),
        "zone": services.config.zone,
        "qr": qr_svg(address),
        "host": request.url.netloc,
    }
    return render(services, request, "board.html", values)


def _part(services: Services, request: Request, room: RoomRow) -> Response:
    return render(services, request, "board_now.html", {"view": _board(services, request, room), "version": version()})


def _board(services: Services, request: Request, room: RoomRow) -> Board:
    office, now_ms = services.office, services.now_ms()
    today = datetime.fromtimestamp(now_ms / 1000, office.zone).date()
    night_ms = instant(today + timedelta(days=1), time(), office.zone)
    things = office.in_room(room.id)
    known = Known(
        room=room,
        things=things,
        bookings=office.of_things(None, [thing.id for thing in things], range(now_ms, night_ms)),
        shorts={school.id: school.short or school.name for school in services.live.schools(CLUSTER)},
        health=lambda device_id: _health(services, device_id),
        year=office.year(room.school_id, today),
        now_ms=now_ms,
    )
    return board(known, language_of(request))


def _health(services: Services, device_id: int) -> DeviceState | None:
    try:
        return services.live.device(CLUSTER, device_id).state
    except KeyError:
        return None
