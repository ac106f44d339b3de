"""What the states and codes of commands say to a reader."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from contract.model import CommandStatus
from controller.web import reason_words
from controller.web.formats import clock
from controller.web.i18n import Language

NEVER_SENT: Final = "never-sent"
"""What an expiry without a word of the agent is called here."""

Say: TypeAlias = Callable[[Language], str]

STATUS: Final[Mapping[CommandStatus, Say]] = {
    CommandStatus.QUEUED: lambda words: words.t("Queued"),
    CommandStatus.SENT: lambda words: words.t("Sent"),
    CommandStatus.ACCEPTED: lambda words: words.t("Accepted"),
    CommandStatus.RUNNING: lambda words: words.t("Running"),
    CommandStatus.DONE: lambda words: words.t("Done"),
    CommandStatus.REFUSED: lambda words: words.t("Refused"),
    CommandStatus.FAILED: lambda words: words.t("Did not succeed"),
    CommandStatus.EXPIRED: lambda words: words.t("Expired"),
    CommandStatus.UNKNOWN: lambda words: words.t("Outcome not known"),
}

_DETAILS: Final[Mapping[str, Say]] = {
    "no-lease": lambda words: words.t("The machine was not reserved for this person at that time."),
    "clock-uncertain": lambda words: words.t(
        "The clock of the room's computer is not certain, and this machine takes no commands without it."
    ),
    "no-supervisor": lambda words: words.t("No supervisor has checked in at the machine yet."),
    "busy": lambda words: words.t("Too many commands are waiting for this machine already."),
    "no-such-device": lambda words: words.t("The agent does not look after this device any more."),
    "no-such-action": lambda words: words.t("The agent does not know this command for this device."),
    "bad-arguments": lambda words: words.t("The values given do not fit this command."),
    "journal": lambda words: words.t("The agent cannot write to its disk, so nothing was started."),
    "expired": lambda words: words.t("It reached the machine too late."),
    NEVER_SENT: lambda words: words.t("It could not be sent in time."),
    "silent": lambda words: words.t("It was sent, but nothing was heard of it."),
    "revoked": lambda words: words.t("The agent was taken out of service."),
    "stopped": lambda words: words.t("Somebody stopped the machine before it began."),
    "no contact": lambda words: words.t("The agent has no contact with the device."),
    "the agent ended while it was carried out": lambda words: words.t("The agent ended while it was carried out."),
}
"""The agent's codes, two sentences of its own said at more length, and the controller's conclusions."""

_ADVICE: Final[Mapping[CommandStatus, Say]] = {
    CommandStatus.EXPIRED: lambda words: words.t("The command will not run by itself later."),
    CommandStatus.UNKNOWN: lambda words: words.t("Check at the machine before sending it again."),
}

_REFUSALS: Final[Mapping[str, Say]] = {
    "offline": lambda words: words.t("The agent in the room has no contact with the server."),
    "lost": lambda words: words.t("The agent has no contact with the device."),
    "taken": lambda words: words.t("Somebody else is using this machine."),
    "not-allowed": lambda words: words.t("Your account may not do this on this kind of machine."),
    "untried": lambda words: words.t("A technician has to try this command at the machine first."),
    "not-sent": lambda words: words.t("Send the command first, and look at the machine."),
    "not-done": lambda words: words.t("The command was not carried out, so nobody can say yet whether it works."),
    "revoked": lambda words: words.t("The agent was taken out of service."),
    "no-such-device": lambda words: words.t("This device is no longer there."),
    "no-such-action": lambda words: words.t("This machine has no such command."),
    "bad-arguments": lambda words: words.t("The values given do not fit this command."),
    "job": lambda words: words.t("A file is sent to this machine as a job."),
    "busy": lambda words: words.t("Too many commands are waiting for this machine already."),
    "key": lambda words: words.t("This form was used before. Load the page again."),
}
"""Why a command cannot be given, or was not taken."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a command came to its end. `text` is ours, in the reader's language and not yet safe in HTML if it is no
    Markup; `quoted` are words of firmware or of people, shown as they came."""

    text: str = ""
    quoted: str = ""
    advice: str = ""


def status_word(status: CommandStatus, words: Language) -> str:
    """The glossary's word for a state of a command."""
    return STATUS[status](words)


def reason(status: CommandStatus, detail: str, words: Language) -> Reason:
    """A final status in plain words, and what to do next."""
    return replace(reason_of(detail, words), advice=_ADVICE[status](words) if status in _ADVICE else "")


def reason_of(detail: str, words: Language) -> Reason:
    """A detail in plain words: a code, or a message of the agent. What is neither is firmware's own, and quoted."""
    if detail in _DETAILS:
        return Reason(_DETAILS[detail](words))
    told = reason_words.said(detail, words)
    return Reason(told) if told else Reason(quoted=detail)


def refusal(code: str, words: Language, until_ms: int | None = None) -> str:
    """Why a command cannot be given now; empty for a code that is not known here."""
    if code == "taken" and until_ms is not None:
        return words.t("Somebody else is using this machine until {time}.", time=clock(until_ms))
    return _REFUSALS[code](words) if code in _REFUSALS else ""
