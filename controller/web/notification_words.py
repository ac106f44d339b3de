"""What the kinds, fields, topics and results of notifications say to a reader."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from controller.notifications.channels import ChannelKind
from controller.notifications.states import DeliveryState, Result
from controller.notifications.topics import Topic
from controller.web.command_words import Say
from controller.web.i18n import Language


@dataclass(frozen=True, slots=True)
class KindWords:
    """`how`: where somebody finds what the fields ask for."""

    name: Say
    how: Say
    icon: str


KINDS: Final[Mapping[ChannelKind, KindWords]] = {
    ChannelKind.ZALO_OA: KindWords(
        lambda words: words.t("Zalo (Official Account)"),
        lambda words: words.t(
            "The school's Official Account writes to you. Follow it in Zalo and send it a message first; Zalo lets it"
            " answer for seven days after your last message."
        ),
        icon="message-circle",
    ),
    ChannelKind.ZALO_BOT: KindWords(
        lambda words: words.t("Zalo (bot)"),
        lambda words: words.t(
            "Make a bot with Zalo Bot Manager in the Zalo app, which gives its token, and send the bot a message first."
        ),
        icon="message-circle",
    ),
    ChannelKind.EMAIL: KindWords(
        lambda words: words.t("E-mail"), lambda words: words.t("To any address that you read."), icon="mail"
    ),
    ChannelKind.TELEGRAM: KindWords(
        lambda words: words.t("Telegram"),
        lambda words: words.t("Make a bot with @BotFather in Telegram, which gives its token, and press Start in it."),
        icon="send",
    ),
    ChannelKind.TEAMS: KindWords(
        lambda words: words.t("Microsoft Teams"),
        lambda words: words.t(
            "In the channel choose Workflows, then “Post to a channel when a webhook request is received”, and copy the"
            " address that it shows."
        ),
        icon="users",
    ),
    ChannelKind.GOOGLE_CHAT: KindWords(
        lambda words: words.t("Google Chat"),
        lambda words: words.t("In the space choose Apps and integrations, then Webhooks, and copy the address."),
        icon="message",
    ),
    ChannelKind.WEBHOOK: KindWords(
        lambda words: words.t("Webhook (JSON)"),
        lambda words: words.t("A program of your own: title and message are posted to its address as JSON."),
        icon="webhook",
    ),
}

_FIELDS: Final[Mapping[str, Say]] = {
    "user_id": lambda words: words.t("Your Zalo user id"),
    "app_id": lambda words: words.t("App id"),
    "secret_key": lambda words: words.t("Secret key of the app"),
    "refresh_token": lambda words: words.t("Refresh token"),
    "chat_id": lambda words: words.t("Chat id"),
    "token": lambda words: words.t("Token of the bot"),
    "to": lambda words: words.t("E-mail address"),
    "host": lambda words: words.t("Mail server"),
    "security": lambda words: words.t("Encryption"),
    "port": lambda words: words.t("Port"),
    "user": lambda words: words.t("User name"),
    "password": lambda words: words.t("Password"),
    "sender": lambda words: words.t("Sender's address"),
    "url": lambda words: words.t("Address of the webhook"),
}
_HINTS: Final[Mapping[str, Say]] = {
    "user_id": lambda words: words.t("The number by which the Official Account knows you. The administrator has it."),
    "chat_id": lambda words: words.t("The number of your conversation with the bot, as the bot's getUpdates shows it."),
    "port": lambda words: words.t("Left empty: the usual one."),
    "sender": lambda words: words.t("Left empty: the user name."),
    "host": lambda words: words.t("For example smtp.example.vn."),
}
OPTIONS: Final[Mapping[str, Say]] = {
    "starttls": lambda words: words.t("STARTTLS (port 587)"),
    "tls": lambda words: words.t("TLS (port 465)"),
    "none": lambda words: words.t("none (port 25)"),
}
_FAULTS: Final[Mapping[str, Say]] = {
    "empty": lambda words: words.t("This is needed."),
    "too-long": lambda words: words.t("This is too long, or has signs that cannot be read."),
    "malformed": lambda words: words.t("This does not look complete. Copy it once more."),
    "scheme": lambda words: words.t("The address begins with https:// or http://."),
    "private": lambda words: words.t(
        "This address lies inside of the network. The administrator can allow such addresses."
    ),
    "not-teams": lambda words: words.t("This is not the address of a Teams workflow."),
    "not-google": lambda words: words.t("This is not the address of a Google Chat webhook."),
    "too-many": lambda words: words.t("There are too many channels already. Remove one that is not used any more."),
}

TOPICS: Final[Mapping[Topic, Say]] = {
    Topic.CONFIRMED: lambda words: words.t("My request was approved"),
    Topic.MOVED: lambda words: words.t("My booking was moved"),
    Topic.CANCELLED: lambda words: words.t("My booking was cancelled"),
    Topic.REFUSED: lambda words: words.t("My request was sent back, or ran out"),
    Topic.REQUEST: lambda words: words.t("A request waits for me"),
    Topic.REMINDER: lambda words: words.t("A booking of mine begins in an hour"),
    Topic.OFFER: lambda words: words.t("An offer from the waitlist"),
    Topic.NO_SHOW: lambda words: words.t("Nobody came to my booking, or somebody else did"),
    Topic.CALENDAR: lambda words: words.t("The school calendar changed around my booking"),
    Topic.COMMAND_DONE: lambda words: words.t("A command of mine is done"),
    Topic.COMMAND_FAILED: lambda words: words.t("A command of mine did not succeed"),
    Topic.JOB_DONE: lambda words: words.t("A job of mine is done"),
    Topic.JOB_FAILED: lambda words: words.t("A job of mine did not succeed"),
    Topic.MACHINE: lambda words: words.t("A problem with a machine, or use without a booking"),
}
NEWS: Final[Mapping[str, Say]] = {
    "booking-confirmed": lambda words: words.t("Booking approved"),
    "booking-moved": lambda words: words.t("Booking moved"),
    "booking-cancelled": lambda words: words.t("Booking cancelled"),
    "booking-refused": lambda words: words.t("Request sent back"),
    "booking-expired": lambda words: words.t("Request not approved in time"),
    "booking-requested": lambda words: words.t("Request waits"),
    "booking-reminder": lambda words: words.t("Reminder"),
    "waitlist-offer": lambda words: words.t("Offer from the waitlist"),
    "no-show": lambda words: words.t("No-show"),
    "substitute": lambda words: words.t("Lesson covered"),
    "calendar-changed": lambda words: words.t("School calendar changed"),
    "command-done": lambda words: words.t("Command done"),
    "command-failed": lambda words: words.t("Command did not succeed"),
    "job-done": lambda words: words.t("Job done"),
    "job-failed": lambda words: words.t("Job did not succeed"),
    "problem": lambda words: words.t("Problem reported"),
    "use-without-booking": lambda words: words.t("Use without a booking"),
}

STATES: Final[Mapping[DeliveryState, tuple[Say, str]]] = {
    DeliveryState.WAITING: (lambda words: words.t("Waits to be sent"), "in-use"),
    DeliveryState.SENDING: (lambda words: words.t("Being sent"), "in-use"),
    DeliveryState.SENT: (lambda words: words.t("Sent"), "ok"),
    DeliveryState.FAILED: (lambda words: words.t("Given up"), "fault"),
    DeliveryState.DROPPED: (lambda words: words.t("No longer needed"), "offline"),
}
"""With the state of ui.html's badges whose colour it has."""
ICONS: Final[Mapping[DeliveryState, str]] = {
    DeliveryState.WAITING: "hourglass",
    DeliveryState.SENDING: "send",
    DeliveryState.SENT: "circle-check",
    DeliveryState.FAILED: "circle-x",
    DeliveryState.DROPPED: "x",
}

