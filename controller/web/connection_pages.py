"""The page on which a school's technician or administrator connects programs of the school's own."""

from collections.abc import Callable, Mapping
from typing import Annotated, Final, TypeVar

from fastapi import APIRouter, Depends, HTTPException, Path, Request
from fastapi.responses import HTMLResponse, Response

from controller.home_assistant.errors import NotSwitchedOn, WrongLanguage
from controller.identity.policy import Permission, Principal
from controller.services import Services
from controller.web.access import allowed
from controller.web.connection_view import Told, connections_page, typed
from controller.web.connection_words import wrong_word
from controller.web.frame import language_of, render
from controller.web.planning import Planning, see
from controller.web.signin import address
from controller.web.visit import Form
from controller.webhooks.errors import NoSuchWebhook, TestedTooOften, WrongWebhook
from controller.webhooks.kinds import CHOICES

HERE: Final = "/connections"
_NOTHING: Final[Mapping[str, str]] = {}
_DONE: Final = frozenset({"on", "off", "revoked", "tested", "soon", "removed", "again"})
"""What the page is told of that was done just before."""

T = TypeVar("T")
RowId = Annotated[int, Path(le=2**31 - 1)]
Connector = Annotated[Principal, Depends(allowed(Permission.CONNECT))]


def router(services: Services) -> APIRouter:
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    _add_home_assistant(routes, services)
    _add_webhooks(routes, services)
    return routes


def _add_home_assistant(routes: APIRouter, services: Services) -> None:
    links = services.home_assistants

    @routes.get(HERE)
    def page(request: Request, who: Connector, school: str = "", done: str = "", hook: int = 0) -> Response:
        return Desk(services, request, who, school).page(done=done if done in _DONE else "", about=hook)

    @routes.post(HERE + "/home-assistant")
    def switch(request: Request, who: Connector, given: Form) -> Response:
        desk, on = Desk(services, request, who, given.get("school", "")), given.get("on") == "yes"
        try:
            links.switch(who, desk.school.id, on=on, language=given.get("language", "vi"), address=address(request))
        except WrongLanguage:
            raise HTTPException(422, "no such language") from None
        return desk.see("on" if on else "off")

    @routes.post(HERE + "/home-assistant/account")
    def make(request: Request, who: Connector, given: Form) -> Response:
        desk = Desk(services, request, who, given.get("school", ""))
        try:
            account = links.make_account(who, desk.school.id, address=address(request))
        except NotSwitchedOn:
            return desk.see("off")
        words = language_of(request)
        lines = (*typed(desk.told(), words), (words.t("Password"), account.password))
        return desk.secret(words.t("Account for Home Assistant"), lines)

    @routes.post(HERE + "/home-assistant/account/revoke")
    def revoke(request: Request, who: Connector, given: Form) -> Response:
        desk = Desk(services, request, who, given.get("school", ""))
        links.revoke_account(who, desk.school.id, address=address(request))
        return desk.see("revoked")


def _add_webhooks(routes: APIRouter, services: Services) -> None:
    hooks = services.webhooks

    @routes.post(HERE + "/webhooks")
    def add(request: Request, who: Connector, given: Form) -> Response:
        desk = Desk(services, request, who, given.get("school", ""))
        kinds = [kind for kind in CHOICES if f"kind-{kind}" in given]
        return desk.make(given, lambda: hooks.add(
            who, desk.school.id, given.get("url", ""), kinds, address=address(request)
        ).secret)  # fmt: skip

    @routes.post(HERE + "/webhooks/{hook_id}/renew")
    def renew(request: Request, who: Connector, hook_id: RowId, given: Form) -> Response:
        desk = Desk(services, request, who, given.get("school", ""))
        return desk.make(_NOTHING, lambda: hooks.renew(who, desk.school.id, hook_id, address=address(request)).secret)

    @routes.post(HERE + "/webhooks/{hook_id}/test")
    def test(request: Request, who: Connector, hook_id: RowId, given: Form) -> Response:
        """What came of it stands beside the webhook afterwards."""
        desk, done = Desk(services, request, who, given.get("school", "")), "tested"
        try:
            desk.do(lambda: hooks.test(who, desk.school.id, hook_id, address=address(request)))
        except TestedTooOften:
            done = "soon"
        return desk.see(done, f"&hook={hook_id}#hook-{hook_id}")

    @routes.post(HERE + "/webhooks/{hook_id}/remove")
    def remove(request: Request, who: Connector, hook_id: RowId, given: Form) -> Response:
        desk = Desk(services, request, who, given.get("school", ""))
        desk.do(lambda: hooks.remove(who, desk.school.id, hook_id, address=address(request)))
        return desk.see("removed")

    @routes.post(HERE + "/deliveries/{delivery_id}/retry")
    def retry(request: Request, who: Connector, delivery_id: RowId, given: Form) -> Response:
        desk = Desk(services, request, who, given.get("school", ""))
        desk.do(lambda: hooks.retry(who, desk.school.id, delivery_id, address=address(request)))
        return desk.see("again", "#sent")


class Desk:
    """Somebody connects programs of one school. Raises HTTPException 404 for one outside of their scope."""

    def __init__(self, services: Services, request: Request, who: Principal, school_id: str) -> None:
        self._services = services
        self._request = request
        self._who = who
        self._schools = services.live.schools(who.scope)
        self.school = Planning(services, request, who).school(school_id)

    def told(self, given: Mapping[str, str] = _NOTHING, wrong: Mapping[str, str] = _NOTHING) -> Told:
        services, school = self._services, self.school.id
        return Told(
            link=services.home_assistants.of(self._who, school),
            broker=services.plant.address(),
            host=self._request.url.hostname or "",
            hooks=services.webhooks.of(self._who, school),
            sent=services.webhooks.recent(self._who, school),
            given=given,
            wrong=wrong,
        )

    def page(
        self,
        given: Mapping[str, str] = _NOTHING,
        wrong: Mapping[str, str] = _NOTHING,
        *,
        done: str = "",
        about: int = 0,
    ) -> Response:
        view = connections_page(self.told(given, wrong), self._services.now_ms(), language_of(self._request))
        values = {
            "view": view,
            "problems": wrong,
            "done": done,
            "about": about,
            "school": self.school,
            "schools": self._schools,
        }
        return render(self._services, self._request, "connections.html", values, status=422 if wrong else 200)

    def make(self, given: Mapping[str, str], work: Callable[[], str]) -> Response:
        """Show the secret that `work` makes, or the page again with what is to be mended."""
        words = language_of(self._request)
        try:
            secret = self.do(work)
        except WrongWebhook as wrong:
            private = self._services.webhooks.private
            return self.page(given, {wrong.field: wrong_word(wrong, words, private=private)})
        return self.secret(words.t("Secret of the webhook"), ((words.t("Secret"), secret),))

    def secret(self, title: str, lines: tuple[tuple[str, str], ...]) -> Response:
        """What is shown only now."""
        values = {"title": title, "lines": lines, "school": self.school}
        return render(self._services, self._request, "connection_secret.html", values)

    def do(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except NoSuchWebhook:
            raise HTTPException(404, "no such webhook") from None

    def see(self, done: str, more: str = "") -> Response:
        return see(f"{HERE}?school={self.school.id}&done={done}{more}")
