"""What tables say, and why a row cannot be taken, in words."""

from collections.abc import Callable, Mapping
from datetime import date, time
from typing import Final, TypeAlias

from markupsafe import Markup

from controller.scheduling.entries import Kind as ThingKind
from controller.scheduling.entries import WrongEntry
from controller.scheduling.school_time import Half, SchoolTimeError
from controller.timetable.cells import Lesson, Meant, Weekdays, What, Wrong
from controller.timetable.import_lessons import MOST_DATES
from controller.timetable.importing import Clash, Fault
from controller.timetable.layouts import LAYOUTS, Field, Kind
from controller.timetable.sheets import MOST_BYTES, MOST_COLUMNS, MOST_ROWS, Unreadable
from controller.web.admin_words import fault_words, flaw_words
from controller.web.booking_words import SHORT_WEEKDAYS, WEEKDAYS, Say, class_words, date_words
from controller.web.i18n import Language, number

_SayFault: TypeAlias = Callable[[Language, Fault], Markup]

KINDS: Final[Mapping[Kind, Say]] = {
    Kind.THINGS: lambda words: words.t("Rooms and machines"),
    Kind.CALENDAR: lambda words: words.t("Terms, holidays and make-up days"),
    Kind.BELLS: lambda words: words.t("Bell schedules"),
    Kind.LESSONS: lambda words: words.t("Timetable of lessons at machines"),
    Kind.ASSETS: lambda words: words.t("Computers that the school owns"),
}
ABOUT: Final[Mapping[Kind, Say]] = {
    Kind.THINGS: lambda words: words.t("What can be booked: one row for each room, machine or counted kit."),
    Kind.CALENDAR: lambda words: words.t(
        "One row for each term, holiday or make-up day. A new school year begins here."
    ),
    Kind.BELLS: lambda words: words.t("One row for each period of a bell schedule."),
    Kind.ASSETS: lambda words: words.t(
        "One row for each computer: added as an agent, it takes its name and room from here."
    ),
    Kind.LESSONS: lambda words: words.t("One row for each class that uses a machine: once, or every week up to a day."),
}
_UNREADABLE: Final[Mapping[Unreadable, Say]] = {
    Unreadable.EMPTY: lambda words: words.t("There is nothing in this file. Choose a file with a heading and rows."),
    Unreadable.TOO_LARGE: lambda words: words.t(
        "The file is too large: at most {n} MB, also when it is unpacked.", n=MOST_BYTES // 1_000_000
    ),
    Unreadable.TOO_MANY_ROWS: lambda words: words.t(
        "The file has more than {n} rows. Import it in parts.", n=number(MOST_ROWS, words.code)
    ),
    Unreadable.TOO_MANY_COLUMNS: lambda words: words.t("The file has more than {n} columns.", n=MOST_COLUMNS),
    Unreadable.OLD_EXCEL: lambda words: words.t("This is an Excel file of the old kind. Save it as .xlsx or as CSV."),
    Unreadable.NO_WORKBOOK: lambda words: words.t("This Excel file cannot be read. Open it and save it as .xlsx."),
    Unreadable.NO_TEXT: lambda words: words.t("This is neither CSV nor Excel. Save the table as CSV (UTF-8) or .xlsx."),
}
_WRONG: Final[Mapping[Wrong, _SayFault]] = {
    Wrong.MISSING: lambda words, fault: (
        words.t("Fill this cell in.") if fault.row else words.t("This column is not in the file.")
    ),
    Wrong.TOO_LONG: lambda words, fault: words.tn("At most {n} letter.", "At most {n} letters.", fault.most),
    Wrong.OUT_OF_RANGE: lambda words, fault: words.t(
        "From {least} to {most}.", least=number(fault.least, words.code), most=number(fault.most, words.code)
    ),
    Wrong.NOT_A_NUMBER: lambda words, _: words.t("Not a whole number."),
    Wrong.NOT_A_DATE: lambda words, _: words.t("Not a date. Write it as 25/11/2026."),
    Wrong.NO_SUCH_DAY: lambda words, fault: words.t(
        "Month {month} has only {days} days.", month=fault.least, days=fault.most
    ),
    Wrong.NOT_A_TIME: lambda words, _: words.t("Not a time of day. Write it as 07:15."),
    Wrong.NOT_FIVE_MINUTES: lambda words, _: words.t("Periods begin and end at full five minutes."),
    Wrong.NOT_A_WEEKDAY: lambda words, _: words.t("Not a weekday. Write T2, T3 or T2–T6."),
    Wrong.NOT_A_HALF: lambda words, _: words.t("Write “sáng” or “chiều”."),
    Wrong.NOT_A_PERIOD: lambda words, _: words.t("Not a period. Write 3, 3–4 or 1–2 chiều."),
    Wrong.NOT_A_WEEK: lambda words, _: words.t("Write A or B."),
    Wrong.NOT_A_KIND: lambda words, _: words.t("Write “máy”, “phòng”, “nhóm” or “mạch điện”."),
    Wrong.NOT_A_CALENDAR_WORD: lambda words, _: words.t("Write “học kỳ”, “ngày nghỉ” or “ngày học bù”."),
    Wrong.NOT_YES_OR_NO: lambda words, _: words.t("Write “có” or “không”."),
    Wrong.NOT_A_MAC: lambda words, _: words.t("Not a MAC address. Write it as 52:54:00:12:34:56."),
    Wrong.NOT_A_CODE: lambda words, _: words.t(
        "At most 8 capital letters and digits, without 0, O, 1 and I, which look alike."
    ),
}
_CLASHES: Final[Mapping[Clash, _SayFault]] = {
    Clash.TWICE: lambda words, fault: words.t("Row {row} is about the same already.", row=fault.other),
    Clash.DISAGREES: lambda words, fault: words.t(
        "Row {row} says something else of the same bell schedule.", row=fault.other
    ),
    Clash.BACKWARDS: lambda words, _: words.t("The last day comes before the first, or more than a year later."),
    Clash.NO_SUCH_YEAR: lambda words, _: words.t("The school has no such school year. Import its terms first."),
    Clash.NO_SUCH_THING: lambda words, fault: _near(words.t("The school can book no such machine."), fault.near, words),
    Clash.NO_SUCH_CIRCUIT: lambda words, _: words.t("There is no such circuit, in the file or at the school."),
    Clash.NO_SUCH_PERSON: lambda words, fault: _near(
        words.t("Nobody at the school has this login or name."), fault.near, words
    ),
    Clash.NO_SUCH_PERIOD: lambda words, _: words.t("No bell rings for these periods on that weekday."),
    Clash.AMBIGUOUS: lambda words, _: words.t("More than one has this name. Write the label code, or the login."),
    Clash.NO_DATES: lambda words, _: words.t("No day of a term matches."),
    Clash.SAME_TIME: lambda words, fault: words.t("Row {row} wants it at the same time.", row=fault.other),
    Clash.TOO_MANY: lambda words, _: words.t(
        "The file has more than {n} dates. Import it in parts.", n=number(MOST_DATES, words.code)
    ),
    Clash.ALL_REFUSED: lambda words, _: words.t("None of its dates can be booked; the reasons stand below."),
}
_WORDS: Final[Mapping[Meant, Say]] = {
    Half.MORNING: lambda words: words.t("morning"),
    Half.AFTERNOON: lambda words: words.t("afternoon"),
    What.TERM: lambda words: words.t("term"),
    What.HOLIDAY: lambda words: words.t("holiday"),
    What.MAKE_UP: lambda words: words.t("make-up day"),
    ThingKind.UNIT: lambda words: words.t("machine or room"),
    ThingKind.POOL: lambda words: words.t("counted pool"),
    ThingKind.CIRCUIT: lambda words: words.t("circuit"),
}
_WORDED: Final = frozenset({Field.HALF, Field.WHAT, Field.KIND})