_RESULTS: Final[Mapping[str, Say]] = {
    Result.SENT: lambda words: words.t("It was sent."),
    Result.UNREACHABLE: lambda words: words.t("The service could not be reached."),
    Result.NO_HOST: lambda words: words.t("There is no machine of that name."),
    Result.TIMEOUT: lambda words: words.t("The service did not answer in time."),
    Result.TLS: lambda words: words.t("The service's certificate is not to be trusted."),
    Result.PRIVATE: lambda words: words.t(
        "The address leads inside of the network, where nothing is sent. The administrator can allow it."
    ),
    Result.PLAIN: lambda words: words.t(
        "Without https:// nothing is sent out of the network. Remove it and add it with https://."
    ),
    Result.REFUSED: lambda words: words.t("The service did not take it."),
    Result.ZALO: lambda words: words.t("Zalo did not take it. Send the Official Account a message, and try again."),
    Result.ZALO_TOKEN: lambda words: words.t("Zalo does not take the tokens any more. New ones are needed."),
    Result.SETTINGS: lambda words: words.t("Something is missing in this channel. Remove it and add it anew."),
    Result.KEY_LOST: lambda words: words.t("The server has lost the key to this channel. Remove it and add it anew."),
    Result.CRASHED: lambda words: words.t("Sending ended with an error on the server."),
    Result.STOPPED: lambda words: words.t("The server is being stopped."),
    Result.TOO_LATE: lambda words: words.t("There was no chance to send it in time."),
    Result.REMOVED: lambda words: words.t("The channel was removed."),
    Result.NOTHING: lambda words: words.t("There was nothing to tell any more."),
}
_REFUSED: Final = re.compile(r"(http|smtp)-(\d{3})")
_UNAUTHORISED: Final = frozenset({"401", "403", "404", "535", "530"})


def field_word(name: str, words: Language) -> str:
    return _FIELDS[name](words)


def hint_word(name: str, words: Language) -> str:
    """Empty for a field that says it all."""
    return _HINTS[name](words) if name in _HINTS else ""


def fault_word(code: str, words: Language) -> str:
    """What is wrong with a field."""
    return _FAULTS.get(code, _FAULTS["malformed"])(words)


def result_word(code: str, words: Language) -> str:
    """What came of an attempt; empty before the first."""
    if not code or code in _RESULTS:
        return _RESULTS[code](words) if code else ""
    found = _REFUSED.fullmatch(code)
    number = found[2] if found else code
    if number in _UNAUTHORISED:
        return words.t("The service refused it ({code}): address, token or password may not be right.", code=number)
    return words.t("The service answered with an error ({code}).", code=number)
