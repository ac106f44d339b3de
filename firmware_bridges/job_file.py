"""A job's file on this computer, checked before a machine gets any of it."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import TypeAlias

from contract.model import Value
from device_profiles import gcode
from firmware_bridges.base import Refused

_DIGEST = re.compile(r"[0-9a-f]{64}")


Review: TypeAlias = Callable[[Iterable[str]], gcode.Review]


@dataclass(frozen=True, slots=True)
class JobFile:
    """An open file whose digest is right and whose every line a profile allows; it stands at its beginning.

    `name` is what the machine is to call it, `count` the number of its commands. Whoever has it closes `file`.
    """

    name: str
    digest: str
    file: BufferedReader
    count: int

    def commands(self) -> Iterator[str]:
        """Of a print."""
        return gcode.commands(self.lines())

    def lines(self) -> Iterator[str]:
        return _text(self.file)


def opened_print(args: Mapping[str, Value], limits: gcode.Limits | None) -> JobFile:
    """As `opened`, of a print; without limits nothing is printed."""
    if limits is None:
        raise Refused("the profile does not say what a job may ask for")
    return opened(args, lambda lines: gcode.review(lines, limits))


def opened(args: Mapping[str, Value], review: Review) -> JobFile:
    """From the arguments of `print` or `cut`: `path`, `digest` (SHA-256, 64 small letters) and `name`.

    Raises Refused, naming the first line that `review` does not let through.
    """
    path, digest = Path(str(args.get("path", ""))), str(args.get("digest", ""))
    if not _DIGEST.fullmatch(digest):
        raise Refused("the job comes without its digest")
    try:
        file = path.open("rb")
    except OSError as error:
        raise Refused(f"{path.name}: {error.strerror}") from None
    name = str(args.get("name", "") or path.name)
    try:
        return JobFile(name, digest, file, _checked(file, digest, review, name))
    except BaseException:
        file.close()
        raise


def _checked(file: BufferedReader, digest: str, review: Review, name: str) -> int:
    """Read the whole file: digest first, then each line. How many commands it has."""
    found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != digest:
        raise Refused(f"{name}: not the file that was released (digest {found[:12]})")
    file.seek(0)
    told = review(_text(file))
    if told.problems:
        raise Refused(f"{name}: {told.problems[0]}")
    if not told.commands:
        raise Refused(f"{name}: no commands in it")
    file.seek(0)
    return told.commands


def _text(file: BufferedReader) -> Iterator[str]:
    """Lines of a file; one that cannot be read further just ends."""
    with suppress(OSError, ValueError):
        yield from gcode.lines(file)
