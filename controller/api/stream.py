"""GET /stream: the live stream as server-sent events."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from controller.api.devices import NO_DEVICE, NOT_FOUND
from controller.api.ids import GivenId
from controller.identity.policy import Permission, Principal
from controller.services import Services
from controller.web.access import SESSION_COOKIE, allowed, bearer

Viewer = Annotated[Principal, Depends(allowed(Permission.VIEW_DEVICES))]
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["stream"])

    @routes.get(
        "/stream",
        response_class=StreamingResponse,
        responses={
            200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "Events"},
            **NOT_FOUND,
        },
    )
    async def stream(
        request: Request,
        who: Viewer,
        device: Annotated[GivenId | None, Query(description="also tell all values of this device")] = None,
    ) -> StreamingResponse:
        """`snapshot` first, then `delta` at most four times a second, `beat` when there is nothing to tell."""
        try:
            if device is not None:
                services.live.device(who.scope, device)
        except KeyError:
            raise NO_DEVICE from None
        frames = services.hub.stream(who.scope, device, _still(services, request, who))
        return StreamingResponse(frames, media_type="text/event-stream", headers=HEADERS)

    return routes


def _still(services: Services, request: Request, who: Principal) -> Callable[[], bool]:
    """Whether the listener's session or token still stands for the same person in the same scope."""
    token, cookie = bearer(request.headers), request.cookies.get(SESSION_COOKIE, "")

    def still() -> bool:
        now = services.signin.by_bearer(token) if token else services.signin.by_session(cookie, slide=False)
        return now is not None and now.id == who.id and now.scope == who.scope

    return still
