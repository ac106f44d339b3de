"""Whom each route of the whole application is for."""

from collections.abc import Mapping
from enum import StrEnum

from controller.identity.policy import Permission

P = Permission


class Only(StrEnum):
    """Whom a route is for that asks for no permission."""

    OPEN = "everybody"
    KNOWN = "whoever has signed in, or a program with a token"
    PERSON = "whoever has signed in, and no program"
    OTHER = "who has a proof of another kind"


SEATED = frozenset({P.MANAGE_USERS, P.SET_RIGHTS})
"""These are for people alone: no token is good for them."""
WHO: Mapping[Permission | Only, str] = {
    P.VIEW_DEVICES: """
        GET /api/v1/devices
        GET /api/v1/devices/{device_id}
        GET /api/v1/devices/{device_id}/commands
        GET /api/v1/devices/{device_id}/trials
        GET /api/v1/commands/{command_id}
        GET /api/v1/devices/{device_id}/jobs
        GET /api/v1/jobs/{job_id}
        GET /api/v1/devices/{device_id}/series/{metric}
        GET /api/v1/stream
        GET /api/v1/rollups
        GET /rooms/{room_id}
        GET /devices/{device_id}
        GET /devices/{device_id}/panel
        GET /devices/{device_id}/commands
        GET /devices/{device_id}/jobs
        GET /board/{room_id}
        GET /board/{room_id}/now
        GET /rooms/{room_id}/week
    """,
    P.COMMAND: """
        POST /api/v1/devices/{device_id}/commands
        POST /api/v1/devices/{device_id}/trials/{command_id}
        POST /devices/{device_id}/trials/{command_id}
        POST /devices/{device_id}/commands
    """,
    P.HANDLE_JOBS: """
        POST /api/v1/devices/{device_id}/jobs
        POST /api/v1/jobs/{job_id}/release
        POST /api/v1/jobs/{job_id}/return
        POST /api/v1/jobs/{job_id}/cancel
        GET /devices/{device_id}/jobs/new
        GET /jobs/{job_id}
        GET /jobs/{job_id}/now
        POST /jobs/{job_id}/release
        POST /jobs/{job_id}/hand-back
        POST /jobs/{job_id}/cancel
    """,
    P.BOOK: """
        GET /kits
        POST /kits/{pool_id}/out
        POST /kits/back/{handout_id}
        POST /kits/lacks/{lack_id}/mend
        POST /kits/{pool_id}/parts
        GET /api/v1/bookings
        POST /api/v1/bookings
        GET /api/v1/bookings/{booking_id}
        PATCH /api/v1/bookings/{booking_id}
        DELETE /api/v1/bookings/{booking_id}
        GET /api/v1/availability
        GET /my/feeds
        POST /my/feeds
        POST /my/feeds/{feed_id}/renew
        POST /my/feeds/{feed_id}/revoke
        GET /my
        POST /my/notices/{notice_id}/seen
        GET /my/{booking_id}/move
        POST /my/{booking_id}/move
        GET /my/{booking_id}/cancel
        POST /my/{booking_id}/cancel
        POST /my/{booking_id}/accept
        GET /my/{booking_id}/again
        POST /my/{booking_id}/again
        GET /calendar
        POST /calendar
        GET /calendar/new
        POST /calendar/look
        GET /c/{code}
        POST /c/{code}
        POST /c/{code}/back
        POST /c/{code}/beside
        GET /c/{code}/problem
        POST /c/{code}/problem
    """,
    P.VIEW_QUARANTINE: """
        GET /api/v1/quarantine
    """,
    Only.OPEN: """
        GET /static
        GET /openapi.json
        GET /healthz
        GET /readyz
        POST /signin
        GET /signin
        POST /language
        GET /feeds/{name}
        GET /board/open/{key}
        GET /board/open/{key}/now
        GET /signin/with/{name}
        GET /signin/with/{name}/leave
        GET /signin/with/{name}/return
        GET /reset/{secret}
        POST /reset/{secret}
        GET /api/v1/enrol
        GET /e/{token}
    """,
    P.CONNECT: """
        GET /connections
        POST /connections/home-assistant
        POST /connections/home-assistant/account
        POST /connections/home-assistant/account/revoke
        POST /connections/webhooks
        POST /connections/webhooks/{hook_id}/renew
        POST /connections/webhooks/{hook_id}/test
        POST /connections/webhooks/{hook_id}/remove
        POST /connections/deliveries/{delivery_id}/retry
        GET /api/v1/schools/{school_id}/home-assistant
        PUT /api/v1/schools/{school_id}/home-assistant
        POST /api/v1/schools/{school_id}/home-assistant/account
        DELETE /api/v1/schools/{school_id}/home-assistant/account
        GET /api/v1/schools/{school_id}/webhooks
        POST /api/v1/schools/{school_id}/webhooks
        POST /api/v1/schools/{school_id}/webhooks/{hook_id}/secret
        POST /api/v1/schools/{school_id}/webhooks/{hook_id}/test
        DELETE /api/v1/schools/{school_id}/webhooks/{hook_id}
        GET /api/v1/schools/{school_id}/deliveries
        POST /api/v1/schools/{school_id}/deliveries/{delivery_id}/retry
    """,
    P.ENROL_AGENTS: """
        POST /devices/{device_id}/agent/readmit
        GET /agents
        GET /agents/found
        POST /agents/found
        GET /agents/found/news
        POST /agents/found/{thing_id}/ignore
        POST /agents/found/{thing_id}/restore
        POST /agents/found/{thing_id}/back
        GET /api/v1/found
        POST /api/v1/found/{thing_id}/adopt
        POST /api/v1/found/{thing_id}/ignore
        POST /api/v1/found/{thing_id}/restore
        POST /api/v1/found/{thing_id}/back
        POST /agents/arrivals/{which}/admit
        POST /agents/arrivals/{which}/always
        POST /agents/arrivals/{which}/refuse
        POST /agents/twins/{which}/keep
        POST /agents/{which}/revoke
        POST /agents/{which}/replace
        POST /agents/tokens/{which}/end
        GET /agents/enrol
        POST /agents/enrol
        GET /agents/tokens/{token_id}/arrived
    """,
    P.CONFIGURE: """
        GET /api/v1/settings
        GET /api/v1/settings/{scope}
        PUT /api/v1/settings/{scope}
        GET /api/v1/settings/{scope}/changes
        POST /api/v1/settings/changes/{change_id}/restore
        GET /api/v1/drift
        GET /agents/settings
        GET /agents/settings/{scope}
        POST /agents/settings/{scope}
        POST /agents/settings/changes/{change_id}/restore
    """,
    P.VIEW_AUDIT: """
        GET /audit
        GET /audit.{kind}
    """,
    Only.OTHER: """
        POST /api/v1/enrol/reclaim
        POST /api/v1/renewals/{number}
        POST /api/v1/enrol
        GET /api/v1/files/{digest}
    """,
    P.VIEW_METRICS: """
        GET /metrics
    """,
    Only.KNOWN: """
        POST /signout
        GET /
    """,
    P.VIEW_FLEET: """
        GET /fleet
        GET /fleet/attention
    """,
    P.PLAN: """
        GET /import
        POST /import
        GET /import/templates/{kind}.{suffix}
        GET /import/{token}/faults.csv
        GET /import/{token}
        POST /import/{token}
        GET /admin/limits
        POST /admin/limits
        GET /admin/certificates
        POST /admin/certificates
        POST /admin/certificates/{certificate_id}/remove
        GET /admin/time
        POST /admin/time
        GET /admin/time/{year_id}
        POST /admin/time/{year_id}
        POST /admin/time/{year_id}/remove
        POST /admin/time/{year_id}/next
        POST /admin/time/{year_id}/copy
        GET /admin/time/{year_id}/{part}/{place}
        POST /admin/time/{year_id}/{part}/{place}
        GET /admin/things
        POST /admin/rooms
        POST /admin/closures
        POST /admin/closures/{closure_id}/remove
        GET /admin/things/new
        POST /admin/things/new
        GET /admin/things/{thing_id}
        POST /admin/things/{thing_id}
        POST /admin/things/{thing_id}/retire
        POST /admin/things/{thing_id}/maintenance
        GET /admin/rooms/{room_id}
        POST /admin/rooms/{room_id}
    """,
    P.MANAGE_BOOKINGS: """
        POST /calendar/requests/{booking_id}/confirm
        POST /calendar/requests/{booking_id}/refuse
        GET /labels
        POST /labels/board
    """,
    P.VIEW_REPORTS: """
        GET /reports/use
        GET /reports/use.csv
    """,
    Only.PERSON: """
        GET /signin/with/{name}/link
        GET /account
        POST /account/password
        POST /account/sessions
        POST /account/unlink
        POST /account/tokens
        POST /account/tokens/{token_id}/revoke
        GET /my/notifications
        POST /my/notifications
        GET /my/notifications/add/{kind}
        POST /my/notifications/add/{kind}
        POST /my/notifications/{channel_id}/test
        POST /my/notifications/{channel_id}/remove
        GET /privacy
        GET /privacy/export
    """,
    P.MANAGE_USERS: """
        GET /people/tokens
        POST /people/tokens/{token_id}/revoke
        GET /people
        GET /people/new
        POST /people/new
        GET /people/{user_id}
        POST /people/{user_id}
        POST /people/{user_id}/reset
        POST /people/{user_id}/tokens
        POST /people/{user_id}/{deed}
        GET /admin/notifications
        POST /admin/notifications/retry
        GET /privacy/people
        GET /privacy/people/{person_id}
        GET /privacy/people/{person_id}/export
        POST /privacy/people/{person_id}/erase
    """,
    P.SET_RIGHTS: """
        GET /people/rights
        POST /people/rights
    """,
}
TABLE = {line.strip(): who for who, lines in WHO.items() for line in lines.splitlines() if line.strip()}
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})


ELSEWHERE = frozenset(
    {
        "POST /signin",
        "POST /signout",
        "POST /language",
        "POST /reset/{secret}",
        "GET /signin/with/{name}",
        "GET /signin/with/{name}/leave",
        "GET /signin/with/{name}/link",
        "GET /signin/with/{name}/return",
        "GET /static",
        "GET /readyz",
        "GET /metrics",
    }
)
"""What these do to whom, their own tests say: some lead to the sign-in page whoever asks, one ends a session,
`/metrics` also answers to whoever sits at the server."""
