"""A request for each route that names what belongs to a school or a person, complete: who may ask it gets past."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tests.integration.askers import CHIEF, OWNER
from tests.integration.belongings import METRIC

FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"
_FILE: Final = "multipart/form-data; boundary=b"


@dataclass(frozen=True)
class Ask:
    """`{kind}` in path, query and body stands for what `belongings.MAKE` makes of that kind; `named` are the kinds of
    the path's parameters. `right` may ask it for what is Bình Minh's, and is answered with 2xx or 3xx, or with
    `gives`: what was asked for is refused for what it says, and not for whose it is. Whose school it is not is answered
    with 403 or 404, or with `wrong`: as if it named nothing that there is.
    """

    route: str
    named: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    body: str = ""
    kind: str = FORM
    right: str = CHIEF
    gives: int = 0
    wrong: int = 0


def _asks() -> tuple[Ask, ...]:
    return (*_DEVICES, *_JOBS, *_BOOKINGS, *_KITS, *_AGENTS, *_FOUND, *_SETTINGS, *_CONNECTIONS, *_PLANS, *_PEOPLE)


def _of(named: str, *routes: str) -> tuple[Ask, ...]:
    """Routes without a body whose one parameter is of the kind `named`."""
    return tuple(Ask(route, {route.split("{")[1].split("}")[0]: named}) for route in routes)


_DEVICES = (
    *_of(
        "board",
        "GET /api/v1/devices/{device_id}",
        "GET /api/v1/devices/{device_id}/commands",
        "GET /api/v1/devices/{device_id}/trials",
        "GET /api/v1/devices/{device_id}/jobs",
        "GET /devices/{device_id}",
        "GET /devices/{device_id}/panel",
        "GET /devices/{device_id}/commands",
        "GET /devices/{device_id}/jobs",
        "POST /devices/{device_id}/agent/readmit",
    ),
    *_of("command", "GET /api/v1/commands/{command_id}"),
    *_of("room", "GET /rooms/{room_id}"),
    *_of("workshop", "GET /rooms/{room_id}/week", "GET /board/{room_id}", "GET /board/{room_id}/now"),
    Ask("GET /api/v1/devices/{device_id}/series/{metric}", {"device_id": "board", "metric": METRIC}),
    Ask("POST /api/v1/devices/{device_id}/commands", {"device_id": "board"}, body='{"action": "power-on"}', kind=JSON),
    Ask("POST /devices/{device_id}/commands", {"device_id": "board"}, body="action=power-on"),
    Ask(
        "POST /api/v1/devices/{device_id}/trials/{command_id}",
        {"device_id": "board", "command_id": "c-1"},
        body='{"worked": true}',
        kind=JSON,
        gives=409,
    ),
    Ask(
        "POST /devices/{device_id}/trials/{command_id}",
        {"device_id": "board", "command_id": "c-1"},
        body="worked=yes",
        gives=409,
    ),
)
_GCODE = '--b\r\ncontent-disposition: form-data; name="file"; filename="a.gcode"\r\n\r\nG28\r\n--b--\r\n'
_JOBS = (
    *_of("job", "GET /api/v1/jobs/{job_id}", "POST /api/v1/jobs/{job_id}/cancel", "GET /jobs/{job_id}"),
    *_of("job", "GET /jobs/{job_id}/now", "POST /jobs/{job_id}/cancel"),
    Ask("GET /devices/{device_id}/jobs/new", {"device_id": "printer"}),
    Ask("POST /api/v1/devices/{device_id}/jobs", {"device_id": "printer"}, body=_GCODE, kind=_FILE),
    Ask("POST /api/v1/jobs/{job_id}/release", {"job_id": "job"}, body='{"bed_clear": true}', kind=JSON, gives=409),
    Ask("POST /jobs/{job_id}/release", {"job_id": "job"}, body="bed=clear", gives=409),
    Ask("POST /api/v1/jobs/{job_id}/return", {"job_id": "job"}, body='{"why": "walls"}', kind=JSON),
    Ask("POST /jobs/{job_id}/hand-back", {"job_id": "job"}, body="why=walls"),
)
_BOOKINGS = (
    *_of(
        "booking",
        "GET /api/v1/bookings/{booking_id}",
        "DELETE /api/v1/bookings/{booking_id}",
        "GET /my/{booking_id}/move",
        "GET /my/{booking_id}/cancel",
        "POST /my/{booking_id}/cancel",
        "GET /my/{booking_id}/again",
    ),
    Ask("POST /my/{booking_id}/accept", {"booking_id": "booking"}, right=OWNER, gives=409),
    Ask(
        "PATCH /api/v1/bookings/{booking_id}",
        {"booking_id": "booking"},
        body='{"start_ms": {from}, "end_ms": {to}}',
        kind=JSON,
    ),
    Ask("PATCH /api/v1/bookings/{booking_id}", {"booking_id": "request"}, body='{"state": "confirmed"}', kind=JSON),
    Ask("POST /my/{booking_id}/move", {"booking_id": "booking"}, body="to={from}-{to}"),
    Ask("POST /my/{booking_id}/again", {"booking_id": "booking"}, body="pick-{day}={from}-{to}&key=k", right=OWNER),
    Ask("POST /calendar/requests/{booking_id}/confirm", {"booking_id": "request"}),
    Ask("POST /calendar/requests/{booking_id}/refuse", {"booking_id": "request"}, body="why=exam"),
    Ask(
        "POST /api/v1/bookings",
        body='{"items": [{"resource": {thing}}], "start_ms": {from}, "end_ms": {to}, "title": "8A1", "reason": "x"}',
        kind=JSON,
        wrong=422,
    ),
    *_of("code", "GET /c/{code}", "GET /c/{code}/problem"),
    Ask("POST /c/{code}", {"code": "code"}, right=OWNER),
    Ask("POST /c/{code}/back", {"code": "code"}, right=OWNER),
    Ask("POST /c/{code}/beside", {"code": "code"}, right=OWNER, gives=403),
    Ask("POST /c/{code}/problem", {"code": "code"}, body="text=broken"),
    Ask("POST /my/notices/{notice_id}/seen", {"notice_id": "notice"}, right=OWNER),
    Ask("POST /my/notices/{notice_id}/seen", {"notice_id": "notice of the school"}),
    Ask("POST /my/feeds", body="room={room}"),
    Ask("POST /my/feeds/{feed_id}/renew", {"feed_id": "feed"}, right=OWNER),
    Ask("POST /my/feeds/{feed_id}/revoke", {"feed_id": "feed"}, right=OWNER),
    Ask("POST /labels/board", body="room={room}&do=make"),
    Ask("GET /labels", query="room={room}"),
)
_KITS = (
    Ask("POST /kits/{pool_id}/out", {"pool_id": "pool"}, body="booking=none&kits=1", gives=422),
    Ask("POST /kits/{pool_id}/parts", {"pool_id": "pool"}, body="parts=4 x wheel"),
    Ask("POST /kits/back/{handout_id}", {"handout_id": "handout"}, body="kits-0="),
    Ask("POST /kits/lacks/{lack_id}/mend", {"lack_id": "lack"}),
)
_AGENTS = (
    *_of(
        "arrival",
        "POST /agents/arrivals/{which}/admit",
        "POST /agents/arrivals/{which}/always",
        "POST /agents/arrivals/{which}/refuse",
    ),
    *_of("twin", "POST /agents/twins/{which}/keep"),
    *_of("agent", "POST /agents/{which}/revoke", "POST /agents/{which}/replace"),
    *_of("enrol-token", "POST /agents/tokens/{which}/end", "GET /agents/tokens/{token_id}/arrived"),
    Ask("POST /agents/enrol", body="place={school}/lab&uses=1&hours=24"),
)
_FOUND = (
    Ask("POST /api/v1/found/{thing_id}/adopt", {"thing_id": "find"}, body="{}", kind=JSON),
    Ask("POST /api/v1/found/{thing_id}/ignore", {"thing_id": "find"}, body='{"reason": "a mouse"}', kind=JSON),
    Ask("POST /agents/found/{thing_id}/ignore", {"thing_id": "find"}, body="reason-{find}=a mouse"),
    *_of("ignored", "POST /api/v1/found/{thing_id}/restore", "POST /agents/found/{thing_id}/restore"),
    *_of("adopted", "POST /api/v1/found/{thing_id}/back", "POST /agents/found/{thing_id}/back"),
)
_SETTINGS = (
    *_of(
        "place", "GET /api/v1/settings/{scope}", "GET /api/v1/settings/{scope}/changes", "GET /agents/settings/{scope}"
    ),
    Ask("PUT /api/v1/settings/{scope}", {"scope": "place"}, body='{"settings": {}}', kind=JSON),
    Ask("POST /agents/settings/{scope}", {"scope": "place"}),
    Ask("POST /api/v1/settings/changes/{change_id}/restore", {"change_id": "change"}),
    Ask("POST /agents/settings/changes/{change_id}/restore", {"change_id": "change"}, body="place={place}"),
)
_HOOK = '{"url": "https://hooks.example.vn/", "kinds": ["device.state"]}'
_CONNECTIONS = (
    *_of(
        "school",
        "GET /api/v1/schools/{school_id}/home-assistant",
        "DELETE /api/v1/schools/{school_id}/home-assistant/account",
        "GET /api/v1/schools/{school_id}/webhooks",
        "GET /api/v1/schools/{school_id}/deliveries",
    ),
    Ask("PUT /api/v1/schools/{school_id}/home-assistant", {"school_id": "school"}, body='{"on": true}', kind=JSON),
    Ask("POST /api/v1/schools/{school_id}/home-assistant/account", {"school_id": "school"}),
    Ask("POST /api/v1/schools/{school_id}/webhooks", {"school_id": "school"}, body=_HOOK, kind=JSON),
    *(
        Ask(route, {"school_id": "school", "hook_id": "webhook"})
        for route in (
            "POST /api/v1/schools/{school_id}/webhooks/{hook_id}/secret",
            "POST /api/v1/schools/{school_id}/webhooks/{hook_id}/test",
            "DELETE /api/v1/schools/{school_id}/webhooks/{hook_id}",
        )
    ),
    Ask(
        "POST /api/v1/schools/{school_id}/deliveries/{delivery_id}/retry",
        {"school_id": "school", "delivery_id": "delivery"},
    ),
    Ask("GET /connections", query="school={school}"),
    Ask("POST /connections/home-assistant", body="school={school}&on=yes&language=vi"),
    Ask("POST /connections/home-assistant/account", body="school={school}"),
    Ask("POST /connections/home-assistant/account/revoke", body="school={school}"),
    Ask("POST /connections/webhooks", body="school={school}&url=https://hooks.example.vn/&kind-device.state=on"),
    *(
        Ask(f"POST /connections/webhooks/{{hook_id}}/{deed}", {"hook_id": "webhook"}, body="school={school}")
        for deed in ("renew", "test", "remove")
    ),
    Ask("POST /connections/deliveries/{delivery_id}/retry", {"delivery_id": "delivery"}, body="school={school}"),
)
_PLANS = (
    Ask("GET /import", query="school={school}"),
    Ask(
        "POST /import",
        body='--b\r\ncontent-disposition: form-data; name="school"\r\n\r\n{school}\r\n'
        '--b\r\ncontent-disposition: form-data; name="kind"\r\n\r\nlessons\r\n'
        '--b\r\ncontent-disposition: form-data; name="file"; filename="a.csv"\r\n\r\na;b\n1;2\r\n--b--\r\n',
        kind=_FILE,
    ),
    *_of("sheet", "GET /import/{token}/faults.csv", "GET /import/{token}"),
    Ask("POST /import/{token}", {"token": "sheet"}, body="digest=old", gives=409),
    *(Ask(f"GET /admin/{page}", query="school={school}") for page in ("limits", "time", "things", "things/new")),
    Ask(
        "POST /admin/limits",
        body="school={school}&notice_days=0&furthest_days=90&shortest_min=15&longest_min=300&no_show_min=15&request_h=48"
        "&soon_h=24&pupils-0=40&pupils-1=30&pupils-2=20&pupils-3=10",
    ),
    Ask("POST /admin/certificates", body="user_id={person}&name=laser", wrong=422),
    *_of("certificate", "POST /admin/certificates/{certificate_id}/remove"),
    Ask("POST /admin/time", body="school={school}&name=2040-2041"),
    *_of("year", "GET /admin/time/{year_id}", "POST /admin/time/{year_id}/remove"),
    Ask("POST /admin/time/{year_id}", {"year_id": "year"}, body="name=2050-2051"),
    Ask("POST /admin/time/{year_id}/next", {"year_id": "year"}, body="name=2060-2061"),
    Ask("POST /admin/time/{year_id}/copy", {"year_id": "year"}, body="school={school}&name=2070-2071"),
    Ask("GET /admin/time/{year_id}/{part}/{place}", {"year_id": "year", "part": "holidays", "place": "new"}),
    Ask(
        "POST /admin/time/{year_id}/{part}/{place}",
        {"year_id": "year", "part": "holidays", "place": "new"},
        body="name=Tet&first={day}&last={day}",
    ),
    Ask("POST /admin/rooms", body="school={school}&name=Cellar"),
    *_of("room", "GET /admin/rooms/{room_id}"),
    Ask("POST /admin/rooms/{room_id}", {"room_id": "workshop"}, body="name=Attic"),
    Ask("POST /admin/closures", body="school={school}&name=Cup&first={day}&last={day}"),
    Ask("POST /admin/closures/{closure_id}/remove", {"closure_id": "closure"}, body="school={school}"),
    Ask("POST /admin/things/new", body="school={school}&name=Saw&kind=unit&class_name=saw&capacity=1"),
    *_of("thing", "GET /admin/things/{thing_id}", "POST /admin/things/{thing_id}/retire"),
    Ask("POST /admin/things/{thing_id}", {"thing_id": "thing"}, body="name=Saw&kind=unit&class_name=saw&capacity=1"),
    Ask(
        "POST /admin/things/{thing_id}/maintenance",
        {"thing_id": "thing"},
        body="from={day}T08:00&until={day}T09:00&reason=blade&why=blade",
    ),
)
_DETAILS = "name=Lan&role=teacher&school={school}&language=vi"
_PEOPLE = (
    Ask("POST /people/new", body=f"login=new.person&{_DETAILS}", wrong=422),
    *_of("person", "GET /people/{user_id}", "POST /people/{user_id}/reset"),
    Ask("POST /people/{user_id}", {"user_id": "person"}, body=_DETAILS),
    Ask("POST /people/{user_id}/tokens", {"user_id": "person"}, body="token-name=t&days=30&may-view-devices=on"),
    *(
        Ask("POST /people/{user_id}/{deed}", {"user_id": "person", "deed": deed})
        for deed in ("unlock", "disable", "enable", "end-sessions")
    ),
    *_of("api-token", "POST /people/tokens/{token_id}/revoke"),
    Ask("POST /account/tokens/{token_id}/revoke", {"token_id": "api-token"}, right=OWNER),
    Ask("POST /my/notifications/{channel_id}/test", {"channel_id": "channel"}, right=OWNER),
    Ask("POST /my/notifications/{channel_id}/remove", {"channel_id": "channel"}, right=OWNER),
    *_of("person", "GET /privacy/people/{person_id}", "GET /privacy/people/{person_id}/export"),
    Ask("POST /privacy/people/{person_id}/erase", {"person_id": "person"}, body="login={login}"),
)
ASKS: Final = _asks()
OF_NOBODY: Final = frozenset(
    {
        "GET /", "GET /account", "GET /admin/certificates", "GET /admin/notifications", "GET /agents",
        "GET /agents/enrol", "GET /agents/found", "GET /agents/found/news", "GET /agents/settings",
        "GET /api/v1/availability", "GET /api/v1/bookings", "GET /api/v1/devices", "GET /api/v1/drift",
        "GET /api/v1/found", "GET /api/v1/quarantine", "GET /api/v1/rollups", "GET /api/v1/settings",
        "GET /api/v1/stream", "GET /audit", "GET /audit.{kind}", "GET /calendar", "GET /calendar/new", "GET /fleet",
        "GET /fleet/attention", "GET /import/templates/{kind}.{suffix}", "GET /kits", "GET /metrics", "GET /my",
        "GET /my/feeds", "GET /my/notifications", "GET /my/notifications/add/{kind}", "GET /people",
        "GET /people/new", "GET /people/rights", "GET /people/tokens", "GET /privacy", "GET /privacy/export",
        "GET /privacy/people", "GET /reports/use", "GET /reports/use.csv", "GET /signin/with/{name}/link",
        "POST /account/password", "POST /account/sessions", "POST /account/tokens", "POST /account/unlink",
        "POST /my/notifications", "POST /my/notifications/add/{kind}", "POST /people/rights", "POST /signout",
    }
)  # fmt: skip
"""They name nothing that belongs to anybody: what they list, they list within the asker's scope, or it is their own."""
BY_LINE: Final = (
    (Ask("POST /agents/found", body="d-{find}=on&profile-{find}=prusa/mk3s"), "done=1", "done=0"),
    (Ask("POST /admin/notifications/retry", body="delivery={failed}"), "again=1", "again=0"),
)
"""Forms of several lines: each is done, as the first text of the answer says, or left out, as the second does."""
READING: Final = frozenset({"POST /calendar", "POST /calendar/look"})
"""As `POST /api/v1/bookings`, of the same office."""
