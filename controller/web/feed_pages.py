"""Calendar feeds: the page on which somebody makes and revokes them, and the public addresses that phones read."""

import hashlib
from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from controller.api.ids import RowId
from controller.identity.policy import Permission, Principal, may
from controller.scheduling.feeds import Feeds, NoSuchFeed, TooManyFeeds
from controller.services import Services
from controller.web import feed_view, typed
from controller.web.access import FEEDS, allowed
from controller.web.frame import language_of, render
from controller.web.i18n import Language, language
from controller.web.visit import Form

_LONGEST: Final = 64
"""Letters of a secret, and more."""
_AGAIN: Final = "private, no-cache"
"""A calendar may keep it, and asks each time whether it has changed."""

FeedId = RowId
Booker = Annotated[Principal, Depends(allowed(Permission.BOOK))]


def router(services: Services) -> APIRouter:
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    feeds = Feeds(services.engine, services.now_ms)
    _add_public(routes, feeds)
    _add_page(routes, services, feeds)
    return routes


def _add_public(routes: APIRouter, feeds: Feeds) -> None:
    @routes.api_route(FEEDS + "{name}", methods=["GET", "HEAD"])
    def read(request: Request, name: str) -> Response:
        """Whoever knows the address may read it. Unknown, revoked and malformed ones are answered alike.

        It costs one look into an index to turn somebody away, and nothing is logged.
        """
        secret = name.removesuffix(".ics")
        known = secret != name and len(secret) <= _LONGEST
        reading = feeds.read(secret) if known else None
        if reading is None:
            return Response("no such calendar\n", 404, media_type="text/plain")
        content = feed_view.calendar(reading, language(reading.who.language))
        tag = f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'
        headers = {"etag": tag, "cache-control": _AGAIN}
        if tag in (each.strip() for each in request.headers.get("if-none-match", "").split(",")):
            return Response(status_code=304, headers=headers)
        headers["content-disposition"] = 'inline; filename="fabfleet.ics"'
        return Response(content, headers=headers, media_type="text/calendar")


def _add_page(routes: APIRouter, services: Services, feeds: Feeds) -> None:
    def page(request: Request, who: Principal, secret: str = "", problem: str = "", status: int = 200) -> Response:
        words = language_of(request)
        rooms = _rooms(services, who)
        url = f"{request.base_url}{FEEDS[1:]}{secret}.ics" if secret else ""
        view = feed_view.feeds_page(feeds.of(who), rooms, url, services.now_ms(), words)
        return render(services, request, "my_feeds.html", {"view": view, "problem": problem}, status=status)

    @routes.get("/my/feeds")
    def mine(request: Request, who: Booker) -> Response:
        return page(request, who)

    @routes.post("/my/feeds")
    def make(request: Request, who: Booker, given: Form) -> Response:
        try:
            secret = feeds.make(who, _room(given.get("room", "")))
        except NoSuchFeed:
            raise HTTPException(404, "no such room") from None
        except TooManyFeeds:
            return page(request, who, problem=_too_many(language_of(request)), status=409)
        return page(request, who, secret)

    @routes.post("/my/feeds/{feed_id}/renew")
    def renew(request: Request, who: Booker, feed_id: FeedId) -> Response:
        try:
            return page(request, who, feeds.renew(who, feed_id))
        except NoSuchFeed:
            raise HTTPException(404, "no such feed") from None

    @routes.post("/my/feeds/{feed_id}/revoke")
    def revoke(who: Booker, feed_id: FeedId) -> Response:
        try:
            feeds.revoke(who, feed_id)
        except NoSuchFeed:
            raise HTTPException(404, "no such feed") from None
        return RedirectResponse("/my/feeds", 303)


def _rooms(services: Services, who: Principal) -> feed_view.Rooms:
    """Those whose bookings the reader looks after."""
    if not may(who, Permission.MANAGE_BOOKINGS):
        return ()
    return feed_view.rooms_of(each for each in services.office.things(who) if who.scope.covers(each.school_id))


def _too_many(words: Language) -> str:
    return str(words.t("There are too many calendar addresses already. Revoke one that is not used any more."))


def _room(text: str) -> int | None:
    """None for all rooms. Raises NoSuchFeed."""
    found = typed.whole(text)
    if text and found is None:
        raise NoSuchFeed(f"no room: {text[:20]!r}")
    return found
