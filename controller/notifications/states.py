"""The states of a delivery, and what leads from one to the next. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class DeliveryState(StrEnum):
    """The last three are final. `dropped`: it was not to be sent any more."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    DROPPED = "dropped"


_S = DeliveryState
NEXT: Final[Mapping[DeliveryState, frozenset[DeliveryState]]] = {
    _S.WAITING: frozenset({_S.SENDING, _S.FAILED, _S.DROPPED}),
    _S.SENDING: frozenset({_S.SENDING, _S.WAITING, _S.SENT, _S.FAILED, _S.DROPPED}),
    _S.FAILED: frozenset({_S.WAITING}),
    _S.SENT: frozenset(),
    _S.DROPPED: frozenset(),
}
"""One that is being sent may be taken over after a crash; one that failed is tried again if somebody asks for it."""


class Result(StrEnum):
    """What came of an attempt, as a stable code. `http-NNN` and `smtp-NNN` stand beside these: the far end's own."""

    SENT = "sent"
    UNREACHABLE = "unreachable"
    NO_HOST = "no-such-host"
    TIMEOUT = "timeout"
    TLS = "tls"
    PRIVATE = "private-address"
    PLAIN = "plain-http"
    REFUSED = "refused"
    ZALO = "zalo-refused"
    ZALO_TOKEN = "zalo-token"  # noqa: S105 - a code
    SETTINGS = "settings"
    KEY_LOST = "key-lost"
    CRASHED = "crashed"
    STOPPED = "stopped"
    TOO_LATE = "too-late"
    REMOVED = "channel-removed"
    NOTHING = "nothing-to-say"


HOPELESS: Final = frozenset({Result.PRIVATE, Result.PLAIN, Result.SETTINGS, Result.KEY_LOST})
"""Trying again changes nothing: somebody has to change the channel."""
