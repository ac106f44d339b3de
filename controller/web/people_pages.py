"""Where administrators look after people: the list, a new person, and one person with all that is theirs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse, Response

from controller.identity.oidc_provider import titles
from controller.identity.people import RESET_MS, Details, Fault, NoSuchPerson, PersonView, WrongPerson
from controller.identity.policy import Permission, Principal, Role
from controller.identity.tokens import NoSuchToken, WrongToken
from controller.services import Services
from controller.web import people_view
from controller.web.access import RESETS, seated_with
from controller.web.admin_form import Field
from controller.web.formats import date_time
from controller.web.frame import language_of, render
from controller.web.i18n import Language
from controller.web.people_words import wrong_person, wrong_token
from controller.web.planning import see
from controller.web.qr import qr_svg
from controller.web.token_form import FIELDS, wish_of
from controller.web.visit import Form

_NOTHING: Final[Mapping[str, str]] = {}
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})
Keeper = Annotated[Principal, Depends(seated_with(Permission.MANAGE_USERS))]
PersonId = Annotated[str, InPath(max_length=32)]


class Deed(StrEnum):
    """A button of a person's page."""

    UNLOCK = "unlock"
    DISABLE = "disable"
    ENABLE = "enable"
    END_SESSIONS = "end-sessions"
    UNLINK = "unlink"
    JOIN = "join"


@dataclass(frozen=True, slots=True)
class Keeping:
    """An administrator looks after people."""

    services: Services
    request: Request
    who: Principal

    @property
    def words(self) -> Language:
        return language_of(self.request)

    def person(self, user_id: str) -> PersonView:
        try:
            return self.services.people.person(self.who, user_id)
        except NoSuchPerson:
            raise HTTPException(404, "no such person") from None

    def fields(self, values: Mapping[str, str], problems: Mapping[str, str]) -> list[Field]:
        schools = self.services.live.schools(self.who.scope)
        return list(people_view.detail_fields(values, problems, self.who, schools, self.words))

    def schools(self) -> Mapping[str, str]:
        return {each.id: each.name for each in self.services.live.schools(self.who.scope)}

    def render(self, template: str, *, status: int = 200, **values: object) -> HTMLResponse:
        tabs = people_view.tabs(self.who, self.request.url.path, self.words)
        return render(self.services, self.request, template, {"tabs": tabs, **values}, status=status)


def router(services: Services) -> APIRouter:
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    _add_list(routes, services)
    _add_new(routes, services)
    _add_person(routes, services)
    _add_deeds(routes, services)
    return routes


def _add_list(routes: APIRouter, services: Services) -> None:
    @routes.get("/people")
    def people(request: Request, who: Keeper, q: Annotated[str, Query(max_length=100)] = "") -> Response:
        at = Keeping(services, request, who)
        schools = at.schools()
        found = [people_view.entry(each, schools, at.words) for each in services.people.lines(who, q)]
        return at.render("people.html", people=found, search=q)


def _add_new(routes: APIRouter, services: Services) -> None:
    def page(at: Keeping, given: Mapping[str, str], problems: Mapping[str, str]) -> Response:
        words = at.words
        hint = words.t("What the person types to sign in. It cannot be changed later.")
        problem = problems.get("login", "")
        login = Field("login", words.t("User name"), given.get("login", ""), hint=hint, problem=problem, required=True)
        fields = [login, *at.fields(given, problems)]
        return at.render("person_new.html", status=422 if problems else 200, fields=fields, problems=problems)

    @routes.get("/people/new")
    def new(request: Request, who: Keeper) -> Response:
        return page(Keeping(services, request, who), {"role": Role.TEACHER.value}, _NOTHING)

    @routes.post("/people/new")
    def add(request: Request, who: Keeper, given: Form) -> Response:
        """Then the link is shown with which the new person chooses a password."""
        at = Keeping(services, request, who)
        try:
            user_id = services.people.add(who, given.get("login", ""), _details(given))
        except WrongPerson as wrong:
            return page(at, given, {wrong.field: wrong_person(wrong, at.words)})
        return _link(at, user_id)


