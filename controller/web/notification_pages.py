"""Where people say how they want to hear of news, and an administrator sees what becomes of it."""

from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, Response

from controller.api.ids import RowId
from controller.identity.policy import Permission, Principal
from controller.notifications.channels import ChannelKind
from controller.notifications.errors import NoSuchChannel, TooSoon, WrongField
from controller.notifications.timing import Quiet
from controller.notifications.topics import Topic
from controller.services import Services
from controller.web import notification_view, notification_words, typed
from controller.web.access import Seated, seated_with
from controller.web.admin_form import Filled
from controller.web.frame import language_of, render
from controller.web.planning import Planning, see
from controller.web.signin import address
from controller.web.visit import Form

HERE: Final = "/my/notifications"
QUEUE: Final = "/admin/notifications"
_NOTHING: Final[Mapping[str, str]] = {}
_DONE: Final = frozenset({"saved", "added", "removed", "tested", "soon"})
"""What a page is told of that was done just before."""

ChannelId = RowId
Administrator = Annotated[Principal, Depends(seated_with(Permission.MANAGE_USERS))]


def router(services: Services) -> APIRouter:
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    _add_settings(routes, services)
    _add_channels(routes, services)
    _add_queue(routes, services)
    return routes


def _add_settings(routes: APIRouter, services: Services) -> None:
    mine = services.notifications

    def page(
        request: Request,
        who: Principal,
        given: Mapping[str, str] = _NOTHING,
        wrong: Mapping[str, str] = _NOTHING,
        **more: object,
    ) -> Response:
        view = notification_view.settings_page(mine.of(who), services.now_ms(), language_of(request), given, wrong)
        values = {"view": view, "problems": wrong, "done": "", "about": 0, **more}
        return render(services, request, "my_notifications.html", values, status=422 if wrong else 200)

    @routes.get(HERE)
    def settings(request: Request, who: Seated, done: str = "", channel: int = 0) -> Response:
        return page(request, who, done=done if done in _DONE else "", about=channel)

    @routes.post(HERE)
    def choose(request: Request, who: Seated, given: Form) -> Response:
        filled, quiet = Filled(given, language_of(request)), None
        if filled.has("quiet"):
            first, last = filled.clock("quiet-from"), filled.clock("quiet-until")
            if first == last and not filled.problems:
                filled.problems["quiet-until"] = filled.words.t("The two times are the same.")
            quiet = Quiet(first.hour * 60 + first.minute, last.hour * 60 + last.minute)
        if filled.problems:
            return page(request, who, given, filled.problems)
        topics = {each for each in Topic if f"topic-{each}" in given}
        mine.choose(who, topics, quiet, address=address(request))
        return see(f"{HERE}?done=saved")


def _add_channels(routes: APIRouter, services: Services) -> None:
    mine = services.notifications

    def form(
        request: Request, kind: ChannelKind, given: Mapping[str, str] = _NOTHING, wrong: Mapping[str, str] = _NOTHING
    ) -> Response:
        view = notification_view.channel_page(kind, mine.given, language_of(request), given, wrong)
        values = {"view": view, "problems": wrong}
        return render(services, request, "my_channel.html", values, status=422 if wrong else 200)

    @routes.get(HERE + "/add/{kind}")
    def ask(request: Request, _who: Seated, kind: str) -> Response:
        return form(request, _kind(kind))

    @routes.post(HERE + "/add/{kind}")
    def add(request: Request, who: Seated, kind: str, given: Form) -> Response:
        try:
            channel_id = mine.add(who, _kind(kind), given, address=address(request))
        except WrongField as wrong:
            words = {wrong.field: str(notification_words.fault_word(wrong.code, language_of(request)))}
            return form(request, _kind(kind), given, words)
        return see(f"{HERE}?done=added&channel={channel_id}#channel-{channel_id}")

    @routes.post(HERE + "/{channel_id}/test")
    def test(request: Request, who: Seated, channel_id: ChannelId) -> Response:
        """What came of it stands beside the channel afterwards, and in the audit log."""
        done = "tested"
        try:
            mine.test(who, channel_id, services.news.test(language_of(request)), address=address(request))
        except NoSuchChannel:
            raise HTTPException(404, "no such channel") from None
        except TooSoon:
            done = "soon"
        return see(f"{HERE}?done={done}&channel={channel_id}#channel-{channel_id}")

    @routes.post(HERE + "/{channel_id}/remove")
    def remove(request: Request, who: Seated, channel_id: ChannelId) -> Response:
        try:
            mine.remove(who, channel_id, address=address(request))
        except NoSuchChannel:
            raise HTTPException(404, "no such channel") from None
        return see(f"{HERE}?done=removed")


def _add_queue(routes: APIRouter, services: Services) -> None:
    @routes.get(QUEUE)
    def queue(request: Request, who: Administrator, again: int = -1) -> Response:
        planning = Planning(services, request, who)
        health = services.notifications.health(who)
        view = notification_view.health_page(health, services.now_ms(), planning.words)
        return planning.render("admin_notifications.html", view=view, again=again)

    @routes.post(QUEUE + "/retry")
    def retry(request: Request, who: Administrator, given: Form) -> Response:
        """One delivery, or without its number all that failed."""
        one = typed.whole(given.get("delivery", ""))
        if given.get("delivery") and one is None:
            raise HTTPException(404, "no such delivery")
        count = services.notifications.retry(who, one, address=address(request))
        return see(f"{QUEUE}?again={count}")


def _kind(name: str) -> ChannelKind:
    try:
        return ChannelKind(name)
    except ValueError:
        raise HTTPException(404, "no such kind of channel") from None
