"""What the page of the audit log shows, and its exports, as plain values."""

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final

from controller.identity.audit_search import Sealed
from controller.identity.seals import Line, canonical
from controller.web import reason_words
from controller.web.audit_words import action_word
from controller.web.formats import moment
from controller.web.i18n import Language
from controller.web.spreadsheet import MARK, plain

_COLUMNS: Final = ("id", "at", "actor", "who", "action", "what", "subject", "school_id", "address", "detail",
                   "line_sha256", "segment", "segment_seal")  # fmt: skip

_MOMENT: Final = re.compile(r"\b1[5-9][0-9]{11}\b")
"""A time in a detail: ms since 1970, of the years 2017 to 2033."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line as it is read. `who` is empty if nobody signed in did it."""

    at: str
    who: str
    what: str
    subject: str
    school: str
    address: str
    detail: str


@dataclass(frozen=True, slots=True)
class Reader:
    """Says lines in the words of whoever reads them. `people` are by id, empty if erased; `schools` by id."""

    words: Language
    now_ms: int
    people: Mapping[str, str]
    schools: Mapping[str, str]

    def row(self, line: Line) -> Row:
        return Row(
            moment(line.at_ms, self.now_ms, self.words),
            self._person(line.actor),
            action_word(line.action, self.words),
            self._person(line.subject),
            self.schools.get(line.school_id or "", line.school_id or ""),
            line.address,
            _MOMENT.sub(lambda found: moment(int(found[0]), self.now_ms, self.words), self._detail(line)),
        )

    def _detail(self, line: Line) -> str:
        """What an agent told of itself is said in the reader's language; what people wrote stays. So does an export."""
        return line.detail if line.actor else reason_words.said(line.detail, self.words) or line.detail

    def _person(self, person_id: str) -> str:
        name = self.people.get(person_id)
        return person_id if name is None else name or str(self.words.t("erased person"))


def csv_lines(
    pieces: Iterable[tuple[Sequence[Line], Sequence[Sealed], Mapping[str, str]]], words: Language
) -> Iterator[str]:
    """A table with a mark that spreadsheets know the letters by. A line's hash is the SHA-256 of its canonical form."""
    yield MARK + _written([_COLUMNS])
    for lines, seals, people in pieces:
        reader = Reader(words, 0, people, {})
        yield _written(_cells(line, _seal_of(line, seals), reader) for line in lines)


def json_lines(
    pieces: Iterable[tuple[Sequence[Line], Sequence[Sealed], Mapping[str, str]]],
) -> Iterator[str]:
    """An object a line of the log, `line` in its canonical form; before its lines an object for each segment."""
    told = 0
    for lines, seals, _ in pieces:
        for line in lines:
            seal = _seal_of(line, seals)
            if seal is not None and seal.number != told:
                told = seal.number
                yield json.dumps({"segment": asdict(seal)}) + "\n"
            sealed_in = "null" if seal is None else seal.number
            text = canonical(line).decode().rstrip("\n")
            yield f'{{"line":{text},"sha256":"{_hash(line)}","segment":{sealed_in}}}\n'


def _cells(line: Line, seal: Sealed | None, reader: Reader) -> tuple[object, ...]:
    row = reader.row(line)
    at = datetime.fromtimestamp(line.at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    sealed = ("", "") if seal is None else (seal.number, seal.seal)
    return (line.id, at, line.actor, row.who, line.action, row.what, line.subject, line.school_id or "", line.address,
            line.detail, _hash(line), *sealed)  # fmt: skip


def _written(rows: Iterable[Iterable[object]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows([[plain(str(cell)) for cell in row] for row in rows])
    return out.getvalue()


def _seal_of(line: Line, seals: Sequence[Sealed]) -> Sealed | None:
    return next((each for each in seals if each.from_id <= line.id <= each.to_id), None)


def _hash(line: Line) -> str:
    return hashlib.sha256(canonical(line)).hexdigest()
