"""What is read of a kit's program before anybody may release it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.jobs.program import review
from controller.jobs.work import Work, taking, work_of
from device_profiles import program
from device_profiles.gcode import Review
from device_profiles.profile import load
from firmware_bridges.base import Refused
from firmware_bridges.micropython import _script

BLINK = b"from microbit import display, Image\nimport random\n\nwhile True:\r\n    display.show(Image.HEART)\n"


def test_program_tells_its_length_and_what_it_imports() -> None:
    assert review(BLINK) == Review(kind="run", commands=4, lines=5, modules=("microbit", "random"))


def test_program_of_remarks_alone_has_nothing_to_do() -> None:
    assert review(b"# nothing\n").commands == 0


@pytest.mark.parametrize(
    ("data", "line", "code", "detail"),
    [
        (b"import microbit\nwhile True\n    pass\n", 2, "syntax", "python"),
        (b"if True:\n\tpass\n        pass\n", 3, "syntax", "python"),
        ("print('ả')\n".encode("utf-16"), 1, "unreadable", "program-utf-8"),
        (b"print(1)\n\x04print(2)\n", 1, "unreadable", "program-control"),
        (b"#" * (program.MOST_BYTES + 1), 1, "unreadable", "program-long"),
        (b"(" * 5_000 + b")" * 5_000, 1, "syntax", "python"),
    ],
)
def test_what_is_no_program_is_told_with_its_line(data: bytes, line: int, code: str, detail: str) -> None:
    (problem,) = review(data).problems
    assert (problem.line, problem.code, problem.detail) == (line, code, detail)


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_nothing_that_is_sent_breaks_the_reader(data: bytes) -> None:
    found = review(data)
    assert found.problems or found.kind == "run"


@given(st.binary(max_size=300))
def test_what_the_server_lets_through_the_agent_sends_and_the_board_gets_as_text(data: bytes) -> None:
    try:
        text = program.text(data)
    except program.NotAProgram:
        assert review(data).problems
    else:
        assert all(letter >= " " or letter in "\n\t" for letter in text)


def test_agent_refuses_the_same_as_the_server() -> None:
    with pytest.raises(Refused, match="not the one that was uploaded"):
        _script({"path": __file__, "digest": "0" * 64})


def test_machine_takes_files_for_the_work_that_its_profile_names() -> None:
    found = {slug: taking(load(slug)) for slug in ("creality/ender-3", "grbl/laser", "bbc/microbit", "arduino/uno")}
    assert [action and action.name for action in found.values()] == ["print", "cut", "run", None]
    assert work_of(load("bbc/microbit")) is Work.RUN
    assert work_of(load("creality/ender-3"), "cut") is Work.CUT, "what was read goes before what the machine is now"
    assert work_of(None) is Work.PRINT
