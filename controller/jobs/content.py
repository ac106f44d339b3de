"""What a file is, by its name and its first bytes, whatever the sender calls it. Pure."""

import re
from collections.abc import Mapping
from typing import Final

from controller.jobs.errors import WrongFile
from controller.jobs.work import Work

HEAD: Final = 4096
"""Bytes that are looked at."""
_GCODE: Final = (".gcode", ".gco", ".gc", ".nc", ".g")
SUFFIXES: Final[Mapping[Work, tuple[str, ...]]] = {Work.PRINT: _GCODE, Work.CUT: _GCODE, Work.RUN: (".py",)}
_LONGEST_NAME: Final = 200
_TEXT_CONTROLS: Final = frozenset(b"\t\n\v\f\r")
_OTHER: Final = "only text G-code is taken: a file that ends in .gcode, .gco, .gc, .nc or .g"
_BINARY: Final = "this is binary G-code; switch that off in the slicer and export plain .gcode"
_MODEL: Final = "this is a model; slice it for this machine first and send the .gcode"
_PACKED: Final = "this is a packed file; unpack it and send the .gcode"
_PROGRAM: Final = "this is a program; send the .gcode that the slicer made"
_NO_SCRIPT: Final = "only a MicroPython program as text is taken: a file that ends in .py"
_COMPILED: Final = "this is a compiled program; send its text, the .py"
_BLOCKS: Final = "this is a project of blocks; export its Python and send the .py"
_BEGINNINGS: Final = {
    b"GCDE": _BINARY,
    b"solid ": _MODEL,
    b"PK\x03\x04": _PACKED,
    b"PK\x05\x06": _PACKED,
    b"\x1f\x8b": _PACKED,
    b"7z\xbc\xaf": _PACKED,
    b"Rar!": _PACKED,
    b"MZ": _PROGRAM,
    b"\x7fELF": _PROGRAM,
}
_NO_MAGIC: Final[Mapping[bytes, str]] = {}
"""A program may begin with any letters."""
_ENDINGS: Final = {
    ".bgcode": _BINARY,
    ".stl": _MODEL,
    ".3mf": _MODEL,
    ".obj": _MODEL,
    ".step": _MODEL,
    ".zip": _PACKED,
    ".exe": _PROGRAM,
}
_SCRIPT_ENDINGS: Final = {
    ".mpy": _COMPILED,
    ".pyc": _COMPILED,
    ".hex": _COMPILED,
    ".llsp": _BLOCKS,
    ".llsp3": _BLOCKS,
    ".sb3": _BLOCKS,
}


def clean_name(given: str) -> str:
    """The file's own name without folders and without what cannot be shown, cut to fit."""
    name = re.split(r"[/\\]", given)[-1]
    name = "".join(letter for letter in name if letter.isprintable()).strip()
    stem, dot, suffix = name.rpartition(".")
    return f"{stem[: _LONGEST_NAME - len(suffix) - 1]}{dot}{suffix}"[-_LONGEST_NAME:]


def check_whole_name(given: str) -> None:
    """Raises WrongFile for a name that was made to be written elsewhere. A folder before it is no fault."""
    if "\0" in given or given.startswith("/") or ".." in re.split(r"[/\\]", given):
        raise WrongFile("name", "the file's name leads into other folders: give the file a plain name")


def check_name(name: str, work: Work) -> None:
    """Raises WrongFile unless the name is that of a file for this work."""
    lower = name.lower()
    if lower.endswith(SUFFIXES[work]):
        return
    endings, other = (_SCRIPT_ENDINGS, _NO_SCRIPT) if work is Work.RUN else (_ENDINGS, _OTHER)
    words = next((words for ending, words in endings.items() if lower.endswith(ending)), other)
    raise WrongFile("type", words)


def check_head(head: bytes, work: Work) -> None:
    """Raises WrongFile unless a file that begins like this may be text. What its lines say, the inspector reads."""
    other, beginnings = (_NO_SCRIPT, _NO_MAGIC) if work is Work.RUN else (_OTHER, _BEGINNINGS)
    for magic, words in beginnings.items():
        if head.startswith(magic):
            raise WrongFile("type", words)
    if any(byte < 0x20 and byte not in _TEXT_CONTROLS for byte in head):
        raise WrongFile("type", other)
