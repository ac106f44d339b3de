"""What the pages of jobs show, as plain values."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from controller.fleet.picture import DeviceView
from controller.jobs.service import JobLine, JobView
from controller.jobs.states import JobState
from controller.jobs.work import Work
from controller.web import job_review, job_words
from controller.web.command_view import LOOKS, Line, line_of
from controller.web.command_words import Reason, status_word
from controller.web.device_view import Reader
from controller.web.formats import clock, date_time, duration, moment
from controller.web.i18n import Language, number
from controller.web.job_review import BadLine, Check, Drawing, Fact, Machine, estimate_ms, title
from controller.web.job_speech import Speech, share_done, speech, under_way
from controller.web.typography import tidy
from controller.web.views import crumbs
from controller.web.views import words as said

RUNNING: Final = (JobState.RELEASED, JobState.PRINTING)
OPEN: Final = (JobState.CHECKING, JobState.WAITING, *RUNNING)
TRUSTED_PERCENT: Final = 5.0
"""From here on the machine's own pace tells more of the end than the estimate of the file."""


@dataclass(frozen=True, slots=True)
class Badge:
    text: str
    mood: str
    icon: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A job in a list."""

    id: int
    title: str
    where: str
    badge: Badge
    percent: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is. `percent` is None if the machine does not say."""

    percent: float | None
    text: str
    share: str
    ends: str
    left: str
    more: tuple[str, ...]
    way: str
    paused: bool


@dataclass(frozen=True, slots=True)
class LogLine:
    time: str
    icon: str
    text: str
    by: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Cancel:
    """What is asked before a job is cancelled. `running`: what is cancelled cannot be resumed."""

    where: str
    stake: str
    running: bool


@dataclass(frozen=True, slots=True)
class Button:
    """A command that can be given to the machine while it prints."""

    action: str
    label: str
    icon: str
    key: str


@dataclass(frozen=True, slots=True)
class JobPage:
    """`blocked` is why it cannot be released now, empty if it can. `news` is its state in one line, for the ear."""

    id: int
    state: str
    title: str
    badge: Badge
    subtitle: str
    crumbs: tuple[tuple[str, str], ...]
    device_id: int
    device_name: str
    place: str
    by: str
    why: Reason
    said: Speech
    lines: tuple[BadLine, ...]
    drawing: Drawing | None
    facts: tuple[Fact, ...]
    checks: tuple[Check, ...]
    blocked: str
    progress: Progress | None
    buttons: tuple[Button, ...]
    last: Line | None
    cancel: Cancel | None
    log: tuple[LogLine, ...]
    news: str


def badge(job: JobView, language: Language) -> Badge:
    look = job_words.STATES[job.state]
    return Badge(job_words.state_word(job.state, job.work, language), look.mood, look.icon)


def entry(job: JobView, language: Language, now_ms: int, machine: str = "") -> Entry:
    """A line of a list. `machine` is named where the list is not of one machine."""
    parts = (machine, tidy(job.group), date_time(job.created_ms, now_ms, language))
    percent = _percent(job.progress, language) if job.state is JobState.PRINTING else ""
    return Entry(job.id, title(job), _joined(parts), badge(job, language), percent)


def at_work(jobs: Sequence[JobView], language: Language) -> str:
    """What a machine is at work on, for the question before it is stopped; empty if that is no job."""
    job = next((job for job in jobs if job.state is JobState.PRINTING), None)
    if job is None:
        job = next((job for job in jobs if job.state is JobState.RELEASED), None)
        return language.t("“{job}” is about to begin.", job=_whose(job)) if job else ""
    return under_way(job.work, _whose(job), _percent(job.progress, language), language)


def _whose(job: JobView) -> str:
    return _joined((title(job), tidy(job.group)), ", ")


