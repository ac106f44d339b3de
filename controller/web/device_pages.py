"""The pages of one device: its own, its part of the drawer, and its cards of commands and jobs."""

import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from controller.api.ids import RowId
from controller.commands.errors import CommandError
from controller.commands.policy import may_try
from controller.commands.service import MAX_KEY, Wanted
from controller.fleet import roster
from controller.identity.policy import Permission, Principal, may
from controller.ingest.floods import NotCutOff
from controller.scheduling.views import ThingView
from controller.services import Services
from controller.web import job_view
from controller.web.access import allowed
from controller.web.chart_span import DAY, SPANS, TERM, Span, term_since
from controller.web.command_fields import WrongInput, fields_of, read_fields
from controller.web.command_view import Asked, CommandCard, Scene, command_card, needs_dialog
from controller.web.command_words import refusal
from controller.web.device_bookings import today
from controller.web.device_view import DevicePage, Known, Reader, device_page
from controller.web.formats import local
from controller.web.history import Past
from controller.web.job_speech import speech
from controller.web.signin import address
from controller.web.typography import tidy
from controller.web.visit import Form, Refused, Visit, is_part, refused

COMMANDS: Final = 8
JOBS: Final = 5
"""In the lists of a device's page."""

DeviceViewer = Annotated[Principal, Depends(allowed(Permission.VIEW_DEVICES))]
Enroller = Annotated[Principal, Depends(allowed(Permission.ENROL_AGENTS))]
Commander = Annotated[Principal, Depends(allowed(Permission.COMMAND))]


def router(services: Services) -> APIRouter:
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

    @routes.get("/devices/{device_id}")
    def device(request: Request, who: DeviceViewer, device_id: RowId, span: str = DAY.name) -> Response:
        visit = Visit(services, request, who, device_id)
        return _page(visit, span=_span(visit, span))

    @routes.get("/devices/{device_id}/panel")
    def panel(request: Request, who: DeviceViewer, device_id: RowId) -> Response:
        visit = Visit(services, request, who, device_id)
        readmits = may(who, Permission.ENROL_AGENTS)
        return visit.render("panel.html", view=_view(visit), card=_card(visit, brief=True), readmits=readmits)

    @routes.get("/devices/{device_id}/commands")
    def commands(request: Request, who: DeviceViewer, device_id: RowId, *, brief: bool = False) -> Response:
        visit = Visit(services, request, who, device_id)
        return visit.render("commands.html", card=_card(visit, brief=brief))

    @routes.post("/devices/{device_id}/commands")
    def give(request: Request, who: Commander, device_id: RowId, given: Form, *, brief: bool = False) -> Response:
        """For htmx the card again, or why not, to be put where the button is; else the whole page."""
        visit = Visit(services, request, who, device_id)
        why = _give(visit, given)
        if not is_part(request):
            return _page(visit, why) if why else RedirectResponse(f"/devices/{device_id}#commands-title", 303)
        if why:
            return visit.say(why, _slot(visit, given.get("action", "")))
        return visit.render("commands.html", card=_card(visit, brief=brief))

    @routes.get("/devices/{device_id}/jobs")
    def jobs(request: Request, who: DeviceViewer, device_id: RowId) -> Response:
        visit = Visit(services, request, who, device_id)
        return visit.render(
            "jobs.html", device=visit.device, jobs=_jobs(visit), said=speech(visit.work, visit.language)
        )

    @routes.post("/devices/{device_id}/agent/readmit")
    def readmit(request: Request, who: Enroller, device_id: RowId) -> Response:
        """Let the device's agent in again, which was cut off for saying far too much."""
        visit = Visit(services, request, who, device_id)
        with suppress(NotCutOff):  # somebody else was faster
            services.plant.readmit(who.scope, visit.device.agent_id, who.id, address(request))
        return RedirectResponse(f"/devices/{device_id}#agent", 303)

    _add_trials(routes, services)
    return routes


def _add_trials(routes: APIRouter, services: Services) -> None:
    @routes.post("/devices/{device_id}/trials/{command_id}")
    def tried(request: Request, who: Commander, device_id: RowId, command_id: str, given: Form) -> Response:
        """A technician says whether the machine did what it should at this command."""
        visit = Visit(services, request, who, device_id)
        worked = given.get("worked") == "yes"
        try:
            services.trials.confirm(who, device_id, command_id, worked=worked, address=address(request))
        except CommandError as error:
            return _page(visit, refused(error, visit.language))
        return RedirectResponse(f"/devices/{device_id}#trials", 303)


