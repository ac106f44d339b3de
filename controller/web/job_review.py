"""What a job's file asks for, and what a teacher releases it on, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controller.alerts.rules import DeviceState
from controller.commands.service import CommandView, Offer
from controller.fleet.picture import DeviceView
from controller.jobs.service import JobLine, JobView
from controller.jobs.states import JobState
from controller.jobs.work import Work
from controller.web import job_words
from controller.web.command_words import Reason, reason_of, refusal
from controller.web.device_view import Reader
from controller.web.formats import clock, decimals, duration, shown
from controller.web.i18n import Language, number
from controller.web.typography import tidy
from device_profiles.profile import DeviceProfile


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine of a job. `last` is its newest command, `key` that of the forms that command it."""

    device: DeviceView
    profile: DeviceProfile | None
    in_use: bool
    paused: bool = False
    offers: Sequence[Offer] = ()
    last: CommandView | None = None
    key: str = ""


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
class BadLine:
    line: str
    word: str
    text: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """`preview` is device_profiles.gcode.preview.Preview as JSON."""

    preview: Mapping[str, Any]
    label: str


def title(job: JobView) -> str:
    return tidy(job.title or job.file_name)


def bad_lines(job: JobView, language: Language) -> tuple[BadLine, ...]:
    problems = (job.review or {}).get("problems", ())
    return tuple(
        BadLine(
            number(each["line"], language.code),
            job_words.problem_word(each["code"], language),
            job_words.problem_detail(each, language),
        )
        for each in problems
    )


def first_bad(job: JobView, told: JobLine, language: Language) -> Reason | None:
    """The first line for which a file was refused; None if that is not what the job's log tells here."""
    found = bad_lines(job, language) if told.kind == JobState.REFUSED else ()
    if not found or not told.detail.startswith("line "):
        return None
    line = language.t("Line {n}", n=found[0].line)
    return Reason(line + ": " + found[0].text)  # both are safe in HTML, and stay so


def drawing(job: JobView, language: Language) -> Drawing | None:
    preview = job.preview
    if not preview or not preview.get("strokes"):
        return None
    size = _size(preview, language)
    if job.work is Work.CUT:
        return Drawing(preview, language.t("{title} as it is cut, seen from the front left", title=title(job)))
    return Drawing(
        preview, language.t("{title} as it is printed, {size}, seen from the front left", title=title(job), size=size)
    )


def _size(preview: Mapping[str, Any], language: Language) -> str:
    sizes = [float(preview[f"{side}_mm"]) for side in ("width", "depth", "height")]
    sides = (number(each, language.code, decimals(each)) for each in sizes)
    return f"{' × '.join(sides)}\u00a0mm"


def facts(job: JobView, reader: Reader) -> tuple[Fact, ...]:
    review, preview, language = job.review, job.preview or {}, reader.language
    if review is None or job.state is JobState.REFUSED:
        return ()
    if job.work is not Work.PRINT:
        return _cut_facts(job, language) if job.work is Work.CUT else _program_facts(job, language)
    sliced = language.t("by the slicer") if review["sliced"] else language.t("estimated from the moves")
    length = str(shown(review["filament_mm"] / 1000, "m", language))
    weight = str(shown(round(review["filament_g"], 1), "g", language))
    hot = " / ".join(number(review[f"hottest_{part}_c"], language.code) for part in ("nozzle", "bed"))
    found = [
        Fact(language.t("Time"), duration(estimate_ms(job), language), sliced, icon="clock"),
        Fact(language.t("Filament"), weight, length, icon="weight"),
        Fact(language.t("Temperature"), f"{hot}\u00a0°C", language.t("Nozzle / bed"), icon="temperature"),
    ]
    if preview.get("height_mm"):
        height = str(shown(preview["height_mm"], "mm", language))
        found.insert(2, Fact(language.t("Height"), height, _size(preview, language), icon="ruler-2"))
    return tuple(found)


def _cut_facts(job: JobView, language: Language) -> tuple[Fact, ...]:
    review = job.review or {}
    far = review["cut_mm"] >= 1000
    length = str(shown(review["cut_mm"] / (1000 if far else 1), "m" if far else "mm", language))
    power = str(shown(review["power_percent"], "%", language))
    estimated = language.t("estimated from the moves")
    return (
        Fact(language.t("Time"), duration(estimate_ms(job), language), estimated, icon="clock"),
        Fact(language.t("Cut"), length, language.t("the way with the beam on"), icon="ruler-2"),
        Fact(language.t("Laser power"), power, language.t("at most"), icon="temperature"),
    )


def _program_facts(job: JobView, language: Language) -> tuple[Fact, ...]:
    review = job.review or {}
    size = str(shown(job.size, "By", language))
    found = [
        Fact(language.t("Length"), language.tn("{n} line", "{n} lines", review.get("lines", 0)), size, icon="ruler-2")
    ]
    if modules := review.get("modules"):
        found.append(Fact(language.t("Uses"), ", ".join(modules), language.t("modules of MicroPython"), icon="package"))
    return tuple(found)


def estimate_ms(job: JobView) -> int:
    return round(1000 * float((job.review or {}).get("duration_s", 0.0)))


def checks(job: JobView, machine: Machine, reader: Reader) -> Sequence[Check]:
    language = reader.language
    found = [_came_to_nothing(job, language)] if job.detail else []
    found += _program_checks(language) if job.work is Work.RUN else _gcode_checks(job, machine, reader)
    why_not = blocked(machine, language)
    ready = why_not or language.t("In contact, and not at work")
    found.append(Check("fault" if why_not else "ok", language.t("The machine is ready"), ready))
    text = language.t("Only somebody who stands in front of it can say that.")
    found.append(Check("warning", _must(job.work, language), text))
    return found


def _must(work: Work, language: Language) -> str:
    """What only a person can see."""
    if work is Work.CUT:
        return language.t("Material, lid and extractor")
    return language.t("The kit may move") if work is Work.RUN else language.t("The bed must be empty")


def _program_checks(language: Language) -> list[Check]:
    text = language.t("It can be read as Python; what the kit itself cannot do, it says when it runs.")
    lease = language.t("Until it ends or is stopped")
    return [Check("ok", language.t("A program"), text), Check("ok", language.t("Time it takes"), lease)]


def _gcode_checks(job: JobView, machine: Machine, reader: Reader) -> list[Check]:
    language, review = reader.language, job.review or {}
    commands = number(review.get("commands", 0), language.code)
    text = language.t("{commands} commands read; none asks for more than it may do", commands=commands)
    found = [Check("ok", language.t("Right for this machine"), text)]
    if job.work is Work.CUT:
        power = str(shown(review.get("power_percent", 0.0), "%", language))
        text = language.t("The beam is off whenever the machine stands; at most {power} of its power", power=power)
        found.append(Check("ok", language.t("Laser"), text))
    elif machine.profile is not None:
        found.append(Check("ok", language.t("Not too hot"), _heat(review, machine.profile, language)))
    ends = clock(reader.now_ms + estimate_ms(job))
    text = language.t(
        "About {duration}: until {time} if it is released now",
        duration=duration(estimate_ms(job), language),
        time=ends,
    )
    found.append(Check("ok", language.t("Time it takes"), text))
    return found


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


def blocked(machine: Machine, language: Language) -> str:
    if machine.device.state is DeviceState.OFFLINE:
        return language.t("There is no contact with the machine now.")
    taken = next((offer for offer in machine.offers if offer.why == "taken"), None)
    if taken is not None:
        return refusal(taken.why, language, taken.until_ms)
    if machine.in_use:
        return language.t("The machine is in use now. Wait until it has ended.")
    return ""
