"""POST /renewals/{number}: an agent that was asked to fetches new credentials."""

from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Path, Request
from fastapi.responses import JSONResponse

from controller.api.forgeries import Forgeries
from controller.api.models import Problem, RenewalOut
from controller.fleet import keys
from controller.fleet.renewals import NotWanted
from controller.identity.refusals import Kind
from controller.services import Services
from controller.web.signin import address


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["enrolment"])
    forgeries = Forgeries(services.refusals, services.enrol_limit)

    @routes.post(
        "/renewals/{number}",
        response_model=RenewalOut,
        openapi_extra={"security": []},
        responses={
            400: {"model": Problem, "description": "The path leads nowhere"},
            401: {"model": Problem, "description": "The proof is missing or wrong, or the agent was revoked"},
            409: {"model": Problem, "description": "Credentials of another number are wanted of it"},
            422: {"model": Problem, "description": "No such number"},
            429: {"model": Problem, "description": "Too many false proofs from this address"},
        },
    )
    def renew(
        request: Request,
        number: Annotated[int, Path(ge=1, le=1_000_000_000)],
        authorization: Annotated[str, Header()] = "",
    ) -> JSONResponse:
        """Takes no session and no bearer token: the agent's proof is over the request's line."""
        agent_id = keys.proven(services.engine, authorization, f"POST /api/v1/renewals/{number}")
        if agent_id is None:
            forgeries.tell(Kind.RENEWAL, address(request), keys.claimed(authorization))
            raise HTTPException(401, "no agent of ours")
        try:
            made = services.plant.renewals.hand_over(agent_id, number)
        except NotWanted as error:
            raise HTTPException(409, str(error)) from None
        told = RenewalOut(
            number=made.number,
            user=made.user,
            password=made.password,
            lease_key=made.lease_key,
            authority=made.authority,
        )
        return JSONResponse(told.model_dump(), headers={"cache-control": "no-store"})

    return routes