def unreadable_words(why: Unreadable, words: Language) -> str:
    return str(_UNREADABLE[why](words))


def why_words(fault: Fault, words: Language) -> str:
    """Why a row is not taken, and what to write instead."""
    match fault.cause:
        case SchoolTimeError():
            return flaw_words(fault.cause, words)
        case WrongEntry():
            return fault_words(fault.cause, words)
    if isinstance(fault.why, Wrong):
        return str(_WRONG[fault.why](words, fault))
    return str(_CLASHES[fault.why](words, fault)) if isinstance(fault.why, Clash) else str(fault.why)


def column_words(field: Field | None, kind: Kind, words: Language) -> str:
    """What a column is called in the files of the reader's language."""
    return next((each.name(words.code) for each in LAYOUTS[kind].columns if each.field is field), "")


def meant_words(field: Field, value: Meant | None, words: Language) -> str:
    """What a cell means."""
    if value is not None and field in _WORDED and value in _WORDS:
        return str(_WORDS[value](words))
    if field is Field.CLASS:
        return class_words(str(value or "–"), words)
    if field in (Field.WEEKDAY, Field.AS_WEEKDAY) and isinstance(value, int):
        return str(WEEKDAYS[value](words))
    match value:
        case bool():
            return str(words.t("yes") if value else words.t("no"))
        case int():
            return number(value, words.code)
        case date():
            return date_words(value, words, year=True)
        case time():
            return f"{value:%H:%M}"
        case Weekdays():
            return ", ".join(str(SHORT_WEEKDAYS[each](words)) for each in value.days)
        case Lesson():
            return _lesson_words(value, words)
        case _:
            return str(value or "–")


def _lesson_words(lesson: Lesson, words: Language) -> str:
    """In a column of periods: `3–4, morning`."""
    numbers = f"{lesson.first}–{lesson.last}" if lesson.last > lesson.first else str(lesson.first)
    return f"{numbers}, {_WORDS[lesson.half](words)}"


def _near(sentence: Markup, near: str, words: Language) -> Markup:
    if not near:
        return sentence
    return Markup("{} {}").format(sentence, words.t("Nearest: {name}.", name=near))
