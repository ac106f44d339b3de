"""The door for agents: POST /enrol trades a token for credentials, POST /enrol/reclaim old ones for new ones."""

from typing import Final

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse, Response

from controller.api.forgeries import Forgeries
from controller.api.models import DoorOut, EnrolIn, EnrolOut, Problem, ReclaimIn, WaitOut
from controller.fleet.claims import Claim
from controller.fleet.door import Knock, Patience
from controller.fleet.enrolment import (
    CopiedIdentity,
    Credentials,
    EnrolmentError,
    NameTaken,
    NotAdmitted,
    NotProven,
    TokenRefused,
)
from controller.identity.lockout import place_of
from controller.identity.refusals import Kind
from controller.services import Services
from controller.web.signin import address

SPREAD_S: Final = 30.0
"""A fleet that was cut off comes back within this time: a tenth of it in no single second, all of it in a minute."""
_CODES: Final[dict[type[EnrolmentError], tuple[int, str]]] = {
    TokenRefused: (403, "token-refused"),
    NotAdmitted: (403, "not-admitted"),
    NotProven: (403, "not-admitted"),
    NameTaken: (409, "name-taken"),
    CopiedIdentity: (409, "copied-identity"),
}


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["enrolment"])
    forgeries = Forgeries(services.refusals, services.enrol_limit)

    @routes.get("/enrol", openapi_extra={"security": []})
    def door() -> DoorOut:
        """Anybody may know it: it keeps the facts of this installation's computers from being looked up elsewhere."""
        return DoorOut(salt=services.enrolment.salt())

    @routes.post(
        "/enrol",
        status_code=201,
        response_model=EnrolOut,
        openapi_extra={"security": []},
        responses={
            202: {"model": WaitOut, "description": "A person is asked first; ask again"},
            400: {"model": Problem, "description": "The body cannot be read"},
            403: {
                "model": Problem,
                "description": "The token is unknown, used up, expired or ended; or a person said no",
            },
            409: {"model": Problem, "description": "The school has an agent of this name; or the key is a copy"},
            422: {"model": Problem, "description": "The request is malformed"},
            429: {"model": Problem, "description": "Too many refused tokens from this address"},
        },
    )
    def enrol(request: Request, wanted: EnrolIn) -> Response | EnrolOut:
        """Takes no session and no bearer token: the one-time token is the proof."""
        source = _patient(services, request)
        knock = Knock(wanted.token, wanted.agent, source, wanted.key, wanted.machine, wanted.replace)
        try:
            made = services.enrolment.by_token(knock)
        except EnrolmentError as error:
            if isinstance(error, TokenRefused):
                services.enrol_limit.failed(place_of(source))
            return _problem(error)
        if isinstance(made, Patience):
            return JSONResponse(WaitOut(waiting=made.why).model_dump(), 202)
        return _told(services, request, made)

    @routes.post(
        "/enrol/reclaim",
        status_code=201,
        response_model=EnrolOut,
        openapi_extra={"security": []},
        responses={
            400: {"model": Problem, "description": "The body cannot be read"},
            403: {"model": Problem, "description": "Unknown, revoked, or not decided yet"},
            422: {"model": Problem, "description": "The request is malformed"},
            429: {"model": Problem, "description": "Too many false keys from this address"},
        },
    )
    def reclaim(request: Request, wanted: ReclaimIn) -> Response | EnrolOut:
        """Takes the agent's own key as proof. Whoever has it is heard, whatever others at its address do."""
        source = address(request)
        claim = Claim(wanted.school, wanted.agent, source, wanted.key, wanted.new_key, wanted.machine, wanted.epoch)
        try:
            return _told(services, request, services.enrolment.reclaim(claim))
        except NotProven as error:
            forgeries.tell(Kind.RECLAIM, source, f"{wanted.school}/{wanted.agent}")
            return _problem(error)
        except NotAdmitted as error:
            return _problem(error)

    return routes


def _patient(services: Services, request: Request) -> str:
    source = address(request)
    if services.enrol_limit.wait_ms(place_of(source)) > 0:
        raise HTTPException(429, "too many refused tokens; try again later")
    return source


def _problem(error: EnrolmentError) -> Response:
    status, code = _CODES[type(error)]
    return JSONResponse({"detail": str(error), "code": code}, status)


def _told(services: Services, request: Request, made: Credentials) -> EnrolOut:
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
        credentials=made.number,
        authority=services.plant.authorities().pem,
        spread_s=SPREAD_S,
        place=made.place,
    )
