"""Who is asking. Every request passes here: without a session or a token only the routes in `PUBLIC` answer."""

import json
from collections.abc import Callable
from functools import partial
from typing import Annotated, Final
from urllib.parse import parse_qsl, quote

from anyio import to_thread
from fastapi import Depends, HTTPException, Request
from starlette.datastructures import Headers
from starlette.requests import Request as AnyRequest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.api.uploads import BadForm, FormReader
from controller.identity import store
from controller.identity.policy import Permission, Principal, may
from controller.identity.refusals import Kind, Refusals
from controller.identity.signin import SignIn
from controller.web import csrf
from controller.web.reader import preferred
from controller.web.refusal import Why, is_api, refuse
from controller.web.security import SHEETS, is_secure

SESSION_COOKIE: Final = "fabfleet_session"
GUEST_COOKIE: Final = "fabfleet_guest"
"""Carries the secret of the sign-in form's token before there is a session."""

DOORS: Final = frozenset({"/api/v1/enrol", "/api/v1/enrol/reclaim"})
PUBLIC: Final = frozenset(
    {"/signin", "/language", "/healthz", "/readyz", "/metrics", "/openapi.json", "/favicon.ico", *DOORS}
)
"""Paths that answer without a session or token. `/metrics` asks for itself, `DOORS` take a token or a key."""
RENEWALS: Final = "/api/v1/renewals/"
_FOR_AGENTS: Final = ("/api/v1/files/", RENEWALS)
"""Ask for an agent's own proof."""
_WITHOUT_COOKIES: Final = DOORS
"""Unsafe requests that take no account of cookies, and so need no form token."""
_PUBLIC_FOLDER: Final = "/static/"
FEEDS: Final = "/feeds/"
"""Calendars. Who knows the address may read it."""
PHONES: Final = "/e/"
"""Shows the token that is in the address, and nothing else."""
OPEN_BOARDS: Final = "/board/open/"
"""Boards at the doors of labs, likewise."""
RESETS: Final = "/reset/"
"""Links to choose a password, likewise."""
PROVIDERS: Final = "/signin/with/"
"""Sign-in by somebody else's word."""
_PUBLIC_STARTS: Final = (_PUBLIC_FOLDER, *_FOR_AGENTS, FEEDS, OPEN_BOARDS, PHONES, RESETS, PROVIDERS)
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_MOST_FIELDS: Final = 1_000
"""Of a form in which its token is looked for; no page of ours sends half as many."""


def is_public(path: str) -> bool:
    return path in PUBLIC or path.startswith(_PUBLIC_STARTS)


def _without_cookies(path: str) -> bool:
    return path in _WITHOUT_COOKIES or path.startswith(RENEWALS)


class Access:
    """Finds out who asks and refuses forged forms.

    Sets `request.state`: `user` (Principal or None), `bearer` (whether by token), `secret` (of the cookie), `csrf`
    (a token for this page's forms), `lang`.
    """

    def __init__(self, app: ASGIApp, signin: SignIn, refusals: Refusals) -> None:
        self._app = app
        self._signin = signin
        self._refusals = refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_PUBLIC_FOLDER):
            await self._app(scope, receive, send)
            return
        request = AnyRequest(scope)
        path = scope["path"]
        state = request.state
        state.user, state.bearer, token = None, False, bearer(request.headers)
        if token is not None:
            state.user = await to_thread.run_sync(self._signin.by_bearer, token)
            state.bearer = state.user is not None
            if state.user is None and not is_public(path):
                await self._tell(Kind.TOKEN, request)
                await _unauthorised(send)
                return
            if state.user is not None and state.user.read_only and not self._for_reading(scope):
                await refuse(scope, send, Why.READING_ONLY)
                return
        cookie = request.cookies.get(SESSION_COOKIE, "") if token is None else ""
        if cookie:
            slide = path != "/api/v1/stream"  # an open page is not a person
            state.user = await to_thread.run_sync(lambda: self._signin.by_session(cookie, slide=slide))
        state.secret, fresh_guest = self._secret(request, cookie if state.user else "")
        state.csrf = csrf.issue(state.secret)
        state.lang = preferred(request, state.user)
        if state.user is None and is_api(path) and not is_public(path):
            await _unauthorised(send)
            return
        if scope["method"] not in _SAFE and not state.bearer and not _without_cookies(path):
            receive, right = await _form_is_ours(request, receive)
            if not right:
                await self._tell(Kind.FORM, request)
                await refuse(scope, send, Why.FORM)
                return
        if state.user is None and not is_public(path):
            await _to_signin(request, send)
            return
        await self._app(
            scope, receive, _with_guest(send, fresh_guest, secure=is_secure(request)) if fresh_guest else send
        )

    @staticmethod
    def _for_reading(scope: Scope) -> bool:
        """Where no account of tokens is taken, they change nothing either."""
        return scope["method"] in _SAFE or _without_cookies(scope["path"])

    async def _tell(self, kind: Kind, request: AnyRequest) -> None:
        who: Principal | None = request.state.user
        await to_thread.run_sync(
            partial(
                self._refusals.tell,
                kind,
                request.client.host if request.client else "",
                actor=who.id if who else "",
                school_id=who.school_id if who else None,
                detail=f"{request.method} {ascii(request.url.path)[1:-1]}",
            )
        )

    def _secret(self, request: AnyRequest, session: str) -> tuple[str, str]:
        """The secret of the form's token, and the guest cookie to set for it if there was none."""
        if session:
            return session, ""
        guest = request.cookies.get(GUEST_COOKIE, "")
        if len(guest) >= 32:
            return guest, ""
        fresh = store.new_secret()
        return fresh, fresh if request.url.path == "/signin" or request.url.path.startswith(RESETS) else ""


