"""Labels to print, and the address of a room's board, for who looks after what can be booked."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from controller.identity.policy import Permission, Principal
from controller.scheduling.board_keys import BoardKeys
from controller.scheduling.views import ThingView
from controller.services import Services
from controller.web.access import OPEN_BOARDS, allowed
from controller.web.frame import render
from controller.web.label_view import BoardEntry, LabelPage, label, rooms
from controller.web.visit import Form

_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})
Manager = Annotated[Principal, Depends(allowed(Permission.MANAGE_BOOKINGS))]


def router(services: Services) -> APIRouter:
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    keys = BoardKeys(services.engine, services.now_ms)

    def page(request: Request, things: list[ThingView], room: int | None, address: str = "") -> Response:
        base = str(request.base_url)
        view = LabelPage(
            rooms=tuple(rooms(things, room)),
            labels=tuple(label(each, base) for each in things if each.room_id == room),
            board=BoardEntry(room, keys.made_ms(room), address) if room is not None else None,
            only_here=request.url.hostname in _LOCAL,
        )
        return render(services, request, "labels.html", {"view": view})

    @routes.get("/labels")
    def labels(request: Request, who: Manager, room: int | None = None) -> Response:
        """Of the first room if none is chosen."""
        things = _own(services, who)
        chosen = next((each.room_id for each in things if room in (None, each.room_id)), None)
        if room is not None and chosen is None:
            raise HTTPException(404, "no such room")
        return page(request, things, chosen)

    @routes.post("/labels/board")
    def board(request: Request, who: Manager, given: Form) -> Response:
        """Make the address, which this page alone tells, or take it back."""
        room, things = given.get("room", ""), _own(services, who)
        found = next((each for each in things if str(each.room_id) == room), None)
        if found is None or found.room_id is None:
            raise HTTPException(404, "no such room")
        if given.get("do") == "make":
            secret = keys.make(who, found.school_id, found.room_id)
            return page(request, things, found.room_id, f"{str(request.base_url).rstrip('/')}{OPEN_BOARDS}{secret}")
        keys.take_back(who, found.room_id)
        return RedirectResponse(f"/labels?room={found.room_id}", 303)

    return routes


def _own(services: Services, who: Principal) -> list[ThingView]:
    """What stands in the schools that somebody looks after, by school, room and name."""
    return [each for each in services.office.things(who) if each.room_id and who.scope.covers(each.school_id)]