def _add_person(routes: APIRouter, services: Services) -> None:
    @routes.get("/people/{user_id}")
    def person(request: Request, who: Keeper, user_id: PersonId, saved: str = "") -> Response:
        return _page(Keeping(services, request, who), user_id, saved=bool(saved))

    @routes.post("/people/{user_id}")
    def change(request: Request, who: Keeper, user_id: PersonId, given: Form) -> Response:
        at = Keeping(services, request, who)
        return _done(at, user_id, lambda: services.people.change(who, user_id, _details(given)), given)

    @routes.post("/people/{user_id}/reset")
    def reset(request: Request, who: Keeper, user_id: PersonId) -> Response:
        return _link(Keeping(services, request, who), user_id)

    @routes.post("/people/{user_id}/tokens")
    def make_token(request: Request, who: Keeper, user_id: PersonId, given: Form) -> Response:
        at = Keeping(services, request, who)
        try:
            token = services.tokens.make(who, user_id, wish_of(given))
        except NoSuchToken:
            raise HTTPException(404, "no such person") from None
        except WrongToken as wrong:
            problems = {FIELDS[wrong.fault]: wrong_token(wrong.fault, at.words)}
            return _page(at, user_id, token_problems=problems, token_given=given)
        return at.render("token_made.html", token=token, name=given.get("token-name", ""), back=f"/people/{user_id}")


def _add_deeds(routes: APIRouter, services: Services) -> None:
    @routes.post("/people/{user_id}/{deed}")
    def act(request: Request, who: Keeper, user_id: PersonId, deed: Deed, given: Form) -> Response:
        at, people = Keeping(services, request, who), services.people
        issuer, subject, login = (given.get(name, "") for name in ("issuer", "subject", "login"))
        acts: Mapping[Deed, Callable[[], object]] = {
            Deed.UNLOCK: lambda: people.unlock(who, user_id),
            Deed.DISABLE: lambda: people.disable(who, user_id, disabled=True),
            Deed.ENABLE: lambda: people.disable(who, user_id, disabled=False),
            Deed.END_SESSIONS: lambda: people.end_sessions(who, user_id),
            Deed.UNLINK: lambda: people.unlink(who, user_id, issuer, subject),
            Deed.JOIN: lambda: people.join(who, user_id, login),
        }
        return _done(at, user_id, acts[deed], _NOTHING)


def _done(at: Keeping, user_id: str, act: Callable[[], object], given: Mapping[str, str]) -> Response:
    """Do it and show the person again, or say beside the field why it cannot be."""
    try:
        act()
    except NoSuchPerson:
        raise HTTPException(404, "no such person") from None
    except WrongPerson as wrong:
        return _page(at, user_id, given=given, problems={wrong.field: wrong_person(wrong, at.words)})
    return see(f"/people/{user_id}?saved=yes")


def _page(
    at: Keeping,
    user_id: str,
    *,
    given: Mapping[str, str] = _NOTHING,
    problems: Mapping[str, str] = _NOTHING,
    token_given: Mapping[str, str] = _NOTHING,
    token_problems: Mapping[str, str] = _NOTHING,
    saved: bool = False,
) -> HTMLResponse:
    view, words, now_ms = at.person(user_id), at.words, at.services.now_ms()
    owner = Principal(view.line.id, view.line.login, view.line.name, view.line.role, view.line.school_id)
    token_fields, boxes = people_view.token_fields(owner, token_given, token_problems, words)
    return at.render(
        "person.html",
        status=422 if problems or token_problems else 200,
        person=people_view.entry(view.line, at.schools(), words),
        deeds=people_view.deeds(view, at.who),
        has_password=view.has_password,
        fields=at.fields(given or people_view.detail_values(view.line), problems),
        sessions=people_view.session_entries(view.sessions, words, now_ms),
        tokens=[people_view.token_entry(each, words, now_ms) for each in view.tokens],
        links=people_view.link_entries(view.links, titles(at.services.oidc.providers)),
        token_fields=token_fields,
        boxes=boxes,
        problems=problems,
        token_problems=token_problems,
        saved=saved,
    )


def _link(at: Keeping, user_id: str) -> Response:
    """Make a link with which somebody chooses a password, and show it, once."""
    view = at.person(user_id)
    secret = at.services.people.reset(at.who, user_id)
    address = f"{str(at.request.base_url).rstrip('/')}{RESETS}{secret}"
    now_ms = at.services.now_ms()
    page = people_view.ResetPage(
        name=view.line.name,
        address=address,
        until=date_time(now_ms + RESET_MS, now_ms, at.words),
        qr=qr_svg(address),
        back=f"/people/{user_id}",
        only_here=at.request.url.hostname in _LOCAL,
    )
    return at.render("person_link.html", view=page)


def _details(given: Mapping[str, str]) -> Details:
    """Raises WrongPerson."""
    if given.get("role", "") not in {role.value for role in Role}:
        raise WrongPerson(Fault.ROLE, "role")
    school = given.get("school", "")
    if not school:
        raise WrongPerson(Fault.SCHOOL, "school")
    return Details(given.get("name", ""), Role(given["role"]), None if school == people_view.CLUSTER else school)
