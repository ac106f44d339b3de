"""What the pages of print jobs say: facts, checks, progress, what is at stake, and why a job is as it is."""

import re
from dataclasses import asdict, replace
from typing import Any

import pytest
from markupsafe import escape

from contract.model import CommandStatus
from controller.alerts.rules import DeviceState
from controller.commands.service import CommandView, Offer
from controller.fleet.picture import DeviceView
from controller.jobs.service import JobLine, JobView
from controller.jobs.states import JobState
from controller.jobs.work import Work
from controller.web import job_words
from controller.web.device_view import Reader
from controller.web.i18n import language
from controller.web.job_review import Machine
from controller.web.job_view import JobPage, at_work, entry, job_page
from device_profiles import gcode
from device_profiles.gcode import cut
from device_profiles.profile import load

EN, VI = language("en"), language("vi")
PRINTER = load("prusa/mk3s")
NOW = 1_790_000_000_000  # 21:13:20 of the schools' wall clock
MINUTE = 60_000
REVIEW: dict[str, Any] = {
    "commands": 12_345,
    "duration_s": 4320.0,
    "sliced": True,
    "filament_mm": 12_700.0,
    "filament_g": 38.04,
    "hottest_nozzle_c": 215.0,
    "hottest_bed_c": 60.0,
    "problems": [],
}
PREVIEW: dict[str, Any] = {
    "view_box": "0 0 9 9",
    "bed": "M0 0",
    "grid": "M1 1",
    "strokes": [{"kind": "wall", "tone": 1, "data": "M2 2"}],
    "width_mm": 200.0,
    "depth_mm": 60.0,
    "height_mm": 62.4,
    "layers": 312,
}
JOB = JobView(
    id=7,
    device_id=3,
    work=Work.PRINT,
    file_name="cau-gian.gcode",
    title="Mô hình cầu giàn",
    group="Nhóm 3, lớp 8A1",
    by="Lê Minh Hà",
    created_ms=NOW - 20 * MINUTE,
    state=JobState.WAITING,
    state_ms=NOW,
    detail="",
    size=100_000,
    review=REVIEW,
    preview=PREVIEW,
    progress=None,
    started_ms=None,
    ended_ms=None,
    command=None,
    log=(),
)
DEVICE = DeviceView(
    id=3,
    slug="3d-b",
    name="Máy in 3D B",
    school_id="canh-buom",
    school="THCS Cánh Buồm",
    room_id=1,
    room="FabLab",
    agent_id=1,
    agent="pi-fablab",
    profile_slug="prusa/mk3s",
    state=DeviceState.OK,
    since_ms=0,
    reasons=(),
    heard_ms=NOW,
    metric="",
    unit="1",
    value=None,
)
MACHINE = Machine(DEVICE, PRINTER, in_use=False)
READER = Reader(EN, NOW, fleet=False)


def page(job: JobView = JOB, machine: Machine = MACHINE, reader: Reader = READER) -> JobPage:
    return job_page(job, machine, reader)


def printing(progress: float | None, minutes: int) -> JobView:
    return replace(JOB, state=JobState.PRINTING, progress=progress, started_ms=NOW - minutes * MINUTE)


def test_the_facts_are_those_of_the_file() -> None:
    assert [(fact.label, fact.value, fact.more) for fact in page().facts] == [
        ("Time", "1 hour 12 minutes", "by the slicer"),
        ("Filament", "38\u00a0g", "12.7\u00a0m"),
        ("Height", "62.4\u00a0mm", "200 × 60 × 62.4\u00a0mm"),
        ("Temperature", "215 / 60\u00a0°C", "Nozzle / bed"),
    ]


def test_an_estimate_of_ours_is_called_one_and_without_a_drawing_there_is_no_height() -> None:
    found = page(replace(JOB, review=REVIEW | {"sliced": False}, preview=None))
    assert found.facts[0].more == "estimated from the moves"
    assert [fact.label for fact in found.facts] == ["Time", "Filament", "Temperature"]
    assert found.drawing is None


def test_the_drawing_says_what_it_shows() -> None:
    drawing = page().drawing
    assert drawing is not None
    assert drawing.label == "Mô hình cầu giàn as it is printed, 200 × 60 × 62.4\u00a0mm, seen from the front left"


def test_a_teacher_releases_on_facts_with_numbers() -> None:
    assert [(check.mood, check.title, check.text) for check in page().checks] == [
        ("ok", "Right for this machine", "12,345 commands read; none asks for more than it may do"),
        ("ok", "Not too hot", "Nozzle 215 of at most 290 °C, bed 60 of at most 115 °C"),
        ("ok", "Time it takes", "About 1 hour 12 minutes: until 22:25 if it is released now"),
        ("ok", "The machine is ready", "In contact, and not at work"),
        ("warning", "The bed must be empty", "Only somebody who stands in front of it can say that."),
    ]
    assert page().blocked == ""


