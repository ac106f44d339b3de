"""A program for a kit with MicroPython, as controller and agent check it before anything is sent to a board. Pure."""

from typing import Final

MOST_BYTES: Final = 65_536
"""Boards have 16 to 512 kB of memory for a program and all it needs."""


class NotAProgram(ValueError):
    """No text that a raw REPL takes. The message is for people; `code` is stable: `long`, `utf-8`, `control`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def text(data: bytes) -> str:
    """The program as it is sent: lines that end in a line feed alone. Raises NotAProgram.

    A control character would be taken by the REPL as a command: Ctrl-D would run half of it.
    """
    if len(data) > MOST_BYTES:
        raise NotAProgram("long", f"the program is longer than {MOST_BYTES} bytes")
    try:
        found = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise NotAProgram("utf-8", "the program is no text in UTF-8") from None
    if any((letter < " " and letter not in "\n\t") or letter == "\x7f" for letter in found):
        raise NotAProgram("control", "the program holds control characters")
    return found
