"""Every action that the program writes into the audit log has a name on its page."""

import ast
from pathlib import Path

import controller
from controller.identity.refusals import Kind
from controller.identity.seals import Line
from controller.ingest.attacks import KINDS
from controller.web.audit_view import Reader
from controller.web.audit_words import action_words
from controller.web.i18n import language

CALLS = {"audit", "_audit", "_put", "_remove", "_change", "_Act"}
"""The functions that are given an action's name."""
COMPOSED = {"booking-confirmed", "booking-checked-in", "problem-report", "use-without-booking-report"}
"""Names that are put together of a word and a state."""


def literals() -> set[str]:
    """Every text that one of these calls is given and that looks like an action."""
    found: set[str] = set()
    for file in Path(controller.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in CALLS:
                for each in ast.walk(node):
                    if isinstance(each, ast.Constant) and isinstance(each.value, str):
                        found.add(each.value)
    return {each for each in found if "-" in each[:-1] and each.replace("-", "").isalpha() and each.islower()}


def test_every_action_that_is_written_has_a_name() -> None:
    names = action_words(language("en")).keys()
    assert literals() - names == set()
    assert set(Kind) <= names
    assert names >= KINDS | COMPOSED


def test_names_are_of_actions_that_there_are() -> None:
    source = "\n".join(file.read_text("utf-8") for file in Path(controller.__file__).parent.rglob("*.py")
                       if file.name != "audit_words.py")  # fmt: skip
    for name in action_words(language("en")).keys() - COMPOSED:
        assert f'"{name}"' in source, name


def test_vietnamese_has_words_of_its_own() -> None:
    theirs, ours = action_words(language("en")), action_words(language("vi"))
    assert all(str(theirs[name]) != str(ours[name]) for name in theirs)


def test_times_in_details_are_read_as_times() -> None:
    now_ms = 1_795_587_300_000
    reader = Reader(language("en"), now_ms, {}, {})
    line = Line(1, now_ms, "", "lease-begin", "b-1", None, "", f"device 38 from {now_ms} until {now_ms + 60_000}")
    assert reader.row(line).detail == "device 38 from 13:15:00 until 13:16:00"


def test_what_an_agent_told_is_said_in_the_readers_language_and_what_people_wrote_is_not() -> None:
    told = "there is no way to 10.20.0.1:8883: its certificate has expired"
    reader = Reader(language("vi"), 1_795_587_300_000, {}, {})
    agents, persons = (
        Line(1, reader.now_ms, actor, "certificate-expired", "agent 1", "an-phu", "", told) for actor in ("", "u-1")
    )
    assert reader.row(agents).detail == "không có đường tới 10.20.0.1:8883: chứng chỉ đã hết hạn"
    assert reader.row(persons).detail == told
