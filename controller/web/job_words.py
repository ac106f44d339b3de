"""What the states, codes and log lines of jobs say to a reader."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from markupsafe import Markup

from controller.jobs.states import JobState
from controller.jobs.work import Work
from controller.web.command_words import Reason, reason_of
from controller.web.i18n import Language
from controller.web.job_speech import Speech, speech

Say: TypeAlias = Callable[[Language], Markup]
Spoken: TypeAlias = Callable[[Language, Speech], Markup]
"""By what the machine does."""


@dataclass(frozen=True, slots=True)
class Look:
    """`mood` is the state of ui.html's badges whose colour it has."""

    say: Spoken
    mood: str
    icon: str


STATES: Final[Mapping[JobState, Look]] = {
    JobState.CHECKING: Look(lambda words, _: words.t("The file is being checked"), "in-use", icon="file-search"),
    JobState.WAITING: Look(lambda words, _: words.t("Waits for a teacher's release"), "warning", icon="hourglass"),
    JobState.RELEASED: Look(lambda words, _: words.t("Released, going to the machine"), "in-use", icon="send"),
    JobState.PRINTING: Look(lambda _, said: said.working, "in-use", icon="player-play"),
    JobState.DONE: Look(lambda _, said: said.done, "ok", icon="circle-check"),
    JobState.FAILED: Look(lambda words, _: words.t("Did not succeed"), "fault", icon="circle-x"),
    JobState.CANCELLED: Look(lambda words, _: words.t("Cancelled"), "offline", icon="x"),
    JobState.RETURNED: Look(lambda words, _: words.t("Handed back to the group"), "warning", icon="arrow-back-up"),
    JobState.REFUSED: Look(lambda words, _: words.t("File not accepted"), "fault", icon="ban"),
    JobState.UNKNOWN: Look(lambda words, _: words.t("Outcome not known"), "warning", icon="help"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    say: Spoken
    icon: str


LOG: Final[Mapping[str, Entry]] = {
    "sent": Entry(lambda words, _: words.t("File sent"), icon="upload"),
    "checked": Entry(lambda words, _: words.t("File checked: fit for this machine"), icon="shield-check"),
    "refused": Entry(lambda words, _: words.t("File checked: not fit for this machine"), icon="ban"),
    "released": Entry(lambda _, said: said.let_go, icon="check"),
    "not-started": Entry(lambda words, _: words.t("The machine did not begin"), icon="alert-triangle"),
    "started": Entry(lambda _, said: said.began, icon="player-play"),
    "stopping": Entry(lambda words, _: words.t("Asked to stop"), icon="player-stop"),
    "not-stopped": Entry(lambda words, _: words.t("The machine was not stopped"), icon="alert-triangle"),
    "done": Entry(lambda _, said: said.done, icon="circle-check"),
    "failed": Entry(lambda _, said: said.failed, icon="circle-x"),
    "cancelled": Entry(lambda words, _: words.t("Cancelled"), icon="x"),
    "returned": Entry(lambda words, _: words.t("Handed back to the group"), icon="arrow-back-up"),
    "unknown": Entry(lambda words, _: words.t("Outcome not known"), icon="help"),
}

_FILE: Final[Mapping[str, Say]] = {
    "no-commands": lambda words: words.t("There is nothing for the machine to do in this file."),
    "file-lost": lambda words: words.t("The file is no longer on the server. Send it again."),
    "no-limits": lambda words: words.t(
        "The server does not know what this machine may do, so it takes no files for it."
    ),
    "too-long": lambda words: words.t("Checking the file took too long."),
    "unreadable": lambda words: words.t("The file could not be read."),
}
"""Why a file is not accepted, where it is not for its lines."""

_PROBLEMS: Final[Mapping[str, Say]] = {
    "too-hot": lambda words: words.t("hotter than this machine may be"),
    "too-strong": lambda words: words.t("more power than this laser may give"),
    "outside": lambda words: words.t("outside of the space of this machine"),
    "forbidden": lambda words: words.t("a command that this machine may not be given by a file"),
    "unreadable": lambda words: words.t("cannot be read"),
    "too-long": lambda words: words.t("longer than this machine takes"),
    "syntax": lambda words: words.t("is no Python"),
}

_DETAILS: Final[Mapping[str, Callable[[Language, Mapping[str, str]], Markup]]] = {
    "letters": lambda words, given: words.t("{count} letters; this machine takes {most}", **given),
    "no-gcode": lambda words, given: words.t("{line} is no G-code for certain", **given),
    "words": lambda words, given: words.t("{line} cannot be read for certain", **given),
    "not-allowed": lambda words, given: words.t("{code} is not allowed on this machine", **given),
    "one-nozzle": lambda words, given: words.t("{code}: this machine has one nozzle", **given),
    "nozzle": lambda words, given: words.t("{code} asks for {wanted} °C; the nozzle may have {most} °C", **given),
    "bed": lambda words, given: words.t("{code} asks for {wanted} °C; the bed may have {most} °C", **given),
    "chamber": lambda words, given: words.t("{code} asks for {wanted} °C; the chamber may have {most} °C", **given),
    "pushed": lambda words, given: words.t("{code} pushes {pushed} mm of filament at once", **given),
    "power": lambda words, given: words.t("S{wanted} is asked for; the laser may have S{most}", **given),
    "speed": lambda words, given: words.t("{wanted} mm/min is asked for; this machine may do {most} mm/min", **given),
    "no-speed": lambda words, given: words.t("it moves before any speed was said", **given),
    "constant-power": lambda words, given: words.t(
        "M3 keeps the beam on while the machine stands; export the job with M4 (dynamic power)", **given
    ),
    "after-end": lambda words, given: words.t("there is a command after the end of the job", **given),
    "nowhere": lambda words, given: words.t("it moves by so much before it has gone to any place", **given),
    "python": lambda words, given: words.t("Python says: {words}", **given),
    "program-long": lambda words, given: words.t("the program has more than {most} bytes", **given),
    "program-utf-8": lambda words, given: words.t("the program is no text in UTF-8", **given),
    "program-control": lambda words, given: words.t("the program holds control characters", **given),
    "nested": lambda words, given: words.t("it is nested too deeply", **given),
    "place": lambda words, given: words.t("{code} goes to {axis}{at}; {axis} may be {least} to {most} mm", **given),
}
"""What `device_profiles.gcode.DETAILS` says of a line, and `controller.jobs.program` of one of a program."""

_ENDS: Final[Mapping[str, Say]] = {
    "lost": lambda words: words.t("The machine is no longer at work on it, and nobody saw how it ended."),
    "not-seen": lambda words: words.t("The machine never said that it began."),
    "silent": lambda words: words.t("Nothing was heard of the machine for a day."),
}
"""What is known of an end that the machine did not tell."""

_ENDED: Final = frozenset({JobState.FAILED, JobState.CANCELLED, JobState.UNKNOWN})

_REFUSALS: Final[Mapping[str, Say]] = {
    "size": lambda words: words.t("The file is too large."),
    "name": lambda words: words.t("The file's name leads into other folders. Give the file a plain name."),
    "empty": lambda words: words.t("The file is empty."),
    "digest": lambda words: words.t("The file changed on its way. Send it again."),
    "quota": lambda words: words.t("The school's space for job files is used up by jobs that have not ended."),
    "disk": lambda words: words.t("The server has no room for more files now."),
    "bed": lambda words: words.t("Look at the machine first, and tick what you have seen."),
    "file-lost": lambda words: words.t("The file is no longer on the server. Send it again."),
    "machine-busy": lambda words: words.t("The machine is at work on another job."),
    "state": lambda words: words.t("The job has gone on meanwhile. This page shows how it stands now."),
}
"""Why a file was not taken, or a job not changed."""


def state_word(state: JobState, work: Work, words: Language) -> str:
    return STATES[state].say(words, speech(work, words))


def problem_word(code: str, words: Language) -> str:
    """What is wrong with a line; empty for a code that is not known here."""
    return _PROBLEMS[code](words) if code in _PROBLEMS else ""


def problem_detail(problem: Mapping[str, Any], words: Language) -> str:
    """What a line asks for and what is allowed; in English of a file that was inspected before this was told apart."""
    say = _DETAILS.get(problem.get("detail", ""))
    return say(words, problem["given"]) if say else str(problem["text"])


def refusal(code: str, words: Language) -> str:
    """Why a file or a job was not taken; empty for a code that is not known here."""
    return _REFUSALS[code](words) if code in _REFUSALS else ""


def why(state: str, detail: str, words: Language) -> Reason:
    """Why a job is as it is, or came to be so; nothing if its state says it all. Words of people and of
    firmware are quoted."""
    if state == JobState.REFUSED:
        return Reason(_FILE[detail](words)) if detail in _FILE else reason_of(detail, words)
    if state == JobState.RETURNED:
        return Reason(quoted=detail)
    return Reason(_ENDS[detail](words)) if detail in _ENDS and state in _ENDED else reason_of(detail, words)


def refusals(work: Work, words: Language) -> dict[str, str]:
    """Every code with its words, for the page that sends a file for such work."""
    told = {code: say(words).unescape() for code, say in _REFUSALS.items()}
    return told | {"type": speech(work, words).type.unescape()}
