"""The chain over the audit log: lines sealed in segments, each of which names the hash of the one before. Pure.

It shows what was changed by somebody who does not also recompute every later segment. Against one who does, or who cuts
off the end, stands a seal that was written down elsewhere: each export and each `fabfleet verify` tells the last one.
"""

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby
from typing import Final, NamedTuple, TypeAlias

MOST_LINES: Final = 1_000
"""So many lines a segment has at the most."""
BEGINNING: Final = "0" * 64
"""What the first segment names as the one before."""
_PRINT: Final = struct.Struct(">q8s")


class Line(NamedTuple):
    """A line of the audit log, in the order in which it is hashed."""

    id: int
    at_ms: int
    actor: str
    action: str
    subject: str
    school_id: str | None
    address: str
    detail: str


@dataclass(frozen=True, slots=True)
class Segment:
    """The lines with ids from `from_id` to `to_id`, both included; an id that was never committed has none.

    `lines_hash` is the SHA-256 over `canonical` of them, `seal` that over this segment and the seal before. `prints`
    has 16 bytes a line, its id and the beginning of its SHA-256, to say which line it was.
    """

    number: int
    from_id: int
    to_id: int
    count: int
    lines_hash: str
    before: str
    seal: str
    prints: bytes


class Harm(StrEnum):
    """What was done to a sealed log."""

    ALTERED = "was altered"
    REMOVED = "was removed"
    INSERTED = "was inserted"


@dataclass(frozen=True, slots=True)
class Damage:
    """`line` None: to the segment's own row."""

    segment: int
    harm: Harm
    line: int | None = None

    def __str__(self) -> str:
        if self.line is None:
            return f"segment {self.segment} {self.harm}"
        return f"line {self.line} of segment {self.segment} {self.harm}"


Part: TypeAlias = tuple[Segment, Sequence[Line]]


def canonical(line: Line) -> bytes:
    """A JSON array of its fields, as it stands in an export: UTF-8, no blanks, one line."""
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def sealed(lines: Sequence[Line], to_id: int, before: Segment | None) -> Segment:
    """The segment that follows `before` and reaches to `to_id`. `lines` are all of them, by id."""
    number, from_id = (1, 1) if before is None else (before.number + 1, before.to_id + 1)
    last = BEGINNING if before is None else before.seal
    written = [canonical(line) for line in lines]
    lines_hash = hashlib.sha256(b"".join(written)).hexdigest()
    prints = b"".join(_PRINT.pack(line.id, _print(text)) for line, text in zip(lines, written, strict=True))
    segment = Segment(number, from_id, to_id, len(lines), lines_hash, last, "", prints)
    return replace(segment, seal=_seal(segment))


def damages(parts: Iterable[Part]) -> Iterator[Damage]:
    """What is not as it was sealed. `parts` are all segments by number, each with the lines that lie in it now."""
    before: Segment | None = None
    for segment, lines in parts:
        last = before.number if before is not None else 0
        yield from (Damage(number, Harm.REMOVED) for number in range(last + 1, segment.number))
        if not _follows(segment, before):
            yield Damage(segment.number, Harm.ALTERED)
        yield from _lines_damaged(segment, lines)
        before = segment


def _follows(segment: Segment, before: Segment | None) -> bool:
    """Whether its own fields are whole and it is the one after `before`; after one that is missing nothing can say."""
    if segment.seal != _seal(segment):
        return False
    if segment.number == 1:
        return (segment.from_id, segment.before) == (1, BEGINNING)
    if before is None or before.number != segment.number - 1:
        return True
    return (segment.from_id, segment.before) == (before.to_id + 1, before.seal)


def _lines_damaged(segment: Segment, lines: Sequence[Line]) -> Iterator[Damage]:
    written = [(line.id, canonical(line)) for line in lines]
    if hashlib.sha256(b"".join(text for _, text in written)).hexdigest() == segment.lines_hash:
        return
    was = dict(_PRINT.iter_unpack(segment.prints[: len(segment.prints) // 16 * 16]))
    now = {line_id: _print(text) for line_id, text in written}
    differing = (each for each in sorted(was.keys() | now.keys()) if was.get(each) != now.get(each))
    found = [Damage(segment.number, _harm(each in was, each in now), each) for each in differing]
    yield from found or [Damage(segment.number, Harm.ALTERED)]  # its prints were altered as well


def _harm(was: bool, now: bool) -> Harm:
    if was and now:
        return Harm.ALTERED
    return Harm.REMOVED if was else Harm.INSERTED


def _print(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()[:8]


def _seal(of: Segment) -> str:
    text = f"fabfleet audit {of.number} {of.from_id} {of.to_id} {of.count} {of.lines_hash} {of.before}\n"
    return hashlib.sha256(text.encode()).hexdigest()


def grouped(found: Iterable[Damage]) -> Iterator[str]:
    """The report: lines next to one another with the same harm in one sentence."""
    for (segment, harm, _), run in groupby(enumerate(found), key=lambda each: _run(*each)):
        lines = [each.line for _, each in run]
        if lines[0] is None:
            yield str(Damage(segment, harm))
        elif len(lines) == 1:
            yield str(Damage(segment, harm, lines[0]))
        else:
            yield f"lines {lines[0]} to {lines[-1]} of segment {segment} {harm.replace('was', 'were')}"


def _run(place: int, each: Damage) -> tuple[int, Harm, int]:
    """The same for damages that follow one another line by line."""
    return each.segment, each.harm, -each.segment if each.line is None else each.line - place