@pytest.mark.parametrize(
    ("machine", "why"),
    [
        (
            replace(MACHINE, device=replace(DEVICE, state=DeviceState.OFFLINE)),
            "There is no contact with the machine now.",
        ),
        (replace(MACHINE, in_use=True), "The machine is in use now. Wait until it has ended."),
        (
            replace(MACHINE, offers=(Offer(PRINTER.actions["pause"], "taken", NOW + 30 * MINUTE),)),
            "Somebody else is using this machine until 21:43.",
        ),
    ],
)
def test_what_cannot_be_released_now_says_why(machine: Machine, why: str) -> None:
    found = page(machine=machine)
    assert found.blocked == why
    assert ("fault", "The machine is ready", why) in [(each.mood, each.title, each.text) for each in found.checks]


def test_a_release_that_came_to_nothing_stands_first() -> None:
    first = page(replace(JOB, detail="busy")).checks[0]
    assert (first.mood, first.title) == ("warning", "The last release came to nothing")
    assert first.text == "Too many commands are waiting for this machine already."
    assert page(replace(JOB, detail="the printer is paused")).checks[0].text == "the printer is paused"
    assert page(replace(JOB, detail="Probing failed")).checks[0].text == "“Probing failed”"


def test_only_a_job_that_waits_can_be_released() -> None:
    for state in JobState:
        assert bool(page(replace(JOB, state=state)).checks) is (state is JobState.WAITING)


@pytest.mark.parametrize(
    ("job", "ends", "left"),
    [
        (printing(50.0, 30), "Ends about 21:43", "30 minutes left"),
        (printing(2.0, 12), "Ends about 22:13", "1 hour left"),
        (printing(None, 12), "Ends about 22:13", "1 hour left"),
        (printing(None, 90), "Ends about 21:13", "0 seconds left"),
    ],
    ids=["by its own pace", "too early to tell its pace", "a machine that says nothing", "longer than estimated"],
)
def test_the_end_of_a_print_is_foretold(job: JobView, ends: str, left: str) -> None:
    progress = page(job).progress
    assert progress is not None
    assert (progress.ends, progress.left) == (ends, left)


def test_progress_says_how_far_it_is_and_nothing_that_the_machine_does_not_tell() -> None:
    told, untold = page(printing(34.4, 25)).progress, page(printing(None, 25)).progress
    assert told is not None
    assert untold is not None
    assert (told.text, told.more) == ("34\u00a0%", ("Filament about 13 / 38 g",))
    assert (untold.percent, untold.text, untold.more) == (None, "", ())


def test_a_paused_print_foretells_no_end_and_offers_to_go_on() -> None:
    offers = tuple(Offer(PRINTER.actions[name]) for name in ("pause", "resume"))
    going = page(printing(50.0, 30), replace(MACHINE, offers=offers))
    paused = page(printing(50.0, 30), replace(MACHINE, offers=offers, paused=True))
    assert [button.action for button in going.buttons] == ["pause"]
    assert [button.action for button in paused.buttons] == ["resume"]
    assert paused.progress is not None
    assert (paused.progress.ends, paused.progress.paused) == ("", True)


def test_what_cannot_be_asked_for_has_no_button() -> None:
    offers = (Offer(PRINTER.actions["pause"], "taken", NOW),)
    assert page(printing(50.0, 30), replace(MACHINE, offers=offers)).buttons == ()


def test_what_became_of_a_pause_is_said_but_not_again_how_the_print_began() -> None:
    pause = CommandView(
        "c-2", 3, "pause", {}, "Hà", NOW, NOW, CommandStatus.REFUSED, "the printer is ready", told=True, steps=()
    )
    start = replace(pause, id="c-1", action="print", status=CommandStatus.DONE)
    job = replace(printing(50.0, 30), command=start)
    last = page(job, replace(MACHINE, last=pause)).last
    assert last is not None
    assert (last.what, last.word) == ("Pause", "Refused")
    assert page(job, replace(MACHINE, last=start)).last is None


@pytest.mark.parametrize(
    ("job", "stake", "running"),
    [
        (JOB, "“Mô hình cầu giàn, Nhóm 3, lớp\u00a08A1” has not begun.", False),
        (
            printing(34.0, 25),
            "“Mô hình cầu giàn, Nhóm 3, lớp\u00a08A1” is being printed, 34\u00a0% is done.",
            True,
        ),
        (printing(None, 25), "“Mô hình cầu giàn, Nhóm 3, lớp\u00a08A1” is being printed.", True),
        (
            replace(JOB, state=JobState.RELEASED, group=""),
            "“Mô hình cầu giàn” is about to begin.",
            True,
        ),
    ],
)
def test_the_question_before_a_cancel_names_what_is_at_stake(job: JobView, stake: str, running: bool) -> None:
    cancel = page(job).cancel
    assert cancel is not None
    assert (cancel.where, cancel.stake, cancel.running) == (
        "Máy in 3D B, FabLab",
        stake,
        running,
    )


