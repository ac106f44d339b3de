"""What the pages of importing show: which tables there are, and what one would change."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from controller.scheduling.series import Outcome, Verdict
from controller.timetable.importer import Dated, Done, Preview, Task
from controller.timetable.importing import Act, Change, Fault, Line
from controller.timetable.layouts import Field, Kind
from controller.timetable.sheets import Sheet
from controller.web.booking_words import Look, Names, date_words, problem_words, taken_words
from controller.web.i18n import Language, number
from controller.web.import_words import ABOUT, KINDS, column_words, meant_words, why_words

FEW: Final = 20
"""So many rows are shown before somebody asks for all."""
MOST: Final = 500
"""And so many then."""
_ACTS: Final[Mapping[Act, Look]] = {
    Act.ADDED: Look(lambda words: words.t("Add"), "ok", icon="plus"),
    Act.CHANGED: Look(lambda words: words.t("Change"), "in-use", icon="arrows-exchange"),
    Act.REMOVED: Look(lambda words: words.t("Remove"), "warning", icon="x"),
    Act.SAME: Look(lambda words: words.t("Unchanged"), "", icon="check"),
    Act.KEPT: Look(lambda words: words.t("Keep"), "", icon="check"),
}
_HEADS: Final[Mapping[Kind, tuple[Field, ...]]] = {
    Kind.THINGS: (Field.NAME, Field.ROOM),
    Kind.CALENDAR: (Field.YEAR, Field.WHAT, Field.NAME, Field.FIRST),
    Kind.BELLS: (Field.YEAR, Field.SCHEDULE, Field.HALF, Field.NUMBER),
    Kind.ASSETS: (Field.NAME, Field.ROOM),
    Kind.LESSONS: (Field.TITLE, Field.THING, Field.TEACHER),
}
"""What a line is called by."""


@dataclass(frozen=True, slots=True)
class KindChoice:
    value: str
    name: str
    about: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Sum:
    """A number above the tables; `bad` if somebody should look."""

    word: str
    n: str
    of: str
    bad: bool = False


@dataclass(frozen=True, slots=True)
class FaultRow:
    row: str
    column: str
    text: str
    why: str


@dataclass(frozen=True, slots=True)
class DateRow:
    day: str
    why: str


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """`mark` is what drops it, if it can be dropped."""

    row: str
    act: str
    mood: str
    icon: str
    about: str
    details: tuple[str, ...]
    dates: tuple[DateRow, ...] = ()
    mark: str = ""
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class PreviewPage:
    """`faults` and `changes` are those that are shown; `more` is how many rows of changes are not."""

    name: str
    kind: str
    about: str
    sums: tuple[Sum, ...]
    faults: tuple[FaultRow, ...]
    bad: int
    changes: tuple[ChangeRow, ...]
    of: int
    more: bool
    beside: tuple[ChangeRow, ...]
    good: int
    digest: str
    writes: bool


@dataclass(frozen=True, slots=True)
class DonePage:
    name: str
    kind: str
    said: tuple[str, ...]
    lost: tuple[DateRow, ...]


def kinds(chosen: str, words: Language) -> tuple[KindChoice, ...]:
    return tuple(
        KindChoice(kind, str(KINDS[kind](words)), str(ABOUT[kind](words)), kind == (chosen or Kind.THINGS))
        for kind in Kind
    )


def preview_page(name: str, task: Task, preview: Preview, names: Names, words: Language, *, whole: bool) -> PreviewPage:
    diff = preview.diff
    told = _Teller(task.kind, preview.dates, names, words)
    inside = [each for each in diff.changes if each.row]
    beside = [each for each in diff.changes if not each.row]
    shown = inside[: MOST if whole else FEW]
    return PreviewPage(
        name=name,
        kind=str(KINDS[task.kind](words)),
        about=_about(task.sheet, words),
        sums=_sums(preview, words),
        faults=tuple(told.fault(each) for each in diff.faults[:MOST]),
        bad=len(diff.bad_rows - {0}),
        changes=tuple(told.change(each) for each in shown),
        of=len(inside),
        more=not whole and len(inside) > len(shown),
        beside=tuple(told.change(each) for each in beside[:MOST]),
        good=diff.count(Act.ADDED) + diff.count(Act.CHANGED),
        digest=preview.digest,
        writes=diff.writes,
    )


def done_page(name: str, task: Task, done: Done, names: Names, words: Language) -> DonePage:
    diff = done.preview.diff
    said = [
        words.tn("{n} row was added", "{n} rows were added", diff.count(Act.ADDED)),
        words.tn("{n} row was changed", "{n} rows were changed", diff.count(Act.CHANGED)),
        words.tn("{n} was removed", "{n} were removed", diff.count(Act.REMOVED)),
        words.tn("{n} row was the same", "{n} rows were the same", diff.count(Act.SAME)),
    ]
    if task.kind is Kind.LESSONS:
        said.append(words.tn("{n} booking was made", "{n} bookings were made", done.booked))
    if diff.bad_rows:
        said.append(words.tn("{n} row was left out", "{n} rows were left out", len(diff.bad_rows)))
    told = _Teller(task.kind, done.lost, names, words)
    return DonePage(name, str(KINDS[task.kind](words)), tuple(map(str, said)), tuple(map(told.date, done.lost)))


@dataclass(frozen=True, slots=True)
class _Teller:
    """Says what becomes of the lines of one preview."""

    kind: Kind
    dates: Sequence[Dated]
    names: Names
    words: Language

    def fault(self, fault: Fault) -> FaultRow:
        row = number(fault.row, self.words.code) if fault.row else ""
        return FaultRow(row, column_words(fault.field, self.kind, self.words), fault.text, why_words(fault, self.words))

    def change(self, change: Change) -> ChangeRow:
        look = _ACTS[change.act]
        dates = [each for each in self.dates if each.row == change.row] if change.row else []
        return ChangeRow(
            row=number(change.row, self.words.code) if change.row else "",
            act=str(look.say(self.words)),
            mood=look.mood,
            icon=look.icon,
            about=self._called(change.line),
            details=tuple(self._details(change)) + ((self._counted(dates),) if dates else ()),
            dates=tuple(self.date(each) for each in dates if each.verdict.outcome is not Outcome.OK),
            mark="" if change.row else change.line.mark,
            dropped=change.act is Act.REMOVED,
        )

    def date(self, dated: Dated) -> DateRow:
        return DateRow(str(date_words(dated.verdict.day, self.words, year=True)), str(self._why(dated.verdict)))

    def _called(self, line: Line) -> str:
        return " · ".join(self._said(line, each) for each in _HEADS[self.kind] if line[each] is not None)

    def _details(self, change: Change) -> Iterable[str]:
        words = self.words
        if change.act is Act.CHANGED:
            for each in change.differences:
                old, new = (meant_words(each.field, value, words) for value in (each.old, each.new))
                yield f"{column_words(each.field, self.kind, words)}: {old} → {new}"
        elif change.act is Act.ADDED:
            rest = [each for each in change.line.values if each not in _HEADS[self.kind]]
            yield " · ".join(
                f"{column_words(each, self.kind, words)}: {self._said(change.line, each)}" for each in rest
            )

    def _said(self, line: Line, field: Field) -> str:
        return meant_words(field, line[field], self.words)

    def _counted(self, dates: Sequence[Dated]) -> str:
        words = self.words
        found = Counter("there" if each.there else each.verdict.outcome for each in dates)
        free, there, off, taken, refused = (
            found[each] for each in (Outcome.OK, "there", Outcome.HOLIDAY, Outcome.TAKEN, Outcome.NOT_ALLOWED)
        )
        told = (
            words.tn("{n} date to book", "{n} dates to book", free) if free else "",
            words.tn("{n} booked already", "{n} booked already", there) if there else "",
            words.tn("{n} on a holiday", "{n} on holidays", off) if off else "",
            words.tn("{n} taken", "{n} taken", taken) if taken else "",
            words.tn("{n} not possible", "{n} not possible", refused) if refused else "",
        )
        return ", ".join(str(each) for each in told if each)

    def _why(self, verdict: Verdict) -> Markup | str:
        if verdict.holiday:
            return verdict.holiday
        if verdict.problems:
            return " ".join(problem_words(each, self.names, self.words) for each in verdict.problems)
        return taken_words(verdict.taken_by, self.words)


def _about(sheet: Sheet, words: Language) -> str:
    """`48 rows · UTF-8, parted by semicolons`"""
    rows = words.tn("{n} row", "{n} rows", len(sheet.rows))
    if not sheet.encoding:
        return f"{rows} · Excel"
    parted = {
        ",": words.t("parted by commas"),
        ";": words.t("parted by semicolons"),
        "\t": words.t("parted by tabs"),
    }[sheet.delimiter]
    return f"{rows} · {sheet.encoding.upper()}, {parted}"


def _sums(preview: Preview, words: Language) -> tuple[Sum, ...]:
    diff = preview.diff
    count = [number(diff.count(each), words.code) for each in (Act.ADDED, Act.CHANGED, Act.SAME)]
    cells = words.tn("{n} cell to mend", "{n} cells to mend", len(diff.faults))
    return (
        Sum(str(words.t("Will be added")), count[0], str(words.t("new rows"))),
        Sum(str(words.t("Will be changed")), count[1], str(words.t("there already, with other values"))),
        Sum(str(words.t("Unchanged")), count[2], str(words.t("just the same"))),
        Sum(str(words.t("Rows at fault")), number(len(diff.bad_rows), words.code), str(cells), bad=bool(diff.faults)),
    )
