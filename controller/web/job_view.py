"""What the pages of print jobs show, as plain values."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from controller.alerts.rules import DeviceState
from controller.commands.service import Offer
from controller.fleet.picture import DeviceView
from controller.jobs.service import JobLine, JobView
from controller.jobs.states import JobState
from controller.web import job_words
from controller.web.command_view import LOOKS
from controller.web.command_words import Reason, reason_of, status_word
from controller.web.formats import clock, date_time, decimals, duration, moment, shown
from controller.web.i18n import Language, number
from controller.web.typography import tidy
from controller.web.views import crumbs
from controller.web.views import words as said
from device_profiles.profile import DeviceProfile

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
class Fact:
    label: str
    value: str
    more: str
    icon: str


@dataclass(frozen=True, slots=True)
class Check:
    """A fact that the teacher releases on. `mood` is ok, warning or fault."""

    mood: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a print is. `percent` is None if the machine does not say."""

    percent: float | None
    text: str
    ends: str
    left: str
    more: tuple[str, ...]
    way: str


@dataclass(frozen=True, slots=True)
class BadLine:
    line: str
    word: str
    text: str


@dataclass(frozen=True, slots=True)
class LogLine:
    time: str
    icon: str
    text: str
    by: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Drawing:
    """`preview` is device_profiles.gcode_preview.Preview as JSON."""

    preview: Mapping[str, Any]
    label: str


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
    lines: tuple[BadLine, ...]
    drawing: Drawing | None
    facts: tuple[Fact, ...]
    checks: tuple[Check, ...]
    blocked: str
    progress: Progress | None
    buttons: tuple[Button, ...]
    cancel: Cancel | None
    log: tuple[LogLine, ...]
    news: str


