"""What a webhook can be told of. Pure."""

from enum import StrEnum
from typing import Final


class EventKind(StrEnum):
    """These names are kept: programs go by them."""

    INCIDENT_OPENED = "incident.opened"
    INCIDENT_CLOSED = "incident.closed"
    DEVICE_STATE = "device.state"
    COMMAND_RESULT = "command.result"
    BOOKING_MADE = "booking.made"
    BOOKING_CHANGED = "booking.changed"
    BOOKING_CANCELLED = "booking.cancelled"
    BOOKING_CHECKED_IN = "booking.checked-in"
    TEST = "test"


CHOICES: Final = tuple(kind for kind in EventKind if kind is not EventKind.TEST)
"""What somebody can ask for; a test comes when it is asked for."""
LIVE: Final = frozenset({EventKind.INCIDENT_OPENED, EventKind.INCIDENT_CLOSED, EventKind.DEVICE_STATE})
"""What is not written anywhere when it happens, and has to be watched for."""
