"""Jobs: send a file, see what became of it, release it, hand it back, cancel it."""

from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Annotated, Any, Final

from anyio import to_thread
from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import JSONResponse

from controller.api.devices import NO_DEVICE, NOT_FOUND, Viewer
from controller.api.ids import RowId
from controller.api.models import JobDetail, JobList, JobOut, Problem, ReleaseIn, ReturnIn
from controller.api.uploads import BadForm, FormReader
from controller.commands.errors import CommandError
from controller.identity.policy import Permission, Principal
from controller.identity.refusals import Kind
from controller.jobs.errors import JobError, NoRoom, NoSuchJob, NotInThisState, WrongFile
from controller.jobs.files import READ, Incoming
from controller.jobs.service import JobView, Upload
from controller.services import Services
from controller.web.access import allowed
from controller.web.signin import address

Handler = Annotated[Principal, Depends(allowed(Permission.HANDLE_JOBS))]
_STATUS: Final[Mapping[type[JobError], int]] = {NoSuchJob: 404, WrongFile: 422, NoRoom: 507, NotInThisState: 409}
_TOO_LARGE: Final = "size"
_AUDITED: Final[Mapping[str, Kind]] = {"name": Kind.FILE_NAME, _TOO_LARGE: Kind.TOO_LARGE}
_NO_JOB: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "No such job in your scope"}}
_ACTS: dict[int | str, dict[str, Any]] = {
    **_NO_JOB,
    409: {"model": Problem, "description": "Not now: the job or the machine has gone on meanwhile"},
}
_SENDING: dict[int | str, dict[str, Any]] = {
    **NOT_FOUND,
    400: {"model": Problem, "description": "The form cannot be read"},
    413: {"model": Problem, "description": "The file is too large"},
    422: {"model": Problem, "description": "Not a file that this machine takes"},
    507: {"model": Problem, "description": "There is no room for it"},
}
_TEXT = {"type": "string"}
_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "text G-code; for a kit, MicroPython",
                        },
                        "title": _TEXT,
                        "group": _TEXT | {"description": "a group's name, never a pupil's"},
                        "digest": _TEXT | {"description": "SHA-256 of the file, hexadecimal: checked if given"},
                    },
                }
            }
        },
    }
}


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["jobs"])
    _files(routes, services)
    _decisions(routes, services)
    return routes


def _files(routes: APIRouter, services: Services) -> None:
    """What is sent, and what became of it."""
    jobs = services.jobs

    @routes.post("/devices/{device_id}/jobs", status_code=201, responses=_SENDING, openapi_extra=_FORM)
    async def send(request: Request, who: Handler, device_id: RowId) -> JobDetail:
        """Send a file for a machine. It is durable when this answers, and read soon after; nothing begins of itself."""
        body = request.stream()
        try:
            return JobDetail.of(await _take(services, request, who, device_id, body))
        except (BadForm, JobError, CommandError) as error:
            async for _ in body:  # who is still talking does not hear the answer
                pass
            if isinstance(error, WrongFile) and error.code in _AUDITED:
                tell = partial(_audit, services, _AUDITED[error.code], who, device_id, address(request))
                await to_thread.run_sync(tell)
            if isinstance(error, BadForm):
                raise HTTPException(400, str(error)) from None
            raise

    @routes.get("/devices/{device_id}/jobs", responses=NOT_FOUND)
    def of_device(who: Viewer, device_id: RowId, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> JobList:
        """The jobs of a device: those that have not ended first, then the newest."""
        try:
            services.live.device(who.scope, device_id)
        except KeyError:
            raise NO_DEVICE from None
        return JobList(items=[JobOut.of(view) for view in jobs.of_device(who.scope, device_id, limit)])

    @routes.get("/jobs/{job_id}", responses=_NO_JOB)
    def job(who: Viewer, job_id: RowId) -> JobDetail:
        """One job with everything."""
        found = jobs.find(who.scope, job_id)
        if found is None:
            raise NoSuchJob("no-such-job", "no such job")
        return JobDetail.of(found)


def _decisions(routes: APIRouter, services: Services) -> None:
    """What people decide about a job."""
    jobs = services.jobs

    @routes.post("/jobs/{job_id}/release", responses=_ACTS)
    def release(request: Request, who: Handler, job_id: RowId, wanted: ReleaseIn) -> JobDetail:
        """Have it printed, cut or run. Whether the machine began, the job says later."""
        return JobDetail.of(jobs.release(who, job_id, bed_clear=wanted.bed_clear, address=address(request)))

    @routes.post("/jobs/{job_id}/return", responses=_ACTS)
    def hand_back(request: Request, who: Handler, job_id: RowId, wanted: ReturnIn) -> JobDetail:
        """Hand it back to the group, to be mended."""
        return JobDetail.of(jobs.hand_back(who, job_id, wanted.why, address=address(request)))

    @routes.post("/jobs/{job_id}/cancel", responses=_ACTS)
    def cancel(request: Request, who: Handler, job_id: RowId) -> JobDetail:
        """One that waits ends at once; one that runs ends when its machine says so."""
        return JobDetail.of(jobs.cancel(who, job_id, address=address(request)))


async def _take(
    services: Services, request: Request, who: Principal, device_id: int, body: AsyncIterator[bytes]
) -> JobView:
    """Read the form as it comes and write its file in large pieces, in other threads. The job."""
    jobs = services.jobs
    form = FormReader(request.headers.get("content-type", ""))
    incoming = await to_thread.run_sync(jobs.incoming, who, device_id)
    try:
        await _write(incoming, form, body)
        upload = Upload(
            device_id=device_id,
            file=incoming,
            file_name=form.file_name or "",
            title=form.fields.get("title", ""),
            group=form.fields.get("group", ""),
            digest=form.fields.get("digest", ""),
            address=address(request),
        )
        return await to_thread.run_sync(partial(jobs.take, who, upload))
    finally:
        incoming.discard()


def _audit(services: Services, kind: Kind, who: Principal, device_id: int, source: str) -> None:
    services.refusals.tell(
        kind, source, actor=who.id, school_id=who.school_id, detail=f"print job for device {device_id}"
    )


async def _write(incoming: Incoming, form: FormReader, body: AsyncIterator[bytes]) -> None:
    waiting = bytearray()
    async for piece in body:
        waiting += form.feed(piece)
        if len(waiting) >= READ:
            await to_thread.run_sync(incoming.write, bytes(waiting))
            waiting.clear()
    form.finish()
    await to_thread.run_sync(incoming.write, bytes(waiting))


def problem(_request: Request, error: Exception) -> JSONResponse:
    """The answer to a request that changed nothing. For JobError only."""
    if not isinstance(error, JobError):
        raise error
    told = Problem(detail=str(error), code=error.code)
    return JSONResponse(told.model_dump(), 413 if error.code == _TOO_LARGE else _STATUS[type(error)])
