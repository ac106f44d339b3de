"""What the page of connections calls the kinds of events, and what is wrong with a webhook."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from controller.web import notification_words
from controller.web.i18n import Language
from controller.webhooks.errors import WrongWebhook
from controller.webhooks.kinds import EventKind

Say: TypeAlias = Callable[[Language], str]

KINDS: Final[Mapping[EventKind, Say]] = {
    EventKind.INCIDENT_OPENED: lambda words: words.t("An incident begins"),
    EventKind.INCIDENT_CLOSED: lambda words: words.t("An incident ends"),
    EventKind.DEVICE_STATE: lambda words: words.t("A device comes to another state"),
    EventKind.COMMAND_RESULT: lambda words: words.t("A command has its result"),
    EventKind.BOOKING_MADE: lambda words: words.t("A booking is made"),
    EventKind.BOOKING_CHANGED: lambda words: words.t("A booking is changed, confirmed or over"),
    EventKind.BOOKING_CANCELLED: lambda words: words.t("A booking is cancelled or refused"),
    EventKind.BOOKING_CHECKED_IN: lambda words: words.t("Somebody checks in"),
    EventKind.TEST: lambda words: words.t("Test"),
}


def wrong_word(wrong: WrongWebhook, words: Language, *, private: bool) -> str:
    """`private`: addresses inside of the network may be told, and so without TLS."""
    if wrong.field == "kinds":
        return words.t("Choose at least one kind of event.")
    if wrong.code == "too-many":
        return words.t("There are too many webhooks already. Remove one that is not used any more.")
    if wrong.code == "key-lost":
        return words.t("The server has lost the key to this address. Remove the webhook and add it anew.")
    if wrong.code == "scheme" and not private:
        return words.t("The address begins with https://.")
    return notification_words.fault_word(wrong.code, words)
