"""One's own account: the password, where one is signed in, tokens; and the link with which a password is chosen."""

from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Request
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse, Response

from controller.identity import store
from controller.identity.account import LinkEnded
from controller.identity.oidc_provider import titles
from controller.identity.password import SHORTEST, WeakPassword
from controller.identity.policy import Principal
from controller.identity.signin import Refused, TooManyTries
from controller.services import Services
from controller.web import people_view
from controller.web.access import PROVIDERS, Seated
from controller.web.frame import language_of, render
from controller.web.people_words import weak
from controller.web.planning import see
from controller.web.signin import address
from controller.web.signin_view import ProviderButton, not_in
from controller.web.visit import Form

_NOTHING: Final[Mapping[str, str]] = {}
Secret = Annotated[str, InPath(max_length=100)]


def router(services: Services) -> APIRouter:
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    _add_account(routes, services)
    _add_reset(routes, services)
    return routes


def _add_account(routes: APIRouter, services: Services) -> None:
    @routes.get("/account")
    def account(request: Request, who: Seated, saved: str = "", error: str = "") -> Response:
        return account_page(services, request, who, saved=bool(saved), error=error)

    @routes.post("/account/password")
    def password(request: Request, who: Seated, given: Form) -> Response:
        problems = _change_password(services, request, who, given)
        if problems:
            return account_page(services, request, who, problems=problems)
        return see("/account?saved=yes")

    @routes.post("/account/sessions")
    def end(request: Request, who: Seated, given: Form) -> Response:
        """The session of that key; without one all others."""
        if given.get("session"):
            services.accounts.end_session(who, given["session"])
        else:
            services.accounts.end_other_sessions(who, request.state.secret)
        return see("/account")

    @routes.post("/account/unlink")
    def unlink(who: Seated, given: Form) -> Response:
        services.accounts.unlink(who, given.get("issuer", ""), given.get("subject", ""))
        return see("/account")


def _add_reset(routes: APIRouter, services: Services) -> None:
    def page(request: Request, secret: str, problems: Mapping[str, str], *, status: int = 200) -> Response:
        try:
            login = services.accounts.whose_reset(secret)
        except LinkEnded:
            return _ended(services, request)
        values = {"login": login, "secret": secret, "problems": problems, "shortest": SHORTEST}
        return render(services, request, "reset.html", values, status=status)

    @routes.get("/reset/{secret}")
    def choose(request: Request, secret: Secret) -> Response:
        return page(request, secret, _NOTHING)

    @routes.post("/reset/{secret}")
    def save(request: Request, secret: Secret, given: Form) -> Response:
        new, again = (given.get(name, "")[:1000] for name in ("new", "again"))
        problems = _unlike(new, again, request)
        if not problems:
            try:
                services.accounts.use_reset(secret, new, address=address(request))
            except LinkEnded:
                return _ended(services, request)
            except WeakPassword as error:
                problems = {"new": weak(error.fault, language_of(request))}
        if problems:
            return page(request, secret, problems, status=422)
        return see("/signin?done=password")


def account_page(
    services: Services,
    request: Request,
    who: Principal,
    *,
    problems: Mapping[str, str] = _NOTHING,
    token_given: Mapping[str, str] = _NOTHING,
    token_problems: Mapping[str, str] = _NOTHING,
    saved: bool = False,
    error: str = "",
) -> HTMLResponse:
    """All that is one's own. `problems` are those of the password."""
    words, now_ms, found = language_of(request), services.now_ms(), services.accounts.account(who)
    token_fields, boxes = people_view.token_fields(who, token_given, token_problems, words)
    values = {
        "account": found,
        "sessions": people_view.session_entries(found.sessions, words, now_ms, store.digest(request.state.secret)),
        "tokens": [people_view.token_entry(each, words, now_ms) for each in services.tokens.of(who)],
        "links": people_view.link_entries(found.links, titles(services.oidc.providers)),
        "token_fields": token_fields,
        "boxes": boxes,
        "problems": problems,
        "token_problems": token_problems,
        "saved": saved,
        "error": not_in(error, words),
        "providers": [
            ProviderButton(PROVIDERS + each.name, each.label)
            for each in services.oidc.providers
            if each.issuer not in {link.issuer for link in found.links}
        ],
        "shortest": SHORTEST,
    }
    return render(services, request, "account.html", values, status=422 if problems or token_problems else 200)


def _change_password(
    services: Services, request: Request, who: Principal, given: Mapping[str, str]
) -> Mapping[str, str]:
    """What is wrong, by field; nothing if it was changed."""
    words = language_of(request)
    old, new, again = (given.get(name, "")[:1000] for name in ("old", "new", "again"))
    if unlike := _unlike(new, again, request):
        return unlike
    try:
        services.accounts.change_password(who, old, new, address=address(request), session=request.state.secret)
    except TooManyTries as error:
        minutes = -(-error.wait_ms // 60_000)
        return {"old": words.tn("Try again in {n} minute.", "Try again in {n} minutes.", minutes)}
    except Refused:
        return {"old": words.t("This is not your password yet.")}
    except WeakPassword as error:
        return {"new": weak(error.fault, words)}
    return _NOTHING


def _unlike(new: str, again: str, request: Request) -> Mapping[str, str]:
    if new == again:
        return _NOTHING
    return {"again": language_of(request).t("The two are not the same.")}


def _ended(services: Services, request: Request) -> Response:
    return render(services, request, "reset_ended.html", {}, status=404)
