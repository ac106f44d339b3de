"""The pages of jobs: send a file, look at it, release it, see how it goes."""

import secrets
from collections.abc import Callable
from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from controller.api.ids import RowId
from controller.commands.errors import CommandError
from controller.identity.policy import Permission, Principal
from controller.jobs.content import SUFFIXES
from controller.jobs.errors import JobError
from controller.jobs.service import JobView
from controller.services import Services
from controller.web import job_words
from controller.web.access import allowed
from controller.web.device_view import Reader
from controller.web.formats import shown
from controller.web.job_review import Machine
from controller.web.job_speech import speech
from controller.web.job_view import JobPage, job_page
from controller.web.signin import address
from controller.web.typography import tidy
from controller.web.views import crumbs
from controller.web.visit import Form, Visit, is_part, refused

PAUSED: Final = frozenset({"pausing", "paused"})
"""What a machine's metric `state` says then."""

JobHandler = Annotated[Principal, Depends(allowed(Permission.HANDLE_JOBS))]


def router(services: Services) -> APIRouter:
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    _add_views(routes, services)
    _add_decisions(routes, services)
    return routes


def _add_views(routes: APIRouter, services: Services) -> None:
    @routes.get("/devices/{device_id}/jobs/new")
    def new(request: Request, who: JobHandler, device_id: RowId) -> Response:
        visit = Visit(services, request, who, device_id)
        device = visit.device
        if not visit.takes_files:
            raise HTTPException(404, "this machine takes no files")
        room = (device.room_id, tidy(device.room))
        path = crumbs(device.school_id, tidy(device.school), visit.language, fleet=visit.fleet, room=room)
        return visit.render(
            "job_new.html",
            script="upload.js",
            device=device,
            crumbs=(*path, (tidy(device.name), f"/devices/{device_id}")),
            said=speech(visit.work, visit.language),
            size=shown(services.jobs.most_bytes(visit.work), "By", visit.language),
            most_bytes=services.jobs.most_bytes(visit.work),
            suffixes=SUFFIXES[visit.work],
            refusals=job_words.refusals(visit.work, visit.language),
        )

    @routes.get("/jobs/{job_id}")
    def job(request: Request, who: JobHandler, job_id: RowId) -> Response:
        visit, found = _found(services, request, who, job_id)
        return visit.render("job.html", view=_page(visit, found), script="job.js")

    @routes.get("/jobs/{job_id}/now")
    def now(request: Request, who: JobHandler, job_id: RowId, state: str = "") -> Response:
        """The parts of the page that change while the job is in one state, which is `state` on the page that asks."""
        visit, found = _found(services, request, who, job_id)
        return visit.render("job_now.html", view=_page(visit, found), shown=state)


def _add_decisions(routes: APIRouter, services: Services) -> None:
    jobs = services.jobs

    @routes.post("/jobs/{job_id}/release")
    def release(request: Request, who: JobHandler, job_id: RowId, given: Form) -> Response:
        clear = given.get("bed") == "clear"
        return _decided(
            services, request, who, job_id, lambda: jobs.release(who, job_id, bed_clear=clear, address=address(request))
        )

    @routes.post("/jobs/{job_id}/hand-back")
    def hand_back(request: Request, who: JobHandler, job_id: RowId, given: Form) -> Response:
        why = given.get("why", "")
        return _decided(
            services, request, who, job_id, lambda: jobs.hand_back(who, job_id, why, address=address(request))
        )

    @routes.post("/jobs/{job_id}/cancel")
    def cancel(request: Request, who: JobHandler, job_id: RowId) -> Response:
        return _decided(services, request, who, job_id, lambda: jobs.cancel(who, job_id, address=address(request)))


def _decided(
    services: Services, request: Request, who: Principal, job_id: int, decide: Callable[[], JobView]
) -> Response:
    """The job's page as it is then; or why not: for htmx alone, to be put where the button is."""
    visit, found = _found(services, request, who, job_id)
    try:
        decide()
    except (JobError, CommandError) as error:
        why = refused(error, visit.language)
        if is_part(request):
            return visit.say(why, f"#error-{request.url.path.rpartition('/')[2]}")
        page = _page(visit, found)
        return visit.render("job.html", status=why.status, view=page, error=why.text, script="job.js")
    return RedirectResponse(f"/jobs/{job_id}", 303)


def _found(services: Services, request: Request, who: Principal, job_id: int) -> tuple[Visit, JobView]:
    found = services.jobs.find(who.scope, job_id)
    if found is None:
        raise HTTPException(404, "no such job")
    return Visit(services, request, who, found.device_id), found


def _page(visit: Visit, job: JobView) -> JobPage:
    commands = visit.services.commands
    machine = Machine(
        device=visit.device,
        profile=visit.profile,
        in_use=visit.in_use,
        paused=visit.values.get("state") in PAUSED,
        offers=commands.offers(visit.who, job.device_id),
        last=next(iter(commands.of_device(visit.who.scope, job.device_id, 1)), None),
        key=secrets.token_hex(8),
    )
    return job_page(job, machine, Reader(visit.language, visit.services.now_ms(), visit.fleet))
