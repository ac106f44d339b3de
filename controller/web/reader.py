"""Which language whoever asks reads."""

from typing import Final

from starlette.requests import Request

from controller.identity.policy import Principal
from controller.web.i18n import DEFAULT, LANGUAGES

LANGUAGE_COOKIE: Final = "fabfleet_lang"


def preferred(request: Request, user: Principal | None) -> str:
    """Of the cookie, else of the account, else of the browser, else Vietnamese."""
    for wanted in (request.cookies.get(LANGUAGE_COOKIE, ""), user.language if user else ""):
        if wanted in LANGUAGES:
            return wanted
    for part in request.headers.get("accept-language", "").split(","):
        tag = part.split(";")[0].strip().lower()[:2]
        if tag in LANGUAGES:
            return tag
    return DEFAULT
