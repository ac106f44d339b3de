"""Personal data: what is kept of the reader, as a page and as a file; and for administrators that of others."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, Response
from sqlmodel import Session

from controller.identity import store
from controller.identity.policy import Permission, Principal, may
from controller.identity.tables import User
from controller.privacy.dossier import counts, dossier
from controller.privacy.erasure import NoSuchPerson
from controller.services import Services
from controller.web.access import Seated, seated_with
from controller.web.frame import language_of, render
from controller.web.people_view import tabs
from controller.web.planning import see
from controller.web.privacy_view import kept_lines, person_rows
from controller.web.signin import address
from controller.web.visit import Form

Keeper = Annotated[Principal, Depends(seated_with(Permission.MANAGE_USERS))]


def router(services: Services) -> APIRouter:
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    _add_own(routes, services)
    _add_others(routes, services)
    return routes


def _add_own(routes: APIRouter, services: Services) -> None:
    @routes.get("/privacy")
    def mine(request: Request, who: Seated) -> Response:
        kept = kept_lines(counts(services.engine, who.id), language_of(request))
        return render(services, request, "privacy.html", {"kept": kept, "keeper": may(who, Permission.MANAGE_USERS)})

    @routes.get("/privacy/export")
    def export(request: Request, who: Seated) -> Response:
        return _file(services, request, who, who.id, who.school_id)


def _add_others(routes: APIRouter, services: Services) -> None:
    @routes.get("/privacy/people")
    def people(request: Request, who: Keeper, erased: str = "") -> Response:
        with Session(services.engine) as db:
            found = store.users(db, who.scope)
        words = language_of(request)
        rows = person_rows(found, services.live.schools(who.scope), words)
        values = {"people": rows, "erased": bool(erased), "tabs": tabs(who, request.url.path, words)}
        return render(services, request, "privacy_people.html", values)

    @routes.get("/privacy/people/{person_id}/export")
    def export_of(request: Request, who: Keeper, person_id: str) -> Response:
        person = _person(services, who, person_id)
        return _file(services, request, who, person.id, person.school_id)

    @routes.get("/privacy/people/{person_id}")
    def ask(request: Request, who: Keeper, person_id: str) -> Response:
        return _ask(services, request, _person(services, who, person_id), mine=person_id == who.id)

    @routes.post("/privacy/people/{person_id}/erase")
    def erase(request: Request, who: Keeper, person_id: str, given: Form) -> Response:
        person, mine = _person(services, who, person_id), person_id == who.id
        if mine or store.clean_login(given.get("login", "")) != person.login:
            return _ask(services, request, person, mine=mine, wrong=True)
        try:
            services.eraser.erase(person_id, by=who.id, address=address(request))
        except NoSuchPerson:
            raise HTTPException(404, "no such person") from None
        services.clockwork.wake()
        return see("/privacy/people?erased=yes")


def _ask(services: Services, request: Request, person: User, *, mine: bool, wrong: bool = False) -> Response:
    """Tell what erasing means, and have the login typed."""
    kept = kept_lines(counts(services.engine, person.id), language_of(request))
    values = {"person": person, "kept": kept, "mine": mine, "wrong": wrong}
    return render(services, request, "privacy_erase.html", values, status=422 if wrong else 200)


def _person(services: Services, who: Principal, person_id: str) -> User:
    """Somebody within the asker's scope, else 404."""
    with Session(services.engine) as db:
        found = store.user(db, person_id)
        if found is None or found.erased_ms is not None or not who.scope.covers(found.school_id):
            raise HTTPException(404, "no such person")
        db.expunge(found)
        return found


def _file(services: Services, request: Request, who: Principal, person_id: str, school_id: str | None) -> Response:
    now_ms = services.now_ms()
    with Session(services.engine) as db:
        store.audit(
            db, now_ms, "user-export", actor=who.id, subject=person_id, school_id=school_id, address=address(request)
        )
        db.commit()
    headers = {"Content-Disposition": f'attachment; filename="fabfleet-person-{person_id}.json"'}
    return Response(dossier(services.engine, person_id, now_ms), media_type="application/json", headers=headers)
