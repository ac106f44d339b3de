"""The job file that an action names: opened, read through before anything is sent, and read again as it is sent."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from io import BufferedReader
from pathlib import Path

from contract.model import Value
from device_profiles import gcode
from firmware_bridges.base import Refused

_DIGEST = re.compile(r"[0-9a-f]{64}")


def opened(args: Mapping[str, Value]) -> BufferedReader:
    """The file at `path`, given with its `digest`. Raises Refused."""
    path = Path(str(args.get("path", "")))
    if not _DIGEST.fullmatch(str(args.get("digest", ""))):
        raise Refused("the job comes without its digest")
    try:
        return path.open("rb")
    except OSError as error:
        raise Refused(f"{path.name}: {error.strerror}") from None


def name_of(args: Mapping[str, Value]) -> str:
    """What the job is called: `name`, else as its file."""
    return str(args.get("name", "") or Path(str(args.get("path", ""))).name)


def read_through(
    file: BufferedReader, args: Mapping[str, Value], review: Callable[[Iterable[str]], gcode.Review]
) -> int:
    """How many commands it has. The digest first, then each line. At the beginning again on return. Raises Refused."""
    found, name = hashlib.file_digest(file, "sha256").hexdigest(), name_of(args)
    if found != args.get("digest"):
        raise Refused(f"{name}: not the file that was released (digest {found[:12]})")
    file.seek(0)
    told = review(text(file))
    if told.problems:
        raise Refused(f"{name}: {told.problems[0]}")
    if not told.commands:
        raise Refused(f"{name}: no commands in it")
    file.seek(0)
    return told.commands


def text(file: BufferedReader) -> Iterator[str]:
    """Lines of a file; one that cannot be read further just ends."""
    with suppress(OSError, ValueError):
        yield from gcode.lines(file)