def test_a_job_at_its_end_cannot_be_cancelled() -> None:
    for state in JobState:
        assert (page(replace(JOB, state=state)).cancel is None) is state.final


def test_what_a_machine_prints_is_the_job_that_runs() -> None:
    waits, runs = replace(JOB, title="Other"), printing(5.0, 3)
    assert at_work([waits, runs], EN).startswith("“Mô hình cầu giàn")
    assert at_work([waits], EN) == ""


def test_a_refused_file_shows_its_lines_in_words() -> None:
    problems = [{"line": 1234, "code": "too-hot", "text": "M104 asks for 300 °C"}]
    job = replace(JOB, state=JobState.REFUSED, detail="line 1234: M104", review=REVIEW | {"problems": problems})
    (line,) = page(job, reader=Reader(VI, NOW, fleet=False)).lines
    assert (line.line, line.word, line.text) == ("1.234", "nóng hơn mức máy này cho phép", "M104 asks for 300 °C")
    assert page(job).facts == ()


@pytest.mark.parametrize(
    ("state", "detail", "text", "quoted"),
    [
        (JobState.REFUSED, "no-commands", "There is nothing for the machine to do in this file.", ""),
        (JobState.RETURNED, "Thành mỏng quá", "", "Thành mỏng quá"),
        (JobState.RETURNED, "busy", "", "busy"),
        (JobState.FAILED, "THERMAL RUNAWAY", "", "THERMAL RUNAWAY"),
        (JobState.FAILED, "lost", "The machine is no longer at work on it, and nobody saw how it ended.", ""),
        (JobState.UNKNOWN, "silent", "Nothing was heard of the machine for a day.", ""),
        (JobState.PRINTING, "no contact", "The agent has no contact with the device.", ""),
        (JobState.DONE, "", "", ""),
    ],
)
def test_why_a_job_is_as_it_is(state: JobState, detail: str, text: str, quoted: str) -> None:
    found = job_words.why(state, detail, EN)
    assert (found.text, found.quoted) == (text, quoted)


def test_every_state_and_line_of_the_log_has_its_words() -> None:
    assert set(job_words.STATES) == set(JobState)
    kinds = ("sent", "checked", "refused", "released", "not-started", "started", "stopping", "not-stopped")
    assert set(job_words.LOG) == {*kinds, "done", "failed", "cancelled", "returned", "unknown"}


def test_the_log_is_told_newest_first_with_who_did_it() -> None:
    log = (JobLine(NOW, "sent", "Lê Minh Hà", ""), JobLine(NOW + 1000, "checked", "", ""))
    lines = page(replace(JOB, log=log)).log
    assert [(line.time, line.text, line.by) for line in lines] == [
        ("21:13:21", "File checked: fit for this machine", ""),
        ("21:13:20", "File sent", "Lê Minh Hà"),
    ]


def test_what_python_says_of_a_line_is_escaped_once_in_the_log_too() -> None:
    problems = [{"line": 1, "code": "syntax", "text": "", "detail": "python", "given": {"words": "expected ':'"}}]
    log = (JobLine(NOW, "refused", "", "line 1: expected ':'"),)
    job = replace(JOB, work=Work.RUN, state=JobState.REFUSED, review={"problems": problems}, log=log)
    shown = page(job)
    assert escape(shown.log[0].reason.text) == "Line 1: Python says: expected &#39;:&#39;"
    assert escape(shown.lines[0].text) == "Python says: expected &#39;:&#39;"


PROGRAM: dict[str, Any] = {"kind": "run", "commands": 4, "lines": 5, "modules": ["microbit"], "problems": []}
KIT_JOB = replace(JOB, work=Work.RUN, review=PROGRAM, preview=None, file_name="tim.py", title="", size=2100)


def test_program_tells_its_length_and_modules_and_neither_heat_nor_end() -> None:
    kit = replace(MACHINE, profile=load("bbc/microbit"))
    waits = page(KIT_JOB, kit)
    assert [(fact.label, fact.value, fact.more) for fact in waits.facts] == [
        ("Length", "5 lines", "2.1\u00a0kB"),
        ("Uses", "microbit", "modules of MicroPython"),
    ]
    assert [check.title for check in waits.checks] == [
        "A program",
        "Time it takes",
        "The machine is ready",
        "The kit may move",
    ]
    runs = page(replace(KIT_JOB, state=JobState.PRINTING, started_ms=NOW), kit)
    assert runs.progress is not None
    assert (runs.badge.text, runs.progress.ends, runs.progress.percent) == ("Running", "", None)