def bearer(headers: Headers) -> str | None:
    """The bearer token of a request; None if it carries none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


async def _form_is_ours(request: AnyRequest, receive: Receive) -> tuple[Receive, bool]:
    """Whether the request carries the token of its own cookie; and a `receive` that still gives the body."""
    origin = request.headers.get("origin")
    if origin is not None and origin.split("://")[-1] != request.headers.get("host"):
        return receive, False
    token = request.headers.get(csrf.HEADER, "")
    message: Message = {"type": "http.request", "body": b"", "more_body": False}
    kind = request.headers.get("content-type", "")
    table = request.url.path == SHEETS and kind.startswith("multipart/form-data")
    if not token and (table or kind.startswith("application/x-www-form-urlencoded")):
        message = await receive()  # the gate has made it whole, and bounded it
        body = message.get("body", b"")
        token = _token_beside_file(body, kind) if table else _token(body)
        receive = _again(message, receive)
    return receive, csrf.valid(token, request.state.secret)


def _token(body: bytes) -> str:
    try:
        fields = parse_qsl(body.decode("utf-8", "replace"), max_num_fields=_MOST_FIELDS)
    except ValueError:
        return ""
    return dict(fields).get(csrf.FIELD, "")


def _token_beside_file(body: bytes, kind: str) -> str:
    try:
        reader = FormReader(kind)
        reader.feed(body)
    except BadForm:
        return ""
    return reader.fields.get(csrf.FIELD, "")


def _again(first: Message, receive: Receive) -> Receive:
    waiting = [first]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


def _with_guest(send: Send, secret: str, *, secure: bool) -> Send:
    cookie = f"{GUEST_COOKIE}={secret}; Path=/; HttpOnly; SameSite=Strict" + ("; Secure" if secure else "")

    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"set-cookie", cookie.encode())]
        await send(message)

    return marked


async def _unauthorised(send: Send) -> None:
    body = json.dumps({"detail": "sign in or send a bearer token"}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"www-authenticate", b"Bearer"),
    ]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _to_signin(request: AnyRequest, send: Send) -> None:
    """A page is asked for again after signing in; htmx is told to leave the whole page."""
    there = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    where = "/signin" if there == "/" or request.method != "GET" else f"/signin?next={quote(there, safe='')}"
    fragment = request.headers.get("hx-request") == "true"
    headers = [(b"content-length", b"0"), (b"hx-redirect" if fragment else b"location", where.encode())]
    await send({"type": "http.response.start", "status": 401 if fragment else 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


# dependencies of endpoints


def asker(request: Request) -> Principal:
    """Who asks. For routes that are not public: the middleware lets nobody else through."""
    user: Principal | None = request.state.user
    if user is None:
        raise HTTPException(401, "sign in or send a bearer token")
    return user


Asker = Annotated[Principal, Depends(asker)]


def seated(request: Request, who: Asker) -> Principal:
    """A person at a browser. What is about people, sessions and tokens is not for programs with a token."""
    if request.state.bearer:
        raise HTTPException(403, "sign in: no token is good for this")
    return who


Seated = Annotated[Principal, Depends(seated)]


def seated_with(permission: Permission) -> Callable[[Principal], Principal]:
    """As `allowed`, for a person at a browser."""

    def check(who: Seated) -> Principal:
        return allowed(permission)(who)

    return check


def allowed(permission: Permission) -> Callable[[Principal], Principal]:
    """A dependency that gives who asks if that is permitted, else answers 403."""

    def check(who: Asker) -> Principal:
        if not may(who, permission):
            raise HTTPException(403, f"your account lacks the permission {permission.value}")
        return who

    return check
