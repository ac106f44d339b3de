"""What the sign-in form, the sign-out button and the language switch post to. The pages themselves are elsewhere."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from controller.identity.policy import home
from controller.identity.refusals import Kind
from controller.identity.signin import Refused, SignedIn, Source, TooManyTries
from controller.services import Services
from controller.web.access import GUEST_COOKIE, SESSION_COOKIE
from controller.web.i18n import LANGUAGES
from controller.web.reader import LANGUAGE_COOKIE
from controller.web.security import is_secure
from controller.web.signin_view import LEFT

_YEAR_S = 365 * 86_400


def router(services: Services) -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.post("/signin")
    def sign_in(
        request: Request,
        login: Annotated[str, Form(max_length=200)] = "",
        password: Annotated[str, Form(max_length=1000)] = "",
        shared: Annotated[str, Form(max_length=10)] = "",
        next: Annotated[str, Form(max_length=2000)] = "",  # noqa: A002 - the form's field
    ) -> Response:
        """`error=wrong` or `error=wait&minutes=N` go back to the form."""
        there = whither(services, request, next)
        try:
            entered = services.signin.enter(login, password, shared_machine=bool(shared), source=source(request))
        except TooManyTries as error:
            return _back(there, error="wait", minutes=str(-(-error.wait_ms // 60_000)))
        except Refused:
            return _back(there, error="wrong")
        if request.state.user is not None:  # somebody else sat here before
            services.signin.leave(request.cookies[SESSION_COOKIE], request.state.user, address(request))
        return entering(request, entered, there)

    @routes.post("/signout")
    def sign_out(request: Request) -> Response:
        token, provider = request.cookies.get(SESSION_COOKIE), ""
        if token and request.state.user is not None:
            provider = services.signin.leave(token, request.state.user, address(request))
        response = RedirectResponse(f"/signin?done={LEFT}{provider}" if provider else "/signin", 303)
        response.delete_cookie(SESSION_COOKIE, secure=is_secure(request), httponly=True, samesite="lax")
        return response

    @routes.post("/language")
    def choose_language(
        request: Request,
        lang: Annotated[str, Form(max_length=5)],
        next: Annotated[str, Form(max_length=2000)] = "",  # noqa: A002 - the form's field
    ) -> Response:
        chosen = lang if lang in LANGUAGES else LANGUAGES[0]
        response = RedirectResponse(whither(services, request, next) or "/", 303)
        secure = is_secure(request)
        response.set_cookie(LANGUAGE_COOKIE, chosen, max_age=_YEAR_S, secure=secure, httponly=True, samesite="lax")
        if request.state.user is not None:
            services.signin.set_language(request.state.user, chosen)
        return response

    return routes


def entering(request: Request, entered: SignedIn, there: str) -> Response:
    """Take a browser that was let in to where it wanted to go."""
    secure = is_secure(request)
    response = RedirectResponse(there or home(entered.principal), 303)
    response.set_cookie(
        SESSION_COOKIE, entered.token, max_age=entered.max_age_s, secure=secure, httponly=True, samesite="lax"
    )
    response.delete_cookie(GUEST_COOKIE, secure=secure, httponly=True, samesite="strict")
    return response


def source(request: Request) -> Source:
    """Where a request comes from, as a session remembers it."""
    return Source(address(request), request.headers.get("user-agent", ""))


def address(request: Request) -> str:
    """Where a request came from."""
    return request.client.host if request.client else ""


def whither(services: Services, request: Request, target: str) -> str:
    """As `local`; who is led elsewhere follows a link that somebody forged, and that is audited."""
    there = local(target)
    if target and not there:
        who = request.state.user
        services.refusals.tell(
            Kind.REDIRECT,
            address(request),
            actor=who.id if who else "",
            school_id=who.school_id if who else None,
            detail=f"{request.url.path}: {ascii(target)[1:-1]}",
        )
    return there


def local(target: str) -> str:
    """`target` if it is a path of ours that a browser cannot take for another site, else empty."""
    safe = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if safe and "\\" not in target else ""


def failed(code: str, there: str) -> Response:
    """Back to the form, which says why nobody came in."""
    return _back(local(there), error=code)


def _back(there: str, **words: str) -> Response:
    return RedirectResponse("/signin?" + urlencode(words | ({"next": there} if there else {})), 303)
