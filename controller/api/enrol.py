"""POST /enrol: a new agent trades its one-time token for credentials."""

from fastapi import APIRouter, HTTPException, Request

from controller.api.models import EnrolIn, EnrolOut, Problem
from controller.fleet.enrolment import NameTaken, TokenRefused
from controller.services import Services
from controller.web.signin import address


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["enrolment"])

    @routes.post(
        "/enrol",
        status_code=201,
        openapi_extra={"security": []},
        responses={
            400: {"model": Problem, "description": "The body cannot be read"},
            403: {"model": Problem, "description": "The token is unknown, used up or expired"},
            409: {"model": Problem, "description": "The school has an agent of this name"},
            422: {"model": Problem, "description": "The request is malformed"},
            429: {"model": Problem, "description": "Too many refused tokens from this address"},
        },
    )
    def enrol(request: Request, wanted: EnrolIn) -> EnrolOut:
        """Takes no session and no bearer token: the one-time token is the proof."""
        source = address(request)
        if services.enrol_limit.wait_ms(source) > 0:
            raise HTTPException(429, "too many refused tokens; try again later")
        try:
            made = services.enrolment.by_token(wanted.token, wanted.agent, source)
        except TokenRefused as error:
            services.enrol_limit.failed(source)
            raise HTTPException(403, str(error)) from None
        except NameTaken as error:
            raise HTTPException(409, str(error)) from None
        broker = services.plant.address()
        return EnrolOut(
            school=made.address.school,
            agent=made.address.agent,
            broker_host=broker.host or request.url.hostname or "",
            broker_port=broker.port,
            broker_tls=broker.tls,
            user=made.user,
            password=made.password,
            lease_key=made.lease_key,
        )

    return routes
