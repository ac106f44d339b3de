"""Trials of the commands of an unverified profile: which are left, and whether the machine did what it should."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from contract.model import MAX_NAME
from controller.api.commands import REFUSALS
from controller.api.devices import NO_DEVICE, NOT_FOUND, Viewer
from controller.api.found_models import TrialList, TrialOut, TriedIn
from controller.api.ids import RowId
from controller.identity.policy import Permission, Principal
from controller.services import Services
from controller.web.access import allowed
from controller.web.signin import address

Commander = Annotated[Principal, Depends(allowed(Permission.COMMAND))]


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["commands"])

    @routes.get("/devices/{device_id}/trials", responses=NOT_FOUND)
    def of_device(who: Viewer, device_id: RowId) -> TrialList:
        """How it stands with each command that a technician has to try first; empty for a verified profile."""
        try:
            services.live.device(who.scope, device_id)
        except KeyError:
            raise NO_DEVICE from None
        return TrialList(items=[TrialOut.of(each) for each in services.trials.of_device(who, device_id)])

    @routes.post("/devices/{device_id}/trials/{command_id}", status_code=204, responses=REFUSALS)
    def confirm(
        request: Request,
        who: Commander,
        device_id: RowId,
        command_id: Annotated[str, Path(max_length=MAX_NAME)],
        told: TriedIn,
    ) -> None:
        """Say whether the machine did what it should at this command: the newest of its kind, and carried out."""
        services.trials.confirm(who, device_id, command_id, worked=told.worked, address=address(request))

    return routes
