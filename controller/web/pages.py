"""The pages. Thin: who may see it, what it shows, which template."""

import base64
import hashlib
import logging
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException as StarletteHTTPException

from controller.api.ids import RowId
from controller.fleet.picture import RoomRow
from controller.identity.policy import Permission, Principal, home, may
from controller.services import Services
from controller.web import (
    account_pages,
    admin_pages,
    agent_pages,
    audit_pages,
    board_pages,
    calendar_pages,
    checkin_pages,
    connection_pages,
    device_pages,
    feed_pages,
    found_pages,
    import_pages,
    jobs_pages,
    kit_pages,
    label_pages,
    my_pages,
    notification_pages,
    oidc_pages,
    people_pages,
    privacy_pages,
    report_pages,
    rights_pages,
    settings_pages,
    token_pages,
    views,
    week_pages,
)
from controller.web.access import Asker, allowed
from controller.web.frame import language_of, render, role_word
from controller.web.i18n import Language
from controller.web.refusal import RefusedPage, Why, page, reads_pages, said
from controller.web.signin import whither
from controller.web.signin_view import signin_page
from controller.web.statics import Statics

_log = logging.getLogger(__name__)

FleetViewer = Annotated[Principal, Depends(allowed(Permission.VIEW_FLEET))]
DeviceViewer = Annotated[Principal, Depends(allowed(Permission.VIEW_DEVICES))]


def router(services: Services) -> APIRouter:
    """Every page, and the parts of pages that are asked for alone."""
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    _add_doors(routes, services)
    _add_fleet(routes, services)
    routes.include_router(jobs_pages.router(services))
    routes.include_router(device_pages.router(services))
    routes.include_router(feed_pages.router(services))
    routes.include_router(import_pages.router(services))
    routes.include_router(notification_pages.router(services))
    routes.include_router(my_pages.router(services))
    routes.include_router(calendar_pages.router(services))
    routes.include_router(checkin_pages.router(services))
    routes.include_router(board_pages.router(services))
    routes.include_router(admin_pages.router(services))
    routes.include_router(found_pages.router(services))
    routes.include_router(settings_pages.router(services))
    routes.include_router(agent_pages.router(services))
    routes.include_router(connection_pages.router(services))
    routes.include_router(privacy_pages.router(services))
    routes.include_router(audit_pages.router(services))
    routes.include_router(week_pages.router(services))
    routes.include_router(kit_pages.router(services))
    routes.include_router(label_pages.router(services))
    routes.include_router(report_pages.router(services))
    routes.include_router(oidc_pages.router(services))
    routes.include_router(account_pages.router(services))
    routes.include_router(token_pages.router(services))
    routes.include_router(rights_pages.router(services))
    routes.include_router(people_pages.router(services))
    return routes


def _add_doors(routes: APIRouter, services: Services) -> None:
    @routes.get("/")
    def start(who: Asker) -> Response:
        return RedirectResponse(home(who), 303)

    @routes.get("/signin")
    def signin(request: Request, error: str = "", minutes: int = 0, next: str = "", done: str = "") -> Response:  # noqa: A002
        there = whither(services, request, next)
        if request.state.user is not None:
            return RedirectResponse(there or home(request.state.user), 303)
        view = signin_page(error, minutes, there, language_of(request), done=done, providers=services.oidc.providers)
        return _page(services, request, "signin.html", view=view)


def _add_fleet(routes: APIRouter, services: Services) -> None:
    live = services.live

    @routes.get("/fleet")
    def fleet(request: Request, who: FleetViewer) -> Response:
        view = views.fleet_page(live, who.scope, language_of(request))
        return _page(services, request, "fleet.html", view=view, script="fleet.js")

    @routes.get("/fleet/attention")
    def attention(request: Request, who: FleetViewer) -> Response:
        entries = views.attention(live, who.scope, language_of(request))
        return _page(services, request, "fleet_attention.html", attention=entries)

    @routes.get("/rooms/{room_id}")
    def room(request: Request, who: DeviceViewer, room_id: RowId) -> Response:
        found = _room(services, who, room_id)
        fleet = may(who, Permission.VIEW_FLEET)
        view = views.room_page(live, who.scope, found, language_of(request), fleet=fleet)
        manages, bookable = may(who, Permission.MANAGE_BOOKINGS), bool(services.office.in_room(room_id))
        return _page(services, request, "room.html", view=view, script="room.js", bookable=bookable, manages=manages)


def _page(services: Services, request: Request, template: str, **values: object) -> Response:
    return render(services, request, template, values)


def _room(services: Services, who: Principal, room_id: int) -> RoomRow:
    for room in services.live.rooms(who.scope):
        if room.id == room_id:
            return room
    raise HTTPException(404, "no such room")


def install(app: FastAPI, services: Services) -> None:
    """Give `app` the pages, the files they load, and pages for what is refused. The API keeps its own answers."""
    app.include_router(router(services))
    app.mount("/static", Statics(), name="static")

    def refused(request: Request, error: Exception) -> Response:
        if not isinstance(error, StarletteHTTPException):
            raise error
        return _refused(services, request, error)

    app.add_exception_handler(StarletteHTTPException, refused)


def _refused(services: Services, request: Request, error: StarletteHTTPException) -> Response:
    who: Principal | None = getattr(request.state, "user", None)
    if not reads_pages(request):
        return JSONResponse({"detail": error.detail}, error.status_code, error.headers)
    if who is None or error.status_code not in (403, 404):
        return HTMLResponse(page(request, error.status_code), error.status_code, error.headers)
    words = language_of(request)
    view = said(Why.NOT_HERE, words) if error.status_code == 404 else _not_permitted(services, request, who, words)
    back = words.t("Back to the devices") if may(who, Permission.VIEW_FLEET) else words.t("Back to my bookings")
    return render(
        services, request, "refused.html", {"view": replace(view, way_out=str(back))}, status=error.status_code
    )


def _not_permitted(services: Services, request: Request, who: Principal, words: Language) -> RefusedPage:
    reference = reference_code(who.id, request.url.path, services.now_ms())
    _log.warning("%s: %s asked for %s", reference, who.id, request.url.path)
    return RefusedPage(
        title=str(words.t("No permission to see this page yet")),
        text=" ".join((words.t("This page is for technicians."), _whose(who, services, words))),
        icon="lock",
        way_out="",
        reference=reference,
    )


def _whose(who: Principal, services: Services, words: Language) -> str:
    role = role_word(who.role, words)
    schools = services.live.schools(who.scope) if who.school_id else []
    if not schools:
        return str(words.t("The account {name} has the role {role}.", name=who.name, role=role))
    place = schools[0].name
    return str(words.t("The account {name} has the role {role} at {school}.", name=who.name, role=role, school=place))


def reference_code(user_id: str, path: str, now_ms: int) -> str:
    """What a reader tells the administrator, who finds it in the server's log: 403-7K2Q."""
    digest = hashlib.sha256(f"{user_id}\0{path}\0{now_ms}".encode()).digest()
    return "403-" + base64.b32encode(digest)[:4].decode()