@dataclass(frozen=True, slots=True)
class Reader:
    """For whom and when a page is made. `fleet` says whether the reader may see the fleet page."""

    language: Language
    now_ms: int
    fleet: bool


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine of a job. `key` is that of the forms that command it."""

    device: DeviceView
    profile: DeviceProfile | None
    in_use: bool
    paused: bool = False
    offers: Sequence[Offer] = ()
    key: str = ""


def badge(state: JobState, language: Language) -> Badge:
    look = job_words.STATES[state]
    return Badge(look.say(language), look.mood, look.icon)


def title(job: JobView) -> str:
    return tidy(job.title or job.file_name)


def entry(job: JobView, language: Language, now_ms: int, machine: str = "") -> Entry:
    """A line of a list. `machine` is named where the list is not of one machine."""
    parts = (machine, tidy(job.group), date_time(job.created_ms, now_ms, language))
    percent = _percent(job.progress, language) if job.state is JobState.PRINTING else ""
    return Entry(job.id, title(job), _joined(parts), badge(job.state, language), percent)


def at_work(jobs: Sequence[JobView], language: Language) -> str:
    """What a machine prints now, for the question before it is stopped; empty if it prints no job."""
    job = next((job for job in jobs if job.state is JobState.PRINTING), None)
    if job is None:
        job = next((job for job in jobs if job.state is JobState.RELEASED), None)
        return language.t("“{job}” is about to begin.", job=_whose(job)) if job else ""
    if job.progress is None:
        return language.t("“{job}” is being printed.", job=_whose(job))
    percent = _percent(job.progress, language)
    return language.t("“{job}” is being printed, {percent} is done.", job=_whose(job), percent=percent)


def _whose(job: JobView) -> str:
    return _joined((title(job), tidy(job.group)), ", ")


def job_page(job: JobView, machine: Machine, reader: Reader) -> JobPage:
    language, device = reader.language, machine.device
    room = (device.room_id, tidy(device.room))
    path = crumbs(device.school_id, tidy(device.school), language, fleet=reader.fleet, room=room)
    look = badge(job.state, language)
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
        why=job_words.why(job, language),
        lines=_bad_lines(job, language),
        drawing=_drawing(job, language),
        facts=_facts(job, reader),
        checks=tuple(_checks(job, machine, reader)) if waits else (),
        blocked=_blocked(machine, language) if waits else "",
        progress=_progress(job, reader) if job.state in RUNNING else None,
        buttons=tuple(_buttons(machine, language)) if job.state is JobState.PRINTING else (),
        cancel=_cancel(job, device, language) if job.state in OPEN else None,
        log=tuple(_log_line(line, reader) for line in reversed(job.log)),
        news=language.t("{job}: {state}", job=title(job), state=look.text),
    )


# what the file asks for


def _bad_lines(job: JobView, language: Language) -> tuple[BadLine, ...]:
    problems = (job.review or {}).get("problems", ())
    return tuple(
        BadLine(number(each["line"], language.code), job_words.problem_word(each["code"], language), each["text"])
        for each in problems
    )


def _drawing(job: JobView, language: Language) -> Drawing | None:
    preview = job.preview
    if not preview or not preview.get("strokes"):
        return None
    size = _size(preview, language)
    return Drawing(
        preview, language.t("{title} as it is printed, {size}, seen from the front left", title=title(job), size=size)
    )


def _size(preview: Mapping[str, Any], language: Language) -> str:
    sizes = [float(preview[f"{side}_mm"]) for side in ("width", "depth", "height")]
    sides = (number(each, language.code, decimals(each)) for each in sizes)
    return f"{' × '.join(sides)}\u00a0mm"


def _facts(job: JobView, reader: Reader) -> tuple[Fact, ...]:
    review, preview, language = job.review, job.preview or {}, reader.language
    if review is None or job.state is JobState.REFUSED:
        return ()
    sliced = language.t("by the slicer") if review["sliced"] else language.t("estimated from the moves")
    length = str(shown(review["filament_mm"] / 1000, "m", language))
    weight = str(shown(round(review["filament_g"], 1), "g", language))
    hot = " / ".join(number(review[f"hottest_{part}_c"], language.code) for part in ("nozzle", "bed"))
    facts = [
        Fact(language.t("Time"), duration(_estimate_ms(job), language), sliced, icon="clock"),
        Fact(language.t("Filament"), weight, length, icon="weight"),
        Fact(language.t("Temperature"), f"{hot}\u00a0°C", language.t("Nozzle / bed"), icon="temperature"),
    ]
    if preview.get("height_mm"):
        height = str(shown(preview["height_mm"], "mm", language))
        facts.insert(2, Fact(language.t("Height"), height, _size(preview, language), icon="ruler-2"))
    return tuple(facts)


def _estimate_ms(job: JobView) -> int:
    return round(1000 * float((job.review or {}).get("duration_s", 0.0)))


# what the teacher releases on


def _checks(job: JobView, machine: Machine, reader: Reader) -> Sequence[Check]:
    language, review = reader.language, job.review or {}
    checks = []
    if job.detail:
        checks.append(_came_to_nothing(job, language))
    commands = number(review.get("commands", 0), language.code)
    text = language.t("{commands} commands read; none asks for more than it may do", commands=commands)
    checks.append(Check("ok", language.t("Right for this machine"), text))
    if machine.profile is not None:
        checks.append(Check("ok", language.t("Not too hot"), _heat(review, machine.profile, language)))
    ends = clock(reader.now_ms + _estimate_ms(job))
    text = language.t(
        "About {duration}: until {time} if it is released now",
        duration=duration(_estimate_ms(job), language),
        time=ends,
    )
    checks.append(Check("ok", language.t("Time it takes"), text))
    blocked = _blocked(machine, language)
    ready = language.t("In contact, and not at work")
    checks.append(Check("fault" if blocked else "ok", language.t("The machine is ready"), blocked or ready))
    text = language.t("Only somebody who stands in front of it can say that.")
    checks.append(Check("warning", language.t("The bed must be empty"), text))
    return checks


def _came_to_nothing(job: JobView, language: Language) -> Check:
    reason = reason_of(job.detail, language)
    text = reason.text or language.t("“{words}”", words=reason.quoted)
    return Check("warning", language.t("The last release came to nothing"), text)


def _heat(review: Mapping[str, Any], profile: DeviceProfile, language: Language) -> str:
    limits = profile.options.get("limits", {})
    return language.t(
        "Nozzle {nozzle} of at most {most_nozzle} °C, bed {bed} of at most {most_bed} °C",
        nozzle=number(review.get("hottest_nozzle_c", 0), language.code),
        most_nozzle=number(limits.get("nozzle_c", 0), language.code),
        bed=number(review.get("hottest_bed_c", 0), language.code),
        most_bed=number(limits.get("bed_c", 0), language.code),
    )


def _blocked(machine: Machine, language: Language) -> str:
    if machine.device.state is DeviceState.OFFLINE:
        return language.t("There is no contact with the machine now.")
    if machine.in_use:
        return language.t("The machine is in use now. Wait until it has ended.")
    return ""


# how it goes on


def _progress(job: JobView, reader: Reader) -> Progress:
    language = reader.language
    way = "" if job.command is None else status_word(job.command.status, language)
    ends_ms = _ends_ms(job, reader.now_ms)
    if ends_ms is None:
        return Progress(job.progress, _percent(job.progress, language), "", "", (), way)
    left = duration(max(ends_ms - reader.now_ms, 0), language)
    return Progress(
        percent=job.progress,
        text=_percent(job.progress, language),
        ends=language.t("Ends about {time}", time=clock(ends_ms)),
        left=language.t("{duration} left", duration=left),
        more=_more(job, language),
        way=way,
    )


def _ends_ms(job: JobView, now_ms: int) -> int | None:
    """By the machine's own pace once it can be told, else by the file's estimate; None if it has not begun."""
    if job.state is not JobState.PRINTING or job.started_ms is None:
        return None
    if job.progress is not None and job.progress >= TRUSTED_PERCENT:
        spent_ms = max(now_ms - job.started_ms, 0)
        return now_ms + round(spent_ms * (100.0 - min(job.progress, 100.0)) / job.progress)
    return max(job.started_ms + _estimate_ms(job), now_ms)


def _more(job: JobView, language: Language) -> tuple[str, ...]:
    grams = (job.review or {}).get("filament_g", 0.0)
    if job.progress is None or not grams:
        return ()
    used, total = (number(each, language.code) for each in (grams * job.progress / 100, grams))
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


def _cancel(job: JobView, device: DeviceView, language: Language) -> Cancel:
    where = _joined((tidy(device.name), tidy(device.room)), ", ")
    if job.state in RUNNING:
        return Cancel(where, at_work([job], language), running=True)
    return Cancel(where, language.t("“{job}” has not begun.", job=_whose(job)), running=False)


def _log_line(line: JobLine, reader: Reader) -> LogLine:
    known = job_words.LOG.get(line.kind)
    text = known.say(reader.language) if known else line.kind
    icon = known.icon if known else "point"
    return LogLine(
        moment(line.at_ms, reader.now_ms, reader.language),
        icon,
        text,
        line.by,
        job_words.log_reason(line, reader.language),
    )


def _joined(parts: Sequence[str], between: str = "\u00a0· ") -> str:
    return between.join(part for part in parts if part)
