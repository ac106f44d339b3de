"""What news is about, as people choose it. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final


class Topic(StrEnum):
    """These names are kept."""

    CONFIRMED = "confirmed"
    MOVED = "moved"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    REQUEST = "request"
    REMINDER = "reminder"
    OFFER = "offer"
    NO_SHOW = "no-show"
    CALENDAR = "calendar"
    COMMAND_DONE = "command-done"
    COMMAND_FAILED = "command-failed"
    JOB_DONE = "job-done"
    JOB_FAILED = "job-failed"
    MACHINE = "machine"


TOPIC_OF: Final[Mapping[str, Topic]] = {
    "booking-confirmed": Topic.CONFIRMED,
    "booking-moved": Topic.MOVED,
    "booking-cancelled": Topic.CANCELLED,
    "booking-refused": Topic.REFUSED,
    "booking-expired": Topic.REFUSED,
    "booking-requested": Topic.REQUEST,
    "booking-reminder": Topic.REMINDER,
    "waitlist-offer": Topic.OFFER,
    "no-show": Topic.NO_SHOW,
    "substitute": Topic.NO_SHOW,
    "calendar-changed": Topic.CALENDAR,
    "command-done": Topic.COMMAND_DONE,
    "command-failed": Topic.COMMAND_FAILED,
    "job-done": Topic.JOB_DONE,
    "job-failed": Topic.JOB_FAILED,
    "problem": Topic.MACHINE,
    "use-without-booking": Topic.MACHINE,
}
"""The kinds of bulletins. What is not here is told on pages alone."""

AT_ONCE: Final = frozenset({"calendar-changed"})
"""What tells of each booking, and comes for a whole term of them at once."""
USUAL: Final = frozenset(Topic) - {Topic.COMMAND_DONE}
"""What somebody hears of who has not chosen: a command that is done is seen where it was given."""
FOR_STAFF: Final = frozenset({Topic.REQUEST, Topic.MACHINE})
"""What only those hear of who look after bookings and machines."""


def matters_by_ms(kind: str, detail: Mapping[str, Any]) -> int | None:
    """Until when the reader can still do something about it; None if that does not pass.

    What is about a booking matters until that begins, an offer until it runs out (`until_ms`).
    """
    if TOPIC_OF.get(kind) in _MATTERS:
        found = detail.get("until_ms", detail.get("start_ms"))
        return int(found) if found is not None else None
    return None


_MATTERS: Final = frozenset(
    {Topic.CONFIRMED, Topic.MOVED, Topic.CANCELLED, Topic.REFUSED, Topic.REQUEST, Topic.REMINDER, Topic.OFFER}
)
ENDS_WITH_IT: Final = frozenset({Topic.REMINDER, Topic.OFFER})
"""Of no use to anybody when it no longer matters."""
