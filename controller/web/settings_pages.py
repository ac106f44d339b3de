"""The pages of settings: what is wanted of agents at a place, what they inherit, how they stand, and its history."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from contract.model import ContractError, Kind, Value
from contract.settings import SETTINGS
from controller.api.ids import RowId
from controller.desired.desk import NoSuchPlace, NotYours, WrongWish
from controller.desired.inheritance import WHOLE_CLUSTER, Level, Place, place_of
from controller.identity.audit_search import names
from controller.identity.policy import Permission, Principal
from controller.services import Services
from controller.web.access import allowed
from controller.web.frame import language_of, render
from controller.web.settings_view import Filled, Reader, settings_page
from controller.web.settings_words import wrong_words
from controller.web.visit import Form

Configurer = Annotated[Principal, Depends(allowed(Permission.CONFIGURE))]
_LONGEST: Final = 300


def router(services: Services) -> APIRouter:
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    desk = services.configs

    @routes.get("/agents/settings")
    def start(who: Configurer) -> Response:
        """At the farthest place that the visitor may change."""
        place = WHOLE_CLUSTER if who.school_id is None else Place(Level.SCHOOL, who.school_id)
        return RedirectResponse(f"/agents/settings/{place}", 303)

    @routes.get("/agents/settings/{scope}")
    def page(request: Request, who: Configurer, scope: str, *, saved: int = -1) -> Response:
        return _page(services, request, who, scope, saved=saved)

    @routes.post("/agents/settings/{scope}")
    def write(request: Request, who: Configurer, scope: str, given: Form) -> Response:
        settings, wrong = _read(given)
        if not wrong:
            return _done(_place(scope), lambda: desk.write(who, _place(scope), settings))
        words = language_of(request)
        filled = Filled(given, {key: wrong_words(key, words) for key in wrong})
        return _page(services, request, who, scope, filled)

    @routes.post("/agents/settings/changes/{change_id}/restore")
    def restore(who: Configurer, change_id: RowId, given: Form) -> Response:
        back = _place(given.get("place", str(WHOLE_CLUSTER)))
        return _done(back, lambda: desk.set_back(who, change_id))

    return routes


def _page(
    services: Services, request: Request, who: Principal, scope: str, filled: Filled | None = None, *, saved: int = -1
) -> Response:
    place = _place(scope)
    try:
        view = services.configs.view(who, place)
    except NoSuchPlace:
        raise HTTPException(404, "no such place") from None
    reader = Reader(
        live=services.live,
        scope=who.scope,
        stands=services.configs.stands(who.scope),
        people=names(services.engine, {each.by_id for each in view.history}),
        now_ms=services.now_ms(),
        words=language_of(request),
    )
    writes = place != WHOLE_CLUSTER or who.scope.school_id is None
    page = settings_page(view, reader, writes=writes, filled=filled)
    values = {"view": page, "saved": saved, "problems": filled.problems if filled else {}}
    return render(services, request, "settings.html", values, status=422 if filled else 200)


def _done(place: Place, work: Callable[[], int]) -> Response:
    """See the place again. What cannot be set back to any more is no longer there."""
    try:
        changed = work()
    except (NoSuchPlace, WrongWish):
        raise HTTPException(404, "no such place") from None
    except NotYours:
        raise HTTPException(403, "the settings of the whole cluster") from None
    return RedirectResponse(f"/agents/settings/{place}?saved={changed}", 303)


def _place(text: str) -> Place:
    try:
        return place_of(text)
    except ContractError:
        raise HTTPException(404, "no such place") from None


def _read(given: Mapping[str, str]) -> tuple[Mapping[str, Value], Sequence[str]]:
    """The settings of a form, and the keys of what cannot be. An empty field is inherited."""
    settings: dict[str, Value] = {}
    wrong: list[str] = []
    for key, setting in SETTINGS.items():
        text = given.get(key, "").strip()[:_LONGEST]
        if not text:
            continue
        try:
            settings[key] = _value(setting.kind, text)
            setting.check(settings[key])
        except ValueError:
            wrong.append(key)
    return settings, wrong


def _value(kind: Kind, text: str) -> Value:
    """Raises ValueError."""
    if kind is Kind.TEXT:
        return text
    return float(text.replace(",", ".")) if kind is Kind.FLOAT else int(text)
