"""The agents: who is in, who waits at the door, which are two under one name; and adding more of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from contract.model import MAX_NAME, ContractError
from controller.api.ids import RowId
from controller.desired.desk import AgentStand
from controller.fleet.enrolment import Place
from controller.fleet.gatekeeping import Gatekeeper, MadeToken, NoSuchThing
from controller.fleet.token_text import token_text
from controller.identity.policy import Permission, Principal, may
from controller.services import Services
from controller.web import agent_view, enrol_lines
from controller.web.access import PHONES, allowed
from controller.web.frame import language_of, render
from controller.web.visit import Form

MOST_USES: Final = 1_000
HOUR_MS: Final = 3_600_000
HOURS: Final = (1, 4, 24, 24 * 7, 24 * 180)
"""How long a token may last; the longest is for images of disks."""
REPLACE_MS: Final = 24 * HOUR_MS
_LONGEST_TOKEN: Final = 200
Enroller = Annotated[Principal, Depends(allowed(Permission.ENROL_AGENTS))]


def router(services: Services) -> APIRouter:
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    _add_list(routes, services)
    _add_words(routes, services)
    _add_enrolling(routes, services)
    return routes


@dataclass(frozen=True, slots=True)
class Desk:
    """Somebody looks after agents."""

    services: Services
    request: Request
    who: Principal

    def list(self) -> HTMLResponse:
        keeper, scope = self.services.gatekeeper, self.who.scope
        view = agent_view.agents_page(
            agent_view.Found(keeper.agents(scope), keeper.arrivals(scope), keeper.twins(scope), self._stands()),
            agent_view.Places.of(self.services.live, scope),
            self.services.now_ms(),
            language_of(self.request),
        )
        configures = may(self.who, Permission.CONFIGURE)
        values = {"view": view, "configures": configures, "waiting": self.services.found.waiting(self.who)}
        return render(self.services, self.request, "agents.html", values)

    def _stands(self) -> Sequence[AgentStand]:
        """For who may change settings; others are not told of them."""
        return self.services.configs.stands(self.who.scope) if may(self.who, Permission.CONFIGURE) else ()

    def form(self, made: MadeToken | None = None, *, uses: int = 1, problem: str = "") -> HTMLResponse:
        keeper, scope, now_ms = self.services.gatekeeper, self.who.scope, self.services.now_ms()
        words = language_of(self.request)
        text = token_text(made.secret, self.services.config) if made else ""
        base = address_of_pages(self.services, self.request)
        rooms = [(each, keeper.rooms(each.id)) for each in self.services.live.schools(scope)]
        view = agent_view.enrol_page(rooms, HOURS, keeper.tokens(scope), now_ms, words)
        lines = enrol_lines.commands(base, text, words)
        fresh = agent_view.fresh(made, lines, f"{base}{PHONES}{text}", uses, words) if made else None
        values = {"view": view, "fresh": fresh, "arrived": self.arrived(made.id) if made else (), "problem": problem}
        return render(self.services, self.request, "enrol.html", values, status=422 if problem else 200)

    def arrived(self, token_id: str) -> tuple[agent_view.ArrivalRow, ...]:
        """Who has come with that token."""
        keeper, scope = self.services.gatekeeper, self.who.scope
        places = agent_view.Places.of(self.services.live, scope)
        rows = {each.id: each for each in keeper.agents(scope)}
        words = language_of(self.request)
        return tuple(agent_view.arrival_row(each, rows, places, words) for each in keeper.arrivals(scope, token_id))


def _add_list(routes: APIRouter, services: Services) -> None:
    @routes.get("/agents")
    def agents(request: Request, who: Enroller) -> Response:
        return Desk(services, request, who).list()


def _add_words(routes: APIRouter, services: Services) -> None:
    """What a person says, by its address: `/agents/<what>/<id>`."""
    keeper: Gatekeeper = services.gatekeeper

    def say(path: str, word: Callable[[Principal, int], object]) -> None:
        @routes.post(path)
        def said(who: Enroller, which: RowId) -> Response:
            try:
                word(who, which)
            except NoSuchThing:
                raise HTTPException(404, "no such agent") from None
            return RedirectResponse("/agents", 303)

    say("/agents/arrivals/{which}/admit", keeper.let_in)
    say("/agents/arrivals/{which}/always", lambda who, which: keeper.let_in(who, which, always=True))
    say("/agents/arrivals/{which}/refuse", keeper.turn_away)
    say("/agents/twins/{which}/keep", keeper.split)
    say("/agents/{which}/revoke", keeper.revoke)

    @routes.post("/agents/{which}/replace")
    def replace(request: Request, who: Enroller, which: RowId) -> Response:
        """Shows the command for the computer that stands in."""
        try:
            made = keeper.replace(who, which, REPLACE_MS)
        except NoSuchThing:
            raise HTTPException(404, "no such agent") from None
        return Desk(services, request, who).form(made)

    @routes.post("/agents/tokens/{which}/end")
    def end(who: Enroller, which: str) -> Response:
        try:
            keeper.end_token(who, which)
        except NoSuchThing:
            raise HTTPException(404, "no such token") from None
        return RedirectResponse("/agents/enrol", 303)


def _add_enrolling(routes: APIRouter, services: Services) -> None:
    @routes.get("/agents/enrol")
    def form(request: Request, who: Enroller) -> Response:
        return Desk(services, request, who).form()

    @routes.post("/agents/enrol")
    def make(request: Request, who: Enroller, given: Form) -> Response:
        """The token is in this answer alone: it is kept as a digest."""
        desk = Desk(services, request, who)
        school, _, room = given.get("place", "").partition("/")
        uses, hours = _number(given.get("uses", "")), _number(given.get("hours", ""))
        if not 1 <= uses <= MOST_USES or hours not in HOURS:
            problem = language_of(request).t("A code is for 1 to {most} computers.", most=MOST_USES)
            return desk.form(problem=str(problem))
        if school not in {each.id for each in services.live.schools(who.scope)}:
            raise HTTPException(404, "no such school")
        try:
            made = services.gatekeeper.make_token(who, Place(school, room[:MAX_NAME]), uses, hours * HOUR_MS)
        except (NoSuchThing, ContractError):
            raise HTTPException(404, "no such room") from None
        return desk.form(made, uses=uses)

    @routes.get("/agents/tokens/{token_id}/arrived")
    def arrived(request: Request, who: Enroller, token_id: str) -> Response:
        if not services.gatekeeper.has_token(who.scope, token_id):
            raise HTTPException(404, "no such token")
        rows = Desk(services, request, who).arrived(token_id)
        return render(services, request, "enrol_arrived.html", {"arrived": rows, "token_id": token_id})

    @routes.get(PHONES + "{token}")
    def phone(request: Request, token: str) -> Response:
        """What a phone shows that has read the QR code: the line to type. Whoever has the code may read it."""
        if len(token) > _LONGEST_TOKEN or not token.replace("-", "").replace("_", "").replace(".", "").isalnum():
            raise HTTPException(404, "no such token")
        base = address_of_pages(services, request)
        commands = enrol_lines.commands(base, token, language_of(request))
        return render(services, request, "enrol_phone.html", {"commands": commands})


def address_of_pages(services: Services, request: Request) -> str:
    """As other computers are to reach them: by the setting, else as this browser did."""
    return (services.config.notices.public_url or str(request.base_url)).rstrip("/")


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 6 else 0