def _page(visit: Visit, why: Refused | None = None, span: Span = DAY) -> Response:
    return visit.render(
        "device.html",
        status=why.status if why else 200,
        view=_view(visit, span),
        card=_card(visit, error=why.text if why else ""),
        device=visit.device,
        takes_files=visit.takes_files,
        said=speech(visit.work, visit.language),
        jobs=_jobs(visit) if visit.takes_files else (),
        thing=_thing(visit),
        readmits=may(visit.who, Permission.ENROL_AGENTS),
        configures=may(visit.who, Permission.CONFIGURE),
        manages=may(visit.who, Permission.MANAGE_BOOKINGS),
        today=today(visit),
        script="device.js",
    )


def _thing(visit: Visit) -> ThingView | None:
    """What classes book when they book the device."""
    things = visit.services.office.things(visit.who)
    return next((each for each in things if each.device_id == visit.device_id), None)


def _span(visit: Visit, name: str) -> Span:
    """The one of that name, a term as the device's school has it; the day for a name nobody knows."""
    if name != TERM.name:
        return SPANS.get(name, DAY)
    now_ms = visit.services.now_ms()
    today = local(now_ms).date()
    term = visit.services.office.year(visit.device.school_id, today).term_of(today)
    return term_since(term.first, now_ms) if term is not None else TERM


def _view(visit: Visit, span: Span = DAY) -> DevicePage:
    services, device, now = visit.services, visit.device, visit.services.now_ms()
    found = roster.load(services.engine, device.agent_id)
    known = Known(
        device=device,
        row=next(row for row in found.devices if row.id == device.id),
        agent=found.agents[0],
        profile=visit.profile,
        values=services.live.values(visit.who.scope, device.id),
        history=Past(services, visit.who.scope, device.id, span, now),
    )
    return device_page(known, Reader(visit.language, now, visit.fleet))


def _jobs(visit: Visit) -> tuple[job_view.Entry, ...]:
    language, now = visit.language, visit.services.now_ms()
    found = visit.services.jobs.of_device(visit.who.scope, visit.device.id, JOBS)
    return tuple(job_view.entry(job, language, now) for job in found)


def _card(visit: Visit, *, brief: bool = False, error: str = "") -> CommandCard:
    services, scope, device = visit.services, visit.who.scope, visit.device
    scene = Scene(
        device_id=device.id,
        name=tidy(device.name),
        room=tidy(device.room),
        school=tidy(device.school),
        profile=visit.profile,
        in_use=visit.in_use,
        job=job_view.at_work(services.jobs.of_device(scope, device.id, JOBS), visit.language),
        values=visit.values,
        trials=services.trials.of_device(visit.who, device.id) if may_try(visit.who) else (),
    )
    given = services.commands.of_device(scope, device.id, 1 if brief else COMMANDS)
    asked = Asked(visit.language, services.now_ms(), secrets.token_hex(8), brief=brief)
    return command_card(scene, services.commands.offers(visit.who, device.id), given, asked, error)


def _give(visit: Visit, given: Mapping[str, str]) -> Refused | None:
    """Give the command that a form asks for; why not, if it is not taken."""
    profile, language = visit.profile, visit.language
    action = profile.actions.get(given.get("action", "")) if profile else None
    if action is None:
        return Refused(422, refusal("no-such-action", language))
    try:
        args = read_fields(fields_of(action, profile, language), given, language)
        key = given.get("key", "")[:MAX_KEY]
        wanted = Wanted(visit.device_id, action.name, args, key=key, address=address(visit.request))
        visit.services.commands.give(visit.who, wanted)
    except WrongInput as error:
        return Refused(422, error.text)
    except CommandError as error:
        return refused(error, language)
    return None


def _slot(visit: Visit, name: str) -> str:
    """Where a refusal is said: in the dialog of its action, else above all buttons."""
    action = visit.profile.actions.get(name) if visit.profile else None
    return f"#error-{action.name}" if action is not None and needs_dialog(action) else "#command-error"