@pytest.mark.parametrize("work", [Work.CUT, Work.RUN])
@pytest.mark.parametrize("state", list(JobState))
def test_no_word_of_printing_where_nothing_is_printed(work: Work, state: JobState) -> None:
    log = tuple(JobLine(NOW, kind, "", "lost") for kind in job_words.LOG)
    review = PROGRAM | {"kind": work.value, "cut_mm": 1.0, "power_percent": 2.0, "duration_s": 60.0}
    job = replace(JOB, work=work, review=review, preview=None, state=state, progress=5.0, started_ms=NOW, log=log)
    for words, pattern in ((EN, "print|bed|nozzle"), (VI, r"\bin\b")):
        shown = page(
            job,
            replace(MACHINE, profile=load("grbl/laser"), device=replace(DEVICE, name="Máy X")),
            replace(READER, language=words),
        )
        said = " | ".join((re.sub("(state|mood)='[a-z-]+'", "", str(shown)), *job_words.refusals(work, words).values()))
        assert not re.search(pattern, said.lower()), re.search(f".{{60}}({pattern}).{{20}}", said.lower())


def test_a_job_without_a_title_goes_by_its_file() -> None:
    assert page(replace(JOB, title="")).title == "cau-gian.gcode"


def test_a_list_names_the_machine_where_it_is_not_of_one() -> None:
    found = entry(printing(34.0, 25), EN, NOW, "Máy in 3D B")
    assert found.where.startswith("Máy in 3D B\u00a0· Nhóm")
    assert (found.percent, found.badge.text) == ("34\u00a0%", "Printing")


def test_what_people_wrote_is_escaped_once() -> None:
    cancel = page(replace(JOB, title="A & B", group="<b>")).cancel
    assert cancel is not None
    assert cancel.stake == "“A &amp; B, &lt;b&gt;” has not begun."
    assert hasattr(cancel.stake, "__html__")


def test_every_detail_of_a_bad_line_is_said_in_both_languages() -> None:
    given = dict.fromkeys(("count", "most", "line", "code", "wanted", "pushed", "axis", "at", "least"), "7")
    for detail, text in gcode.DETAILS.items():
        problem = {"line": 1, "code": "outside", "text": "", "detail": detail, "given": given}
        english, vietnamese = (job_words.problem_detail(problem, each) for each in (EN, VI))
        assert english.replace(";", ",") == text.format(**given)
        assert vietnamese != english
        assert "{" not in vietnamese


def test_line_that_was_found_bad_before_details_were_told_is_said_as_it_was() -> None:
    problem = {"line": 1, "code": "too-hot", "text": "M104 asks for 300 °C, the nozzle may have 260 °C"}
    assert job_words.problem_detail(problem, VI) == problem["text"]


def test_hot_line_is_refused_in_vietnamese() -> None:
    limits = PRINTER.options["limits"]
    found = gcode.inspect(["M104 S400"], gcode.limits(limits)).review.problems[0]
    assert job_words.problem_detail(asdict(found), VI).startswith("M104 yêu cầu 400")


def test_log_of_a_refused_file_names_its_first_line_in_the_readers_language() -> None:
    found = gcode.inspect(["G28", "M104 S400"], gcode.limits(PRINTER.options["limits"])).review.problems
    review = REVIEW | {"problems": [asdict(each) for each in found]}
    log = (JobLine(NOW, "refused", "", str(found[0])),)
    shown = page(replace(JOB, state=JobState.REFUSED, review=review, log=log), reader=replace(READER, language=VI))
    assert shown.log[0].reason.text == "Dòng 2: M104 yêu cầu 400\u00a0°C; đầu in chỉ được tối đa 290\u00a0°C"
    assert shown.lines[0].text in shown.log[0].reason.text


def test_cut_job_tells_power_and_way_and_asks_for_somebody_who_stays() -> None:
    path = ["G0 X10 Y10", "M4 S600 F2400", "G1 X60", "G1 Y40", "M5"]
    cutter = load("grbl/laser")
    found = cut.inspect(path, cut.limits(cutter.options["limits"]))
    job = replace(JOB, work=Work.CUT, review=asdict(found.review), preview=asdict(found.preview))
    shown = page(job, replace(MACHINE, profile=cutter), replace(READER, language=VI))
    assert shown.said.release == "Duyệt và cắt"
    assert [(fact.label, fact.value) for fact in shown.facts][1:] == [
        ("Đường cắt", "80\u00a0mm"),
        ("Công suất tia laser", "60\u00a0%"),
    ]
    assert "Vật liệu, nắp máy và quạt hút khói" in [check.title for check in shown.checks]
    assert not any("°C" in check.text for check in shown.checks)
    assert shown.drawing is not None
    assert "khi cắt" in shown.drawing.label
