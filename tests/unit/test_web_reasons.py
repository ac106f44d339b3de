"""What an agent says is found again by its template and said in the reader's language; all else is left alone."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.desired import ConfigStand
from controller.desired.desk import AgentStand
from controller.desired.drift import Drift
from controller.fleet.tables import Agent
from controller.web.i18n import language
from controller.web.reason_words import LONGEST, Template, said, templates
from controller.web.settings_words import why
from controller.web.typography import NBSP

VI, EN = language("vi"), language("en")
NOW = 1_800_000_000_000
BLANKS = st.text(string.ascii_letters + string.digits + "/._-'ăếộ", min_size=1, max_size=12)
ALL = st.sampled_from([each for each in templates() if len(set(each.places)) == len(each.places)])


def filled(template: Template, values: dict[str, str]) -> str:
    return re.sub(r"\{\w+\}", lambda place: values[place[0]], template.msgid)


def sample(template: Template) -> dict[str, str]:
    """Each blank its own, none a message; enough around a vague one that it is taken for ours."""
    values = dict(zip(template.places, string.ascii_uppercase, strict=False))
    return values | ({template.places[-1]: "a text"} if template.vague else {})


@pytest.mark.parametrize("template", templates(), ids=lambda each: each.msgid[:40])
def test_a_message_of_the_sources_is_found_by_its_own_template(template: Template) -> None:
    values = sample(template)
    told = {place: said(value, VI) or value for place, value in values.items()}
    text = filled(template, values)
    assert said(text, VI) == filled(Template.of(VI.agent(template.msgid)), told)
    assert said(text, EN) == text
    assert said(f"no contact: tcp://10.20.3.7:4352: {text}", VI).endswith(said(text, VI))


@given(ALL, st.data())
def test_english_is_said_as_it_came(template: Template, data: st.DataObject) -> None:
    values = {place: data.draw(BLANKS) for place in template.places}
    text = filled(template, values)
    assert said(text, EN) in (text, "")
    assert bool(said(text, EN)) is bool(said(text, VI))


@given(ALL, st.data())
def test_no_blank_is_lost(template: Template, data: st.DataObject) -> None:
    values = {place: data.draw(BLANKS) for place in template.places}
    found = template.blanks(filled(template, values))
    assert found is not None
    assert filled(template, found) == filled(template, values)


@given(st.text(max_size=LONGEST + 20))
def test_any_text_is_borne(text: str) -> None:
    assert said(text, EN) in (text, "")


@pytest.mark.parametrize(
    ("text", "vietnamese"),
    [
        ("no contact: /dev/ttyACM0: was unplugged", "không liên lạc được: /dev/ttyACM0: đã bị rút ra"),
        ("wrong answer: x in the answer is not a number", "trả lời chưa đúng: x trong câu trả lời không phải một số"),
        ("the device refuses: wrong password", "thiết bị từ chối: mật khẩu chưa đúng"),
        ("the printer is paused (M600)", "máy in đang ở trạng thái “Đã tạm dừng” (M600)"),
        ("the machine is strange", "máy đang ở trạng thái “strange”"),
        ("cannot be set up: baud is not a number", "chưa cài đặt được: baud không phải là số"),
        (
            "a.gcode: line 12: G1 asks for 300 °C, the nozzle may have 290 °C",
            f"a.gcode: dòng{NBSP}12: G1 yêu cầu 300{NBSP}°C, đầu in chỉ được tối đa 290{NBSP}°C",
        ),
        ("the printer stopped itself (Thermal Runaway); switch it off and on",
         "máy in đã tự dừng (Thermal Runaway); hãy tắt rồi bật lại máy"),
        ("the machine refused command 7 (G38.2): error:20 a command that is not known",
         "máy từ chối lệnh 7 (G38.2): error:20 lệnh chưa được biết đến"),
    ],
)  # fmt: skip
def test_a_message_within_another_or_behind_a_place_is_said_too(text: str, vietnamese: str) -> None:
    assert said(text, VI).replace(NBSP, " ") == vietnamese.replace(NBSP, " ")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Probing failed",
        "Error:Printer halted. kill() called!",
        "echo:busy: processing",
        "!! Move out of range: 350.0 0.0 10.0 [0.0]",
        "must be homed first",
        "line 12: T0",
        "no answer in time" + "!" * LONGEST,
    ],
)
def test_words_of_firmware_are_not_taken_for_ours(text: str) -> None:
    assert (said(text, VI), said(text, EN)) == ("", "")


def test_of_two_templates_the_one_with_more_text_of_its_own_is_taken() -> None:
    """`no answer in time` is a part of the longer one, and `{host}:{port}: ...` is no head there."""
    told = said("the broker at 10.0.0.2:1883: no answer in time", VI)
    assert told == "máy chủ tin nhắn ở 10.0.0.2:1883: không trả lời kịp"
    letters = [each.letters for each in templates()]
    assert letters == sorted(letters, reverse=True)


def test_a_place_that_stands_twice_is_filled_with_one_text() -> None:
    template = Template.of("{axis} goes too far, {axis} may be {most}")
    assert template.blanks("X goes too far, X may be 5") == {"{axis}": "X", "{most}": "5"}
    assert template.blanks("X goes too far, Y may be 5") is None


def test_a_reason_is_no_html_yet() -> None:
    assert said("<b>: was unplugged", VI) == "<b>: đã bị rút ra"


def stand(reason: str) -> AgentStand:
    return AgentStand(Agent(school_id="an-phu", name="pc-1"), Drift.REFUSED, ConfigStand(reason=reason), 1, NOW)


def test_why_settings_were_refused_is_said_and_safe() -> None:
    reason = "devices.<b>: nobody knows the key 'x'"
    text = why(stand(reason), NOW, VI)
    assert text == "Agent không nhận cấu hình này: devices.&lt;b&gt;: không có khóa &#39;x&#39;"
    assert why(stand("out of paper"), NOW, VI).endswith(": out of paper")
