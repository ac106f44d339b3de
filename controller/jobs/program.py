"""Read a program for a kit: is it Python, how long is it, what does it import? Pure.

The board's own MicroPython has the last word: it knows less of the language than this does, and other modules.
"""

import ast
import warnings
from typing import Final

from device_profiles import program
from device_profiles.gcode import Problem, Review

_MOST_MODULES: Final = 12


def review(data: bytes) -> Review:
    """What the program asks for. `commands` counts statements; a problem names the line and quotes Python's words."""
    try:
        text = program.text(data)
    except program.NotAProgram as error:
        return _wrong(1, "unreadable", str(error), f"program-{error.code}", most=str(program.MOST_BYTES))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a backslash that stands for itself is no fault
            tree = ast.parse(text)
    except SyntaxError as error:
        return _wrong(error.lineno or 1, "syntax", str(error.msg), "python", words=str(error.msg))
    except (ValueError, RecursionError, MemoryError):
        return _wrong(1, "unreadable", "nested too deeply", "nested")
    statements = sum(isinstance(node, ast.stmt) for node in ast.walk(tree))
    return Review(kind="run", commands=statements, lines=len(text.splitlines()), modules=_modules(tree))


def _modules(tree: ast.Module) -> tuple[str, ...]:
    """The names of what it imports, each once, in order."""
    found: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= dict.fromkeys(each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found[node.module] = None
    return tuple(found)[:_MOST_MODULES]


def _wrong(line: int, code: str, text: str, detail: str, /, **given: str) -> Review:
    return Review(kind="run", problems=(Problem(line, code, text, detail, given),))
