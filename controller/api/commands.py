"""POST and GET of commands: give one to a device, and see what became of it."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, HTTPException, Path, Query, Request
from fastapi.responses import JSONResponse

from contract.model import MAX_NAME
from controller.api.devices import NO_DEVICE, NOT_FOUND, Viewer
from controller.api.ids import RowId
from controller.api.models import CommandIn, CommandList, CommandOut, Problem
from controller.commands.errors import CommandError, NoSuchDevice, NotAllowed, NotNow, WrongCommand
from controller.commands.service import MAX_KEY, Wanted
from controller.identity.policy import Permission, Principal
from controller.services import Services
from controller.web.access import allowed
from controller.web.signin import address

Commander = Annotated[Principal, Depends(allowed(Permission.COMMAND))]
_STATUS: Final[Mapping[type[CommandError], int]] = {NoSuchDevice: 404, NotAllowed: 403, WrongCommand: 422, NotNow: 409}
REFUSALS: dict[int | str, dict[str, Any]] = {
    **NOT_FOUND,
    403: {"model": Problem, "description": "Your account may not ask this of this class of machine"},
    409: {"model": Problem, "description": "Not now: somebody else has the machine, or it is no longer there"},
    422: {"model": Problem, "description": "Malformed, no such action, or wrong arguments"},
}


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["commands"])
    commands = services.commands

    @routes.post("/devices/{device_id}/commands", status_code=202, responses=REFUSALS)
    def give(
        request: Request,
        who: Commander,
        device_id: RowId,
        wanted: CommandIn,
        idempotency_key: Annotated[str, Header(max_length=MAX_KEY, description="instead of `key`")] = "",
    ) -> CommandOut:
        """Queue a command. It is durable when this answers; whether it was carried out, its status says later."""
        key = wanted.key or idempotency_key
        asked = Wanted(device_id, wanted.action, wanted.args, key=key, address=address(request))
        return CommandOut.of(commands.give(who, asked))

    @routes.get("/devices/{device_id}/commands", responses=NOT_FOUND)
    def of_device(who: Viewer, device_id: RowId, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> CommandList:
        """What was asked of a device, newest first."""
        try:
            services.live.device(who.scope, device_id)
        except KeyError:
            raise NO_DEVICE from None
        found = commands.of_device(who.scope, device_id, limit)
        return CommandList(items=[CommandOut.of(view) for view in found])

    @routes.get(
        "/commands/{command_id}",
        responses={404: {"model": Problem, "description": "No such command in your scope"}},
    )
    def command(who: Viewer, command_id: Annotated[str, Path(max_length=MAX_NAME)]) -> CommandOut:
        """One command with the states it came to."""
        found = commands.find(who.scope, command_id)
        if found is None:
            raise HTTPException(404, "no such command")
        return CommandOut.of(found)

    return routes


def problem(_request: Request, error: Exception) -> JSONResponse:
    """The answer to a request whose command was not taken. For CommandError only."""
    if not isinstance(error, CommandError):
        raise error
    told = Problem(detail=str(error), code=error.code)
    return JSONResponse(told.model_dump(), _STATUS[type(error)])
