"""What an agent can say is followed from where it travels to where it is written, in small programs and in its own."""

import ast
import re
from functools import cache

import pytest

from tools.agent_sources import ROOT, Sources
from tools.reasons import Template, is_phrase, template, templates

WIRE = """
@dataclass
class Outcome:
    status: str
    detail: str = ""
"""
CAUGHT = """
class Lost(Exception): ...
class Gone(Lost): ...
def look():
    raise Gone("gone for good")
def tell():
    try:
        look()
    except Lost as error:
        Outcome("no", f"{type(error)}: {error}")
"""
MATCHED = """
class Noise:
    start: bytes
    why: str
Noise(b"", "no text at all")
def tell(event):
    match event:
        case Noise(_, why):
            Outcome("no", why)
"""


@cache
def found() -> dict[str, Template]:
    return {each.text: each for each in templates()}


def of(text: str) -> set[str]:
    """What can be said in a program of these lines."""
    sources = Sources()
    sources.add(WIRE, "contract/model.py")
    sources.add(text, "agent/main.py")
    return {each.text for each in templates(sources)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('Outcome("no", "out of order")', {"out of order"}),
        ('Outcome("no", detail="out of order")', {"out of order"}),
        ('Outcome("out of order", "busy")', set()),
        ('def f(port):\n    Outcome("no", f"no answer from {port.name!r} in {2 * port.s:g} s")',
         {"no answer from {name} in {value} s"}),
        ('def f(where, port):\n    Outcome("no", f"{where}: {port}: was unplugged")', {"was unplugged"}),
        ('def f(x):\n    Outcome("no", f"it is {\'on\' if x else \'off\'} now")', {"it is on now", "it is off now"}),
        ('def f(x):\n    why = "out of order" if x else "not there"\n    Outcome("no", why)',
         {"out of order", "not there"}),
        ('WHY = {1: "out of order", 2: "not there"}\ndef f(x):\n    Outcome("no", WHY.get(x, "no idea"))',
         {"out of order", "not there", "no idea"}),
        ('def f(x) -> str:\n    return x or "out of order"\nOutcome("no", f("a"))', {"out of order"}),
        ('def f(why: str):\n    Outcome("no", why)\ndef g(x):\n    x.f("out of order")', {"out of order"}),
        (CAUGHT, {"gone for good"}),
        (CAUGHT.replace('"gone for good"', 'Words("gone for good", "mất hẳn rồi")'), {"gone for good"}),
        ('def f():\n    raise KeyError("not for the wire")\nOutcome("no", "out of order")', {"out of order"}),
        ('class View:\n    fault: str\nView("out of order")\ndef f(view):\n    Outcome("no", f"stands ({view.fault})")',
         {"out of order", "stands ({fault})"}),
        (MATCHED, {"no text at all"}),
    ],
)  # fmt: skip
def test_a_text_is_followed_to_where_it_is_written(text: str, said: set[str]) -> None:
    assert of(text) == said


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("out of order", True),
        ("{key} is missing", True),
        ("no-lease", False),
        ("{host}:{port}", False),
        ("{a} {b}", False),
    ],
)
def test_a_phrase_has_two_words_and_one_of_its_own(text: str, phrase: bool) -> None:
    assert is_phrase(text) is phrase


def test_blanks_of_one_name_are_told_apart() -> None:
    one, other = ast.parse("a.name; b.name").body
    assert isinstance(one, ast.Expr)
    assert isinstance(other, ast.Expr)
    assert template((one.value, " is no ", other.value)) == "{name} is no {name2}"


def test_every_bridge_error_that_is_raised_with_a_text_is_found() -> None:
    """By another way than the one that is tested: the literal words of each are somewhere among the templates."""
    known = "\n".join(re.sub(r"\{\w+\}", "{}", each) for each in found())
    raised = 0
    for path in sorted((ROOT / "firmware_bridges").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Raise(exc=ast.Call(func=ast.Name(id="LinkLost" | "BadReply" | "Refused"), args=[given])):
                    for words in literals(given):
                        raised += 1
                        assert words in known, f"{path.name}:{node.lineno}"
    assert raised > 150


def literals(given: ast.expr) -> list[str]:
    """The longest piece of what is written there, which no head and no blank can have eaten."""
    match given:
        case ast.Constant(value=str(text)) if " " in text:
            return [text.rpartition(": ")[2]]
        case ast.JoinedStr(values=values):
            pieces = [str(each.value) for each in values if isinstance(each, ast.Constant)]
            longest = max(pieces, key=len, default="")
            return [longest.rpartition(": ")[2]] if is_phrase(longest) else []
    return []


@pytest.mark.parametrize(
    "text",
    [
        "the projector cannot do this now",  # out of a table
        "a list of lamps",  # handed to a function that makes the error
        "no start of a frame",  # a field of what a core tells
        "the machine fell silent",  # kept in an attribute
        "hard limit: the machine ran into a switch, its position is lost",  # within __str__
        "no answer from the server within {patience_ms} s: {why}",  # of a configuration
        "the agent ended while it was carried out",
        "{code} asks for {wanted} °C, the nozzle may have {most} °C",  # of a file that is inspected
    ],
)
def test_what_is_said_in_a_roundabout_way_is_found(text: str) -> None:
    assert text in found()


def test_what_only_who_types_commands_is_told_is_left_out() -> None:
    assert not [each for each in found().values() if "doctor" in each.path or each.path == "agent/cli.py"]
