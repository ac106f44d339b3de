"""What the card of commands says: buttons, reasons, what is at stake, and the way of each command."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from contract.model import CommandStatus, Kind, Value
from controller.commands.service import CommandView, Offer, StepView
from controller.web.command_fields import Field, WrongInput, fields_of, read_fields
from controller.web.command_view import Asked, Button, CommandCard, Scene, command_card
from controller.web.command_words import STATUS, Reason, reason, refusal
from controller.web.i18n import language
from device_profiles.profile import load

PRINTER, PROJECTOR = load("prusa/mk3s"), load("pjlink/projector")
EN, VI = language("en"), language("vi")
NOW = 1_790_000_000_000  # 21:13:20 of the schools' wall clock
SCENE = Scene(7, "Máy in 3D B", "FabLab", "THCS Cánh Buồm", PRINTER, in_use=False)
ALL = tuple(Offer(action) for action in PRINTER.actions.values())


def card(scene: Scene = SCENE, offers: tuple[Offer, ...] = ALL, commands: tuple[CommandView, ...] = ()) -> CommandCard:
    return command_card(scene, offers, commands, Asked(EN, NOW, "key"))


def button(found: CommandCard, action: str) -> Button:
    return next(each for each in found.buttons if each.action == action)


def command(status: CommandStatus, *came: CommandStatus, action: str = "pause", **changes: object) -> CommandView:
    steps = tuple(StepView(each, NOW + 1000 * place, "") for place, each in enumerate(came or (status,)))
    given = CommandView(
        "c-1", 7, action, {}, "Lê Minh Hà", NOW, NOW + 120_000, status, "", told=status.final, steps=steps
    )
    return replace(given, **changes)  # type: ignore[arg-type]


def test_a_plain_action_is_asked_for_at_once_and_one_with_consequences_after_a_question() -> None:
    found = card()
    assert button(found, "pause").dialog is None
    assert button(found, "preheat").dialog is not None
    assert button(found, "stop").dialog is not None
    assert found.buttons[-1].action == "stop", "what destroys stands apart, at the end"


def test_what_takes_a_file_has_no_button() -> None:
    found = card(offers=(Offer(PRINTER.actions["print"], "job"), Offer(PRINTER.actions["pause"])))
    assert [each.action for each in found.buttons] == ["pause"]


def test_one_reason_for_all_is_said_once() -> None:
    found = card(offers=tuple(replace(offer, why="offline") for offer in ALL))
    assert [why.text for why in found.whys] == ["The agent in the room has no contact with the server."]
    assert {each.why_id for each in found.buttons} == {found.whys[0].id}
    assert all(each.dialog is None for each in found.buttons)


def test_a_reason_of_some_names_them_and_when_it_ends() -> None:
    taken = {"pause", "resume"}
    until = NOW + 900_000
    found = card(
        offers=tuple(Offer(each.action, "taken", until) if each.action.name in taken else each for each in ALL)
    )
    assert [why.text for why in found.whys] == ["Pause, Resume: Somebody else is using this machine until 21:28."]
    assert found.until_ms == until
    assert button(found, "stop").why_id == ""


@pytest.mark.parametrize(
    ("scene", "now", "cost"),
    [
        (SCENE, "The machine is not in use now.", "This cannot be undone."),
        (replace(SCENE, in_use=True), "The machine is in use now.", "What is stopped cannot be resumed."),
        (
            replace(SCENE, job="Group 3 is printing: 62 %."),
            "Group 3 is printing: 62 %.",
            "What is stopped cannot be resumed.",
        ),
    ],
)
def test_the_question_before_a_stop_names_what_is_at_stake(scene: Scene, now: str, cost: str) -> None:
    dialog = button(card(scene), "stop").dialog
    assert dialog is not None
    assert dialog.title == "Máy in 3D B: stop and cool down?"
    assert dialog.stake is not None
    assert (dialog.stake.where, dialog.stake.now, dialog.stake.cost) == ("FabLab, THCS Cánh Buồm", now, cost)


def test_fields_take_label_unit_and_limits_from_the_profile() -> None:
    nozzle, bed = fields_of(PRINTER.actions["preheat"], PRINTER, VI)
    assert nozzle == Field("nozzle", "Nhiệt độ đầu in cần đạt", Kind.FLOAT, "°C", 0.0, 290.0)
    assert (bed.label, bed.most) == ("Nhiệt độ bàn in cần đạt", 115.0)


def test_a_text_field_says_what_is_set_now() -> None:
    (field,) = fields_of(PROJECTOR.actions["input"], PROJECTOR, EN, {"input": "HDMI 1"})
    assert (field.label, field.now) == ("Input", "HDMI 1")


@pytest.mark.parametrize(
    ("typed", "value"), [("215", 215.0), ("215,5", 215.5), (" 215.5 ", 215.5), ("0", 0.0), ("290", 290.0)]
)
def test_a_number_is_read_as_both_languages_type_it(typed: str, value: float) -> None:
    field = Field("nozzle", "Nozzle", Kind.FLOAT, "°C", 0.0, 290.0)
    assert read_fields([field], {"arg.nozzle": typed}, EN) == {"nozzle": value}


@pytest.mark.parametrize("typed", ["", "hot", "290,1", "-1", "nan", "inf", "1e99"])
def test_a_wrong_number_is_refused_with_its_range(typed: str) -> None:
    field = Field("nozzle", "Nozzle", Kind.FLOAT, "°C", 0.0, 290.0)
    with pytest.raises(WrongInput) as caught:
        read_fields([field], {"arg.nozzle": typed}, EN)
    assert caught.value.text == "Nozzle: a number from 0 to 290 °C."


@pytest.mark.parametrize(
    ("field", "given", "value"),
    [
        (Field("on", "Hide", Kind.BOOL), {"arg.on": "true"}, True),
        (Field("on", "Hide", Kind.BOOL), {"arg.on": "false"}, False),
        (Field("input", "Input", Kind.TEXT), {"arg.input": " HDMI 1 "}, "HDMI 1"),
        (Field("level", "Level", Kind.INT), {"arg.level": "40"}, 40),
    ],
)
def test_fields_are_read_as_their_kind(field: Field, given: Mapping[str, str], value: Value) -> None:
    (found,) = read_fields([field], given, EN).values()
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        (Field("on", "Hide", Kind.BOOL), "maybe"),
        (Field("input", "Input", Kind.TEXT), ""),
        (Field("input", "Input", Kind.TEXT), "two\nlines"),
        (Field("level", "Level", Kind.INT), "4.5"),
    ],
)
def test_what_cannot_be_sent_is_refused(field: Field, typed: str) -> None:
    with pytest.raises(WrongInput, match=field.label):
        read_fields([field], {f"arg.{field.name}": typed}, EN)


def test_a_command_is_told_in_words_with_what_was_asked_by_whom_and_when() -> None:
    given = command(CommandStatus.DONE, action="preheat", args={"nozzle": 215.0, "bed": 60.0})
    (line,) = card(commands=(given,)).lines
    assert (line.what, line.by, line.when) == ("Preheat: 215\u00a0°C, 60\u00a0°C", "Lê Minh Hà", "21:13:20")
    (line,) = card(commands=(replace(given, by="", asked_ms=NOW - 86_400_000),)).lines
    assert (line.by, line.when) == ("the server", "21:13:20, 20 Sep")


def test_a_print_is_told_by_its_name() -> None:
    given = command(CommandStatus.SENT, action="print", args={"digest": "ab" * 32, "name": "bridge.gcode #12"})
    assert card(commands=(given,)).lines[0].what == "Print: bridge.gcode #12"


@pytest.mark.parametrize(
    ("status", "at"),
    [
        (CommandStatus.QUEUED, ["now", "next", "next", "next", "next"]),
        (CommandStatus.ACCEPTED, ["done", "done", "now", "next", "next"]),
        (CommandStatus.DONE, ["done", "done", "done", "done", "done"]),
    ],
)
def test_the_way_of_a_command_is_drawn_as_far_as_it_came(status: CommandStatus, at: list[str]) -> None:
    marks = card(commands=(command(status, CommandStatus.QUEUED, CommandStatus.SENT),)).lines[0].marks
    assert [mark.at for mark in marks] == at
    assert [mark.status for mark in marks] == ["queued", "sent", "accepted", "running", "done"]
    assert marks[0].time == "21:13:20"


def test_a_command_that_ended_otherwise_says_why_instead() -> None:
    (line,) = card(commands=(command(CommandStatus.REFUSED, detail="no-supervisor"),)).lines
    assert line.marks == ()
    assert line.word == "Refused"
    assert line.reason is not None
    assert line.reason.text == "No supervisor has checked in at the machine yet."


def test_a_message_of_the_agent_is_said_in_the_readers_language() -> None:
    detail = "no input 'HDMI 9'; the projector has 31, 32"
    assert reason(CommandStatus.REFUSED, detail, VI).text == "không có đầu vào 'HDMI 9'; máy chiếu có 31, 32"
    assert reason(CommandStatus.REFUSED, detail, EN) == Reason(detail)


def test_words_of_firmware_are_quoted_as_they_came() -> None:
    found = reason(CommandStatus.FAILED, "Error:Printer halted. <kill() called>", EN)
    assert (found.text, found.quoted) == ("", "Error:Printer halted. <kill() called>")


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (CommandStatus.EXPIRED, "Lệnh sẽ không tự chạy lại."),
        (CommandStatus.UNKNOWN, "Kiểm tra tại máy trước khi gửi lại."),
        (CommandStatus.REFUSED, ""),
    ],
)
def test_what_to_do_next_is_said(status: CommandStatus, advice: str) -> None:
    assert reason(status, "expired", VI).advice == advice


def test_every_state_has_its_word_in_both_languages() -> None:
    assert set(STATUS) == set(CommandStatus)
    assert [str(say(VI)) for say in STATUS.values()] == [
        *("Chờ gửi", "Đã gửi", "Máy đã nhận", "Đang chạy", "Xong"),
        *("Bị từ chối", "Không thành công", "Hết hạn", "Chưa rõ kết quả"),
    ]


def test_the_newest_command_is_told_in_one_line() -> None:
    assert card(commands=(command(CommandStatus.RUNNING), command(CommandStatus.DONE))).news == "Pause: Running"
    assert card().news == ""


def test_a_code_that_nobody_knows_is_left_to_the_caller() -> None:
    assert refusal("taken", VI)
    assert refusal("something-new", VI) == ""
