"""What is refused, said to whoever asked: a page in the reader's language to a browser, JSON to a program of ours.

Needs nothing of what the request would have needed, so that it can be said before anybody is known.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from starlette.requests import Request
from starlette.types import Scope, Send

from controller.web.frame import Frame, bare_page, language_of
from controller.web.i18n import Language


class Why(Enum):
    """The status of the answer, and the line that a program is told."""

    MALFORMED = 400, "this cannot be read"
    FORM = 403, "The form is out of date or came from elsewhere. Load the page again."
    READING_ONLY = 403, "This token is for reading only."
    NOT_HERE = 404, "this path leads nowhere"
    SLOW = 408, "The request came too slowly."
    LARGE = 413, "The request is too large."
    HOST = 421, "This server has another name."
    TOO_OFTEN = 429, "too many tries; try again later"
    FAULT = 500, "Something went wrong here. It has been logged."
    AWAY = 503, "The database cannot be reached now. Try again."
    OTHER = 0, ""

    @property
    def status(self) -> int:
        return self.value[0]


RETRY_AFTER_S: Final = 10
_OF_STATUS: Final[Mapping[int, Why]] = {
    400: Why.MALFORMED,
    404: Why.NOT_HERE,
    405: Why.NOT_HERE,
    408: Why.SLOW,
    413: Why.LARGE,
    422: Why.MALFORMED,
    429: Why.TOO_OFTEN,
}


@dataclass(frozen=True, slots=True)
class RefusedPage:
    """A closed door: what happened, and the one way out, if there is any."""

    title: str
    text: str
    icon: str
    way_out: str
    reference: str = ""


def is_api(path: str) -> bool:
    return path.startswith("/api/")


def reads_pages(request: Request) -> bool:
    """Whether a person looks at the answer: a browser asks for a page, or somebody who has signed in does."""
    if is_api(request.url.path):
        return False
    state = request.state
    person = getattr(state, "user", None) is not None and not state.bearer
    return person or "text/html" in request.headers.get("accept", "")


def page(request: Request, status: int, why: Why | None = None) -> str:
    """The page of a refusal for whoever is not signed in, or not known yet."""
    words = language_of(request)
    csrf = getattr(request.state, "csrf", "")
    here = request.url.path if request.method == "GET" else "/"
    return bare_page(
        words, "refused.html", said(why or _OF_STATUS.get(status, Why.OTHER), words), Frame("/", (), None, csrf, here)
    )


def said(why: Why, words: Language) -> RefusedPage:
    """What people are told."""
    t = words.t
    title, text, icon = {
        Why.MALFORMED: (
            t("The server cannot read this"),
            t("Something in the address or in the form is not as it should be. Go back and try once more."),
            "alert-triangle",
        ),
        Why.FORM: (
            t("Load the page again"),
            t("The form is out of date, or came from elsewhere. Nothing was changed."),
            "alert-triangle",
        ),
        Why.NOT_HERE: (
            t("This page is not here"),
            t("What was here may have been removed or has ended, or the address is not complete."),
            "map-off",
        ),
        Why.SLOW: (t("It came too slowly"), t("The connection may be bad. Try again."), "alert-triangle"),
        Why.LARGE: (t("This is too large"), t("More was sent than fits here. Nothing was changed."), "alert-triangle"),
        Why.HOST: (
            t("This server has another name"),
            t("Open it by the address that your technician gave you."),
            "map-off",
        ),
        Why.TOO_OFTEN: (t("Too many tries"), t("Wait some minutes, then try again."), "lock"),
        Why.FAULT: (
            t("Something went wrong here"),
            t("It has been logged. Try again; tell your technician if it stays like this."),
            "circle-x",
        ),
        Why.AWAY: (
            t("Nothing can be read or stored now"),
            t("The database does not answer. What the agents read is not lost. Try again in a moment."),
            "alert-triangle",
        ),
    }.get(why, (t("This cannot be done now"), t("Go back and try again later."), "circle-x"))
    way_out = "" if why is Why.HOST else str(t("Back to the start"))
    return RefusedPage(str(title), str(text), icon, way_out)


async def refuse(scope: Scope, send: Send, why: Why) -> None:
    """Answer instead of the application."""
    request = Request(scope)
    status, line = why.value
    if reads_pages(request):
        kind, body = "text/html; charset=utf-8", page(request, status, why)
    elif is_api(scope["path"]):
        kind, body = "application/json", json.dumps({"detail": line})
    else:
        kind, body = "text/plain; charset=utf-8", f"{line}\n"
    content = body.encode()
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(content)).encode())]
    if why is Why.AWAY:
        headers.append((b"retry-after", str(RETRY_AFTER_S).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
