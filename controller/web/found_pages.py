"""The page of devices that agents found: adopt them, ignore them, bring one along that has moved."""

from collections.abc import Callable, Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, Response

from controller.api.ids import RowId
from controller.found.desk import Adoption, NoSuchFind, WrongWord
from controller.found.states import FoundState
from controller.identity.policy import Permission, Principal
from controller.services import Services
from controller.web import typed
from controller.web.access import allowed
from controller.web.admin_form import Option
from controller.web.found_view import MOST_ROWS, Filled, fault_words, found_page
from controller.web.frame import language_of, render
from controller.web.planning import see

Enroller = Annotated[Principal, Depends(allowed(Permission.ENROL_AGENTS))]
PATH: Final = "/agents/found"
_FIELDS: Final = 5 * MOST_ROWS + 5
_NOTHING: Final[Mapping[str, str]] = {}


async def _sent(request: Request) -> Mapping[str, str]:
    """The fields of the whole list."""
    data = await request.form(max_files=0, max_fields=_FIELDS)
    return {name: value for name, value in data.items() if isinstance(value, str)}


Sent = Annotated[Mapping[str, str], Depends(_sent)]


def router(services: Services) -> APIRouter:
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    desk = services.found

    @routes.get(PATH)
    def page(request: Request, who: Enroller, done: int = 0) -> Response:
        return Desk(services, request, who).page(done=done)

    @routes.get(PATH + "/news")
    def news(request: Request, who: Enroller, seen: str = "") -> Response:
        """A note if there are other things than those that the page shows; nothing else."""
        values = {"changed": desk.mark(who) != seen, "seen": seen}
        return render(services, request, "found_news.html", values)

    @routes.post(PATH)
    def adopt(request: Request, who: Enroller, given: Sent) -> Response:
        return Desk(services, request, who, given).adopt()

    @routes.post(PATH + "/{thing_id}/ignore")
    def ignore(request: Request, who: Enroller, thing_id: RowId, given: Sent) -> Response:
        reason = given.get(f"reason-{thing_id}", "")
        return Desk(services, request, who, given).say(thing_id, lambda: desk.ignore(who, thing_id, reason))

    @routes.post(PATH + "/{thing_id}/restore")
    def restore(request: Request, who: Enroller, thing_id: RowId) -> Response:
        return Desk(services, request, who).say(thing_id, lambda: desk.restore(who, thing_id))

    @routes.post(PATH + "/{thing_id}/back")
    def back(request: Request, who: Enroller, thing_id: RowId) -> Response:
        """Its agent looks after it no more: it was adopted by mistake, or stands elsewhere now."""
        return Desk(services, request, who).say(thing_id, lambda: desk.give_back(who, thing_id))

    return routes


class Desk:
    """Somebody looks through what was found. `given` is a form that was sent in."""

    def __init__(
        self, services: Services, request: Request, who: Principal, given: Mapping[str, str] = _NOTHING
    ) -> None:
        self._services = services
        self._request = request
        self._who = who
        self._given = given
        self._words = language_of(request)

    def page(self, problems: Mapping[int, str] | None = None, done: int = 0) -> HTMLResponse:
        found, who = self._services.found, self._who
        finds = {state: found.finds(who, state) for state in FoundState}
        filled = Filled(self._given, problems or {})
        view = found_page(finds, self._rooms, filled, self._services.now_ms(), self._words)
        mark = found.mark(who)
        values = {"view": view, "mark": mark, "done": done}
        return render(self._services, self._request, "found.html", values, status=422 if problems else 200)

    def adopt(self) -> Response:
        """Every one that is ticked. What cannot be is told at its place; the others are adopted all the same."""
        ticked = [number for name in self._given if (number := typed.whole(name.removeprefix("d-"))) is not None]
        problems: dict[int, str] = {}
        done = 0
        for thing in ticked:
            try:
                self._services.found.adopt(self._who, thing, self._adoption(thing))
                done += 1
            except WrongWord as wrong:
                problems[thing] = fault_words(wrong.fault, self._words)
            except NoSuchFind:
                continue  # somebody else was faster, or it was pulled out for good
        return self.page(problems, done) if problems else see(f"{PATH}?done={done}")

    def say(self, thing: int, work: Callable[[], None]) -> Response:
        try:
            work()
        except NoSuchFind:
            raise HTTPException(404, "no such thing") from None
        except WrongWord as wrong:
            return self.page({thing: fault_words(wrong.fault, self._words)})
        return see(PATH)

    def _adoption(self, thing: int) -> Adoption:
        room = typed.whole(self._given.get(f"room-{thing}", ""))
        return Adoption(self._given.get(f"profile-{thing}", ""), self._given.get(f"name-{thing}", ""), room)

    def _rooms(self, school_id: str) -> list[Option]:
        rooms = self._services.found.rooms(self._who, school_id)
        return [
            Option("", str(self._words.t("The agent's room"))),
            *(Option(str(each.id), each.name) for each in rooms),
        ]
