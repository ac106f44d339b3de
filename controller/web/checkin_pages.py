"""The page behind a machine's label: check in, stand by, give back, tell of a trouble. It works without scripts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from controller.identity.policy import Permission, Principal, may
from controller.jobs.states import JobState
from controller.scheduling.attendance import MOST_TEXT, Free, Sight
from controller.scheduling.booking_errors import BookingError, NoSuchBooking
from controller.scheduling.policy import is_unwell
from controller.scheduling.sight import Moment
from controller.scope import CLUSTER
from controller.services import Services
from controller.web.access import allowed
from controller.web.checkin_view import Reading, checkin_page, why
from controller.web.frame import language_of, render
from controller.web.visit import Form

Booker = Annotated[Principal, Depends(allowed(Permission.BOOK))]


def router(services: Services) -> APIRouter:
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    attendance = services.attendance

    @routes.get("/c/{code}")
    def look(request: Request, who: Booker, code: str, *, told: bool = False) -> Response:
        return Reader(services, request, who, code).page(told=told)

    @routes.post("/c/{code}")
    def check_in(request: Request, who: Booker, code: str, given: Form) -> Response:
        substitute = given.get("substitute") == "yes"
        return Reader(services, request, who, code).does(lambda: attendance.check_in(who, code, substitute=substitute))

    @routes.post("/c/{code}/back")
    def give_back(request: Request, who: Booker, code: str) -> Response:
        return Reader(services, request, who, code).does(lambda: attendance.give_back(who, code))

    @routes.post("/c/{code}/beside")
    def stand_by(request: Request, who: Booker, code: str) -> Response:
        return Reader(services, request, who, code).does(lambda: attendance.stand_by(who, code))

    @routes.get("/c/{code}/problem")
    def describe(request: Request, who: Booker, code: str) -> Response:
        reader = Reader(services, request, who, code)
        return render(services, request, "checkin_problem.html", {"thing": reader.sight().thing, "most": MOST_TEXT})

    @routes.post("/c/{code}/problem")
    def report(request: Request, who: Booker, code: str, given: Form) -> Response:
        text = given.get("text", "").strip()
        if not text:
            return RedirectResponse(f"/c/{code}/problem", 303)
        reader = Reader(services, request, who, code)
        return reader.does(lambda: attendance.report(who, code, text), "?told=true")

    return routes


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody reads a machine's label. One that leads to nothing for them is answered with 404."""

    services: Services
    request: Request
    who: Principal
    code: str

    def sight(self) -> Sight:
        try:
            return self.services.attendance.sight(self.who, self.code)
        except NoSuchBooking:
            raise HTTPException(404, "no such label") from None

    def does(self, step: Callable[[], None], then: str = "") -> Response:
        """The page again after a step, or why it was not done."""
        try:
            step()
        except BookingError as error:
            return self.page(error)
        return RedirectResponse(f"/c/{self.code}{then}", 303)

    def page(self, error: BookingError | None = None, *, told: bool = False) -> Response:
        services, who, sight, words = self.services, self.who, self.sight(), language_of(self.request)
        status, text = why(error, sight.thing.name, words) if error else (200, "")
        day, url = services.office.today(), self.request.url
        reading = Reading(
            who=who,
            year=services.office.year(who.school_id or sight.thing.school_id, day),
            words=words,
            now_ms=services.now_ms(),
            address=f"{url.netloc}/c/{sight.thing.code}",
            jobs_href=self._jobs_href(sight),
            waiting=self._waiting(sight),
            error=text,
            told=told,
        )
        view = checkin_page(sight, self._instead(sight), reading)
        return render(services, self.request, "checkin.html", {"view": view}, status=status)

    def _instead(self, sight: Sight) -> Free | None:
        """The nearest that is free and well, for whom the machine itself is of no use now."""
        if sight.moment in (Moment.READY, Moment.LATE, Moment.YOURS, Moment.FREE):
            return None
        return next((each for each in sight.instead if self._is_well(each.thing.device_id)), None)

    def _is_well(self, device_id: int | None) -> bool:
        if device_id is None:
            return True
        try:
            return not is_unwell(self.services.live.device(CLUSTER, device_id).state)
        except KeyError:
            return True

    def _jobs_href(self, sight: Sight) -> str:
        """Where the machine's print jobs are, for whom that page is open."""
        thing = sight.thing
        is_open = thing.device_id is not None and self.who.scope.covers(thing.school_id)
        return f"/devices/{thing.device_id}" if is_open and may(self.who, Permission.HANDLE_JOBS) else ""

    def _waiting(self, sight: Sight) -> int:
        """How many print jobs of the machine wait for a release."""
        if not self._jobs_href(sight):
            return 0
        jobs = self.services.jobs.open_jobs(self.who.scope)
        return sum(job.device_id == sight.thing.device_id and job.state is JobState.WAITING for job in jobs)
