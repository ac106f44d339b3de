"""The lines of a G-code file as the printer will read them, whichever Marlin it has. Pure.

Marlin's readings differ. Up to 1.0, and in Prusa's MK3 firmware to this day, `strchr` looks for a letter anywhere in
the line, G before M before T, and `strtod` reads its number, powers of ten included (Prusa-Firmware, Marlin_main.cpp,
process_commands; cmdqueue.h, code_value). Since 1.1 GCodeParser::parse takes the line's first letter, skips spaces,
counts codes in 16 bits and lets the last of two equal letters win (Marlin/src/gcode/parser.cpp, parser.h). Before
either, a carriage return ends a line, a backspace takes a letter back, a backslash hides one, and MAX_CMD_SIZE cuts
(queue.cpp, process_stream_char). Only what all of them read alike is read here, and only that is sent: in capitals,
without comments, numbers and texts for a display.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, Protocol

LONGEST: Final = 82
"""Letters of the longest command: with `N9999999 ` and `*255` it fills MAX_CMD_SIZE, 96 bytes with the closing NUL."""
LINE: Final = 2048
"""Bytes of a line that are read. A command is refused long before, the rest of a comment is let go."""
_BLOCK: Final = 1 << 16
_MARK: Final = b"\xef\xbb\xbf"
NUMBER: Final = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)"
_NUMBERED = re.compile(r"N *\d+ *", re.ASCII)
_CODE = re.compile(r"([GMT]) *0*(\d{1,4})(\.\d)?(?![\dEX.]) *", re.ASCII)
_WORD = re.compile(rf"([A-FH-LO-Z])(?: *({NUMBER})(?![EX]))? *", re.ASCII)
_CHECKED = re.compile(r'M862\.[1-5] [PQ] ?(?:[\d.]+|"(?:MK\d[\d.]*S?\+?|MK3S?MMU[23]S?|MINI)")|M115 U[\d.]+', re.ASCII)
"""The questions that a Prusa asks itself, whether a job is for it: the only texts that are sent."""
_SHOWN: Final = ("M117", "M118", "M486")
"""Texts for a display or the host, names of objects. MK3 firmware obeys a G or the word PRUSA anywhere in them."""


class Blocks(Protocol):
    """A binary file, as far as it is needed here."""

    def read(self, size: int, /) -> bytes: ...


def lines(file: Blocks) -> Iterator[str]:
    """A file's lines, ended by LF, CR or both, without their ends. Memory is bounded whatever the file holds.

    Bytes that are no UTF-8 come as U+FFFD. Raises what reading the file raises.
    """
    rest, block, after_cr = b"", file.read(_BLOCK).removeprefix(_MARK), False
    while block:
        if after_cr:
            block = block.removeprefix(b"\n")
        after_cr = block.endswith(b"\r")
        head, *others = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        rest = (rest + head)[:LINE]
        if others:
            yield rest.decode("utf-8", "replace")
            for each in others[:-1]:
                yield each[:LINE].decode("utf-8", "replace")
            rest = others[-1][:LINE]
        block = file.read(_BLOCK)
    if rest:
        yield rest.decode("utf-8", "replace")


def command(line: str) -> str:
    """What of a line goes to the printer: capitals, no comment, no number, no checksum, no text for a display."""
    text = line.partition(";")[0].strip().upper()
    if text[:1] == "N" and (found := _NUMBERED.match(text)):
        text = text[found.end() :].partition("*")[0].rstrip()
    return "" if text[:4] in _SHOWN and not text[4:5].isdigit() else text


def commands(source: Iterable[str]) -> Iterator[str]:
    """The commands of a file, in order, as they go to the printer."""
    for line in source:
        if text := command(line):
            yield text


def code_of(text: str) -> tuple[str, bool, str] | None:
    """The code of a command, whether it has a subcode, and the words after it. None if it is none for certain."""
    found = _CODE.match(text)
    return (found[1] + found[2], bool(found[3]), text[found.end() :]) if found else None


def words_of(text: str) -> dict[str, float | None] | None:
    """Letters and their numbers; None for a letter alone. None if not every Marlin reads the same.

    So no letter twice; no G and M, which may begin a command wherever they stand; no N; no number that goes on as a
    power of ten (`S4E2`) or in base sixteen (`S0X1F4`).
    """
    words: dict[str, float | None] = {}
    at = 0
    while at < len(text):
        found = _WORD.match(text, at)
        if not found or found[1] in words:
            return None
        words[found[1]] = float(found[2]) if found[2] else None
        at = found.end()
    return words


def checks_the_printer(text: str) -> bool:
    """Whether a command is one by which a Prusa checks whether the job is for it."""
    return bool(_CHECKED.fullmatch(text))
