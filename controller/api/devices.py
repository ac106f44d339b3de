"""GET /devices and /devices/{id}: what there is and how it is now, from the live picture."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query

from controller.alerts.rules import DeviceState
from controller.api.ids import GivenId, RowId
from controller.api.models import DeviceDetail, DeviceOut, DevicePage, Problem, ValueOut
from controller.fleet.live import Selection
from controller.identity.policy import Permission, Principal
from controller.services import Services
from controller.web.access import allowed

Viewer = Annotated[Principal, Depends(allowed(Permission.VIEW_DEVICES))]
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "No such device in your scope"}}
NO_DEVICE = HTTPException(404, "no such device")


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["devices"])
    live = services.live

    @routes.get("/devices")
    def devices(
        *,
        who: Viewer,
        school: Annotated[str, Query(max_length=63, description="slug of a school")] = "",
        room: Annotated[GivenId | None, Query(description="id of a room")] = None,
        state: Annotated[list[DeviceState] | None, Query(description="any of these states")] = None,
        q: Annotated[str, Query(max_length=200, description="words to find, with or without marks")] = "",
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> DevicePage:
        """The devices of your scope, by school, room and name."""
        found = live.devices(who.scope, Selection(school, room, frozenset(state or ()), q))
        page = found[offset : offset + limit]
        return DevicePage(
            items=[DeviceOut.of(view) for view in page],
            total=len(found),
            next=offset + limit if offset + limit < len(found) else None,
            broker=live.broker,
        )

    @routes.get("/devices/{device_id}", responses=NOT_FOUND)
    def device(who: Viewer, device_id: RowId) -> DeviceDetail:
        """One device with all its values."""
        try:
            view, values = live.device(who.scope, device_id), live.values(who.scope, device_id)
            profile = live.profile(who.scope, device_id)
        except KeyError:
            raise NO_DEVICE from None
        return DeviceDetail(
            **DeviceOut.of(view).model_dump(),
            verified=profile.verified.en if profile and profile.verified else "",
            values=[ValueOut.of(value) for value in values],
        )

    return routes
