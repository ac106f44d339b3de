"""The page of kits: take some out for a booking, bring them back with what is missing, mend, say what is in one."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, Response

from controller.api.ids import RowId
from controller.identity.policy import Permission, Principal, may
from controller.scheduling.kit_pools import LackState, Part
from controller.scheduling.kits import MOST_PARTS, Lack, NoSuchKit, WrongKit
from controller.services import Services
from controller.web.access import allowed
from controller.web.admin_form import Filled
from controller.web.frame import language_of, render
from controller.web.kit_view import LACK_ROWS, done_words, pool_views, wrong_words
from controller.web.planning import see
from controller.web.visit import Form

Handler = Annotated[Principal, Depends(allowed(Permission.BOOK))]
_NOTHING: Final[Mapping[str, str]] = {}
_PART = re.compile(r"(?:(\d{1,3})\s*[x×*]\s*)?(\S.*)")


def router(services: Services) -> APIRouter:
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    kits = services.kits

    @routes.get("/kits")
    def page(request: Request, who: Handler, done: str = "") -> Response:
        return Desk(services, request, who).page(done=done)

    @routes.post("/kits/{pool_id}/out")
    def out(request: Request, who: Handler, pool_id: RowId, given: Form) -> Response:
        desk = Desk(services, request, who, given, f"out-{pool_id}")
        count = desk.filled.whole("kits")
        return desk.do("out", lambda: kits.hand_out(who, pool_id, desk.filled.text("booking"), count))

    @routes.post("/kits/back/{handout_id}")
    def back(request: Request, who: Handler, handout_id: RowId, given: Form) -> Response:
        desk = Desk(services, request, who, given, f"back-{handout_id}")
        lacks = _lacks(desk.filled)
        return desk.do("back", lambda: kits.give_back(who, handout_id, lacks))

    @routes.post("/kits/lacks/{lack_id}/mend")
    def mend(request: Request, who: Handler, lack_id: RowId) -> Response:
        return Desk(services, request, who).do("mended", lambda: kits.mend(who, lack_id))

    @routes.post("/kits/{pool_id}/parts")
    def parts(request: Request, who: Handler, pool_id: RowId, given: Form) -> Response:
        desk = Desk(services, request, who, given, f"parts-{pool_id}")
        return desk.do("parts", lambda: kits.write_parts(who, pool_id, _parts(desk.filled.text("parts"))))

    return routes


class Desk:
    """Somebody handles kits. `form` is the one that was sent in, where a problem is told."""

    def __init__(
        self, services: Services, request: Request, who: Principal, given: Mapping[str, str] = _NOTHING, form: str = ""
    ) -> None:
        self._services = services
        self._request = request
        self._who = who
        self._form = form
        self._words = language_of(request)
        self.filled = Filled(given, self._words)

    def page(self, problems: Mapping[str, str] = _NOTHING, done: str = "") -> HTMLResponse:
        office = self._services.office
        schools = {each.id: each.name for each in self._services.live.schools(self._who.scope)}
        values = {
            "pools": pool_views(self._services.kits.pools(self._who), schools, office, self._words),
            "manages": may(self._who, Permission.MANAGE_BOOKINGS),
            "rows": range(LACK_ROWS),
            "given": self.filled.given,
            "form": self._form,
            "problems": problems,
            "done": done_words(done, self._words),
        }
        return render(self._services, self._request, "kits.html", values, status=422 if problems else 200)

    def do(self, done: str, work: Callable[[], object]) -> Response:
        """See the page again, with what was done or what is to be mended."""
        if self.filled.problems:
            return self.page(self.filled.problems)
        try:
            work()
        except NoSuchKit:
            raise HTTPException(404, "no such kit") from None
        except WrongKit as wrong:
            return self.page({wrong.field: wrong_words(wrong, self._words)})
        return see(f"/kits?done={done}")


def _lacks(filled: Filled) -> list[Lack]:
    """The rows of the form in which a number stands."""
    found = []
    for at in range(LACK_ROWS):
        kits = filled.maybe(f"kits-{at}")
        if kits:
            state = LackState.BROKEN if filled.text(f"state-{at}") == LackState.BROKEN else LackState.MISSING
            found.append(Lack(filled.text(f"part-{at}"), state, kits))
    return found


def _parts(text: str) -> list[Part]:
    """A part a line, `4 x wheel`; without a number it is one."""
    lines = (_PART.fullmatch(line.strip()) for line in text.splitlines()[: MOST_PARTS + 1])
    return [Part(found[2].strip(), int(found[1] or 1)) for found in lines if found]
