"""What programs of a school's own are told: Home Assistant, and webhooks."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from fastapi.responses import Response

from contract.model import MAX_NAME
from controller.api.connection_models import (
    AccountOut,
    DeliveryList,
    DeliveryOut,
    HomeAssistantIn,
    HomeAssistantOut,
    TestOut,
    WebhookIn,
    WebhookList,
    WebhookMade,
    WebhookOut,
)
from controller.api.ids import RowId
from controller.api.models import Problem
from controller.home_assistant.errors import HomeAssistantError, NoSuchSchool, NotSwitchedOn, WrongLanguage
from controller.identity.policy import Permission, Principal
from controller.services import Services
from controller.web.access import allowed
from controller.web.signin import address
from controller.webhooks.errors import NoSuchWebhook, TestedTooOften, WebhookError, WrongWebhook
from controller.webhooks.settings import MOST_SHOWN

Connector = Annotated[Principal, Depends(allowed(Permission.CONNECT))]
SchoolId = Annotated[str, Path(max_length=MAX_NAME)]
_STATUS: Final[Mapping[type[Exception], int]] = {
    NoSuchSchool: 404,
    NotSwitchedOn: 409,
    WrongLanguage: 422,
    NoSuchWebhook: 404,
    WrongWebhook: 422,
    TestedTooOften: 429,
}
_NONE: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "Nothing of that id in your scope"}}
_OFF: dict[int | str, dict[str, Any]] = {**_NONE, 409: {"model": Problem, "description": "It is not switched on"}}
_BUSY: dict[int | str, dict[str, Any]] = {**_NONE, 429: {"model": Problem, "description": "Too often just now"}}


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["connections"])
    _add_home_assistant(routes, services)
    _add_webhooks(routes, services)
    _add_deliveries(routes, services)
    return routes


def _add_home_assistant(routes: APIRouter, services: Services) -> None:
    links = services.home_assistants

    @routes.get("/schools/{school_id}/home-assistant", responses=_NONE)
    def link(who: Connector, school_id: SchoolId) -> HomeAssistantOut:
        """Whether Home Assistant is told of the school's devices."""
        with _refusing():
            return HomeAssistantOut.of(links.of(who, school_id))

    @routes.put("/schools/{school_id}/home-assistant", responses=_NONE)
    def switch(request: Request, who: Connector, school_id: SchoolId, wanted: HomeAssistantIn) -> HomeAssistantOut:
        """Switch it on, or off: then everything is taken back and the account is gone."""
        with _refusing():
            links.switch(who, school_id, on=wanted.on, language=wanted.language, address=address(request))
            return HomeAssistantOut.of(links.of(who, school_id))

    @routes.post("/schools/{school_id}/home-assistant/account", status_code=201, responses=_OFF)
    def make(request: Request, who: Connector, school_id: SchoolId) -> AccountOut:
        """A new password at the broker; the former is good no more."""
        with _refusing():
            return AccountOut.of(links.make_account(who, school_id, address=address(request)))

    @routes.delete("/schools/{school_id}/home-assistant/account", status_code=204, responses=_NONE)
    def revoke(request: Request, who: Connector, school_id: SchoolId) -> Response:
        """Whoever listens is disconnected."""
        with _refusing():
            links.revoke_account(who, school_id, address=address(request))
        return Response(status_code=204)


def _add_webhooks(routes: APIRouter, services: Services) -> None:
    hooks = services.webhooks

    @routes.get("/schools/{school_id}/webhooks", responses=_NONE)
    def of_school(who: Connector, school_id: SchoolId) -> WebhookList:
        with _refusing():
            return WebhookList(items=[WebhookOut.of(each) for each in hooks.of(who, school_id)])

    @routes.post("/schools/{school_id}/webhooks", status_code=201, responses=_NONE)
    def add(request: Request, who: Connector, school_id: SchoolId, wanted: WebhookIn) -> WebhookMade:
        """Tell that address from now on what happens of these kinds."""
        with _refusing():
            return WebhookMade.of(hooks.add(who, school_id, wanted.url, wanted.kinds, address=address(request)))

    @routes.post("/schools/{school_id}/webhooks/{hook_id}/secret", responses=_NONE)
    def renew(request: Request, who: Connector, school_id: SchoolId, hook_id: RowId) -> WebhookMade:
        """Another secret; the next attempt is signed with it."""
        with _refusing():
            return WebhookMade.of(hooks.renew(who, school_id, hook_id, address=address(request)))

    @routes.post("/schools/{school_id}/webhooks/{hook_id}/test", responses=_BUSY)
    def test(request: Request, who: Connector, school_id: SchoolId, hook_id: RowId) -> TestOut:
        """Send an event of the kind `test` now, once."""
        with _refusing():
            return TestOut(result=hooks.test(who, school_id, hook_id, address=address(request)))

    @routes.delete("/schools/{school_id}/webhooks/{hook_id}", status_code=204, responses=_NONE)
    def remove(request: Request, who: Connector, school_id: SchoolId, hook_id: RowId) -> Response:
        """Nothing is sent there any more, also not what waits."""
        with _refusing():
            hooks.remove(who, school_id, hook_id, address=address(request))
        return Response(status_code=204)


def _add_deliveries(routes: APIRouter, services: Services) -> None:
    hooks = services.webhooks

    @routes.get("/schools/{school_id}/deliveries", responses=_NONE)
    def recent(
        who: Connector, school_id: SchoolId, limit: Annotated[int, Query(ge=1, le=200)] = MOST_SHOWN
    ) -> DeliveryList:
        """What became of the newest deliveries to the school's webhooks, newest first."""
        with _refusing():
            return DeliveryList(items=[DeliveryOut.of(each) for each in hooks.recent(who, school_id, limit)])

    @routes.post("/schools/{school_id}/deliveries/{delivery_id}/retry", status_code=204, responses=_NONE)
    def retry(request: Request, who: Connector, school_id: SchoolId, delivery_id: RowId) -> Response:
        """Send one again that was given up, with its old id."""
        with _refusing():
            hooks.retry(who, school_id, delivery_id, address=address(request))
        return Response(status_code=204)


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except (HomeAssistantError, WebhookError) as error:
        raise HTTPException(_STATUS[type(error)], str(error)) from None
