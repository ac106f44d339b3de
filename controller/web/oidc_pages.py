"""The way to a provider of sign-ins and back.

The way there is a plain link: the policy for forms lets none lead to another site, nor an answer to one.
"""

from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import quote, unquote

from fastapi import APIRouter, HTTPException, Request
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from controller.identity import store
from controller.identity.oidc import NotIn
from controller.services import Services
from controller.web import csrf
from controller.web.access import PROVIDERS, SESSION_COOKIE, Seated
from controller.web.planning import see
from controller.web.security import is_secure
from controller.web.signin import address, entering, failed, local, source, whither

COOKIE: Final = "fabfleet_oidc"
_LASTS_S: Final = 600
_LINK: Final = "link"
_SHARED: Final = "shared"
_OWN: Final = "own"


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the cookie holds. `purpose` says which way somebody goes, `there` where they want to be."""

    secret: str
    purpose: str
    there: str


Name = Annotated[str, InPath(max_length=32)]


def router(services: Services) -> APIRouter:
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    _add_way_there(routes, services)
    _add_way_back(routes, services)
    return routes


def _add_way_there(routes: APIRouter, services: Services) -> None:
    door = services.oidc

    def leave_for(request: Request, name: str, purpose: str, there: str) -> Response:
        """To the provider, with a cookie that is good for the way back alone."""
        secret = store.new_secret()
        try:
            response = RedirectResponse(door.question(name, _back(request, name), secret), 303)
        except NotIn as error:
            return failed(error.code, there)
        kept, secure = "|".join((secret, purpose, quote(there, safe=""))), is_secure(request)
        response.set_cookie(
            COOKIE, kept, max_age=_LASTS_S, path=PROVIDERS + name, secure=secure, httponly=True, samesite="lax"
        )
        return response

    @routes.get("/signin/with/{name}")
    def begin(request: Request, name: Name, shared: str = "", next: str = "") -> Response:  # noqa: A002
        return leave_for(request, name, _SHARED if shared else _OWN, whither(services, request, next))

    @routes.get("/signin/with/{name}/link")
    def link(request: Request, who: Seated, name: Name, token: str = "") -> Response:
        """`token` is the form token of the account page: nobody else's page links an account."""
        if not csrf.valid(token, request.state.secret):
            raise HTTPException(403, "load the page again")
        return leave_for(request, name, f"{_LINK}-{who.id}", "")

    @routes.get("/signin/with/{name}/leave")
    def farewell(request: Request, name: Name) -> Response:
        """Sign out at the provider too, on a machine that others use."""
        try:
            return RedirectResponse(door.farewell(name, f"{request.base_url!s}signin"), 303)
        except NotIn:
            return see("/signin")


def _add_way_back(routes: APIRouter, services: Services) -> None:
    door = services.oidc

    def enter(request: Request, name: str, kept: _Kept) -> Response:
        who, answer = request.state.user, dict(request.query_params)
        entered = door.enter(
            name,
            answer,
            redirect=_back(request, name),
            secret=kept.secret,
            source=source(request),
            shared=kept.purpose != _OWN,
        )
        if who is not None:  # somebody else sat here before
            services.signin.leave(request.cookies[SESSION_COOKIE], who, address(request))
        return entering(request, entered, local(kept.there))

    def link(request: Request, name: str, kept: _Kept) -> Response:
        who = request.state.user
        if who is None or kept.purpose != f"{_LINK}-{who.id}":  # somebody else sits here now
            return see("/signin")
        try:
            door.link(who, name, dict(request.query_params), redirect=_back(request, name), secret=kept.secret)
        except NotIn as error:
            return see(f"/account?error={error.code}")
        return see("/account?saved=yes")

    @routes.get("/signin/with/{name}/return")
    def come_back(request: Request, name: Name) -> Response:
        kept = _kept(request)
        try:
            response = (link if kept.purpose.startswith(_LINK) else enter)(request, name, kept)
        except NotIn as error:
            response = failed(error.code, kept.there)
        secure = is_secure(request)
        response.delete_cookie(COOKIE, path=PROVIDERS + name, secure=secure, httponly=True, samesite="lax")
        return response


def _kept(request: Request) -> _Kept:
    """What the browser kept; without a secret no answer is the right one."""
    parts = request.cookies.get(COOKIE, "").split("|")
    return _Kept(parts[0], parts[1], unquote(parts[2])) if len(parts) == 3 else _Kept(store.new_secret(), "", "")


def _back(request: Request, name: str) -> str:
    """Where the provider sends people back to: what is registered there."""
    return f"{str(request.base_url).rstrip('/')}{PROVIDERS}{name}/return"