def job_page(job: JobView, machine: Machine, reader: Reader) -> JobPage:
    language, device = reader.language, machine.device
    room = (device.room_id, tidy(device.room))
    path = crumbs(device.school_id, tidy(device.school), language, fleet=reader.fleet, room=room)
    look = badge(job, language)
    sent = language.t("sent at {time}", time=date_time(job.created_ms, reader.now_ms, language))
    waits = job.state is JobState.WAITING
    return JobPage(
        id=job.id,
        state=job.state.value,
        title=title(job),
        badge=look,
        subtitle=_joined((job.file_name, tidy(job.group), sent)),
        crumbs=(*path, (tidy(device.name), f"/devices/{device.id}")),
        device_id=device.id,
        device_name=tidy(device.name),
        place=_joined((tidy(device.room), tidy(device.school)), ", "),
        by=job.by,
        why=job_words.why(job.state, job.detail, language),
        said=speech(job.work, language),
        lines=job_review.bad_lines(job, language),
        drawing=job_review.drawing(job, language),
        facts=job_review.facts(job, reader),
        checks=tuple(job_review.checks(job, machine, reader)) if waits else (),
        blocked=job_review.blocked(machine, language) if waits else "",
        progress=_progress(job, machine, reader) if job.state in RUNNING else None,
        buttons=tuple(_buttons(machine, language)) if job.state is JobState.PRINTING else (),
        last=_last(job, machine, reader),
        cancel=_cancel(job, device, language) if job.state in OPEN else None,
        log=tuple(_log_line(line, job, reader) for line in reversed(job.log)),
        news=language.t("{job}: {state}", job=title(job), state=look.text),
    )


def _progress(job: JobView, machine: Machine, reader: Reader) -> Progress:
    language = reader.language
    ends_ms = None if machine.paused else _ends_ms(job, reader.now_ms)
    ends = left = ""
    percent = _percent(job.progress, language)
    if ends_ms is not None:
        ends = language.t("Ends about {time}", time=clock(ends_ms))
        left = language.t("{duration} left", duration=duration(ends_ms - reader.now_ms, language))
    return Progress(
        percent=job.progress,
        text=percent,
        share=share_done(job.work, percent, language),
        ends=ends,
        left=left,
        more=_more(job, language),
        way=language.t("Command: {state}", state=status_word(job.command.status, language)) if job.command else "",
        paused=machine.paused,
    )


def _ends_ms(job: JobView, now_ms: int) -> int | None:
    """By the machine's own pace once it can be told, else by the file's estimate; None if it has not begun.

    A program does not say when it ends.
    """
    if job.work is Work.RUN or job.state is not JobState.PRINTING or job.started_ms is None:
        return None
    if job.progress is not None and job.progress >= TRUSTED_PERCENT:
        spent_ms = max(now_ms - job.started_ms, 0)
        return now_ms + round(spent_ms * (100.0 - min(job.progress, 100.0)) / job.progress)
    return max(job.started_ms + estimate_ms(job), now_ms)


def _more(job: JobView, language: Language) -> tuple[str, ...]:
    grams = (job.review or {}).get("filament_g", 0.0)
    if job.progress is None or not grams:
        return ()
    places = 0 if grams >= 10 else 1
    used, total = (number(each, language.code, places) for each in (grams * job.progress / 100, grams))
    return (language.t("Filament about {used} / {total} g", used=used, total=total),)


def _percent(progress: float | None, language: Language) -> str:
    return "" if progress is None else f"{number(progress, language.code)}\u00a0%"


def _buttons(machine: Machine, language: Language) -> Iterator[Button]:
    """To pause it, or to let it go on."""
    wanted = "resume" if machine.paused else "pause"
    for offer in machine.offers:
        action = offer.action
        if action.name == wanted and not offer.why:
            label = said(action.label, language)
            yield Button(action.name, label, LOOKS[action.name].icon, f"{machine.key}-{action.name}")


def _last(job: JobView, machine: Machine, reader: Reader) -> Line | None:
    """What became of a pause or the like, while it prints."""
    last = machine.last
    if job.state is not JobState.PRINTING or last is None or (job.command and last.id == job.command.id):
        return None
    return line_of(last, machine.profile, reader.language, reader.now_ms)


def _cancel(job: JobView, device: DeviceView, language: Language) -> Cancel:
    where = _joined((tidy(device.name), tidy(device.room)), ", ")
    if job.state in RUNNING:
        return Cancel(where, at_work([job], language), running=True)
    return Cancel(where, language.t("“{job}” has not begun.", job=_whose(job)), running=False)


def _log_line(line: JobLine, job: JobView, reader: Reader) -> LogLine:
    known = job_words.LOG.get(line.kind)
    text = known.say(reader.language, speech(job.work, reader.language)) if known else line.kind
    icon = known.icon if known else "point"
    return LogLine(
        moment(line.at_ms, reader.now_ms, reader.language),
        icon,
        text,
        line.by,
        job_review.first_bad(job, line, reader.language) or job_words.why(line.kind, line.detail, reader.language),
    )


def _joined(parts: Sequence[str], between: str = "\u00a0· ") -> str:
    return between.join(part for part in parts if part)
