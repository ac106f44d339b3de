"""What agents found: GET /found, and a person's word on it."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, HTTPException

from controller.api.found_models import AdoptIn, AdoptOut, FindList, FindOut, IgnoreIn
from controller.api.ids import RowId
from controller.api.models import Problem
from controller.found.desk import Adoption, NoSuchFind, WrongWord
from controller.found.states import FoundState
from controller.identity.policy import Permission, Principal
from controller.services import Services
from controller.web.access import allowed

T = TypeVar("T")
Enroller = Annotated[Principal, Depends(allowed(Permission.ENROL_AGENTS))]
_REFUSALS: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "No such thing in your scope, or something was said of it already"},
    422: {"model": Problem, "description": "Malformed, or no such profile, name or room"},
}


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["found"])
    desk = services.found

    @routes.get("/found")
    def found(who: Enroller, state: FoundState = FoundState.WAITING) -> FindList:
        """The last found first. Waiting: what an agent sees now and does not look after."""
        return FindList(items=[FindOut.of(each) for each in desk.finds(who, state)])

    @routes.post("/found/{thing_id}/adopt", responses=_REFUSALS)
    def adopt(who: Enroller, thing_id: RowId, how: AdoptIn) -> AdoptOut:
        """Have its agent look after it. It is told at once, or when it is back."""
        adoption = Adoption(how.profile, how.name, how.room)
        return AdoptOut(device=_told(lambda: desk.adopt(who, thing_id, adoption)))

    @routes.post("/found/{thing_id}/ignore", status_code=204, responses=_REFUSALS)
    def ignore(who: Enroller, thing_id: RowId, why: IgnoreIn) -> None:
        """It is not asked about again."""
        _told(lambda: desk.ignore(who, thing_id, why.reason))

    @routes.post("/found/{thing_id}/restore", status_code=204, responses=_REFUSALS)
    def restore(who: Enroller, thing_id: RowId) -> None:
        """What was ignored waits again."""
        _told(lambda: desk.restore(who, thing_id))

    @routes.post("/found/{thing_id}/back", status_code=204, responses=_REFUSALS)
    def back(who: Enroller, thing_id: RowId) -> None:
        """What was adopted is looked after no more, and waits again where it is seen."""
        _told(lambda: desk.give_back(who, thing_id))

    return routes


def _told(work: Callable[[], T]) -> T:
    try:
        return work()
    except NoSuchFind as error:
        raise HTTPException(404, str(error)) from None
    except WrongWord as wrong:
        raise HTTPException(422, str(wrong)) from None
