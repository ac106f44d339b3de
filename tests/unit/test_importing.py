"""What a table would change, and what of it cannot be: by row, column and reason."""

from collections.abc import Iterable
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from controller.scheduling.entries import Kind as ThingKind
from controller.scheduling.entries import WriteThing
from controller.scheduling.school_time import Bells, Flaw, Half, Holiday, MakeUpDay, Period, Term
from controller.timetable import cells
from controller.timetable.cells import BadCell, Lesson, Weekdays, Wrong
from controller.timetable.import_lessons import Bookable, Person, School, courses
from controller.timetable.import_things import StoredThing, diff_things
from controller.timetable.import_years import YearsDiff, diff_years
from controller.timetable.importing import Act, Clash, Diff
from controller.timetable.layouts import LAYOUTS, Field, Kind
from controller.timetable.plan import NamedBells, YearPlan
from controller.timetable.sheets import Sheet, read, write_csv, write_xlsx

YEAR = "2026–2027"
ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
MORNING = (Period(time(7, 15), time(8), Half.MORNING, 1), Period(time(8, 5), time(8, 50), Half.MORNING, 2))
PLAN = YearPlan(
    "an-phu",
    YEAR,
    terms=(Term("HK1", date(2026, 9, 7), date(2027, 1, 15)),),
    bells=(NamedBells("Cả năm", Bells(frozenset(range(5)), date(2026, 9, 7), date(2027, 5, 31), MORNING)),),
    holidays=(Holiday("Nhà giáo", date(2026, 11, 20), date(2026, 11, 20)),),
    make_up=(MakeUpDay(date(2026, 11, 22), 4),),
)
BELL_HEAD = "Năm học;Giờ vào tiết;Thứ;Từ ngày;Đến ngày;Buổi;Tiết;Giờ vào;Giờ ra"
BELL = f"{YEAR};Cả năm;T2–T6;07/09/2026;31/05/2027;sáng"


def sheet(*lines: str) -> Sheet:
    return read("\n".join(lines).encode())


def acts(diff: Diff) -> list[tuple[int, Act]]:
    return [(each.row, each.act) for each in diff.changes]


def faults(diff: Diff) -> list[tuple[int, object, object]]:
    return [(each.row, each.field, each.why) for each in diff.faults]


def bells(*lines: str, drop: Iterable[str] = ()) -> YearsDiff:
    return diff_years(Kind.BELLS, sheet(BELL_HEAD, *lines), "an-phu", {YEAR: PLAN}, frozenset(drop))


def calendar(*lines: str) -> YearsDiff:
    head = "School year;Entry;Name;From;To;First week;Taught as"
    return diff_years(Kind.CALENDAR, sheet(head, *lines), "an-phu", {YEAR: PLAN}, frozenset())


@pytest.mark.parametrize(
    ("parse", "text", "meant"),
    [
        (cells.day, "25/11/2026", date(2026, 11, 25)),
        (cells.day, "2026-11-25T00:00:00", date(2026, 11, 25)),
        (cells.clock, "7h15", time(7, 15)),
        (cells.clock, "07:15:00", time(7, 15)),
        (cells.clock, "9 giờ", time(9)),
        (cells.weekday, "Thứ Năm", 3),
        (cells.weekday, "Thu", 3),
        (cells.weekdays, "T2–T4, Thứ 7 và CN", Weekdays((0, 1, 2, 5, 6))),
        (cells.weekdays, "Mon-Fri", Weekdays((0, 1, 2, 3, 4))),
        (cells.lesson, "tiết 1–2 chiều", Lesson(Half.AFTERNOON, 1, 2)),
        (cells.lesson, "3", Lesson(Half.MORNING, 3, 3)),
        (cells.lesson, "1c", Lesson(Half.AFTERNOON, 1, 1)),
        (cells.number(0, 3), "H3", 3),
        (cells.yes_no, "Có", True),
        (cells.class_name, "Máy in 3D", "printer-3d"),
        (cells.class_name, "loom", "loom"),
    ],
)
def test_cells_mean_what_people_type(parse: cells.Parse, text: str, meant: cells.Meant) -> None:
    assert parse(text) == meant


@pytest.mark.parametrize(
    ("parse", "text", "wrong"),
    [
        (cells.clock, "7h65", Wrong.NOT_A_TIME),
        (cells.clock, "7:12", Wrong.NOT_FIVE_MINUTES),
        (cells.day, "31/11/2026", Wrong.NO_SUCH_DAY),
        (cells.day, "11/25/2026", Wrong.NOT_A_DATE),
        (cells.number(0, 3), "ba", Wrong.NOT_A_NUMBER),
        (cells.number(0, 3), "4", Wrong.OUT_OF_RANGE),
        (cells.weekdays, "T6-T2", Wrong.NOT_A_WEEKDAY),
        (cells.lesson, "4-3", Wrong.NOT_A_PERIOD),
        (cells.kind, "xe", Wrong.NOT_A_KIND),
    ],
)
def test_cells_that_mean_nothing_say_why(parse: cells.Parse, text: str, wrong: Wrong) -> None:
    with pytest.raises(BadCell) as bad:
        parse(text)
    assert bad.value.wrong is wrong


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("language", ["vi", "en"])
def test_a_template_reads_as_a_table_of_its_kind_in_both_languages(kind: Kind, language: str) -> None:
    layout = LAYOUTS[kind]
    for content in (write_csv(layout.template(language)), write_xlsx(layout.template(language))):
        found = read(content)
        located = layout.located(found.head.cells)
        assert [each.field for each in located.values()] == [each.field for each in layout.columns]
        for place, text in enumerate(found.rows[0].cells):
            if text:
                located[place].parse(text)


def test_bells_are_added_changed_and_left_alone() -> None:
    found = bells(f"{BELL};1;7h15;8h", f"{BELL};2;08:10;08:55", f"{BELL};3;09:15;10:00")
    assert acts(found.diff) == [(2, Act.SAME), (3, Act.CHANGED), (4, Act.ADDED)]
    moved = found.diff.changes[1].differences
    assert [(each.field, each.old, each.new) for each in moved] == [
        (Field.BEGINS, time(8, 5), time(8, 10)),
        (Field.ENDS, time(8, 50), time(8, 55)),
    ]
    (plan,) = found.plans
    assert [each.begins for each in plan.bells[0].bells.periods] == [time(7, 15), time(8, 10), time(9, 15)]
    assert (plan.terms, plan.holidays, plan.make_up) == (PLAN.terms, PLAN.holidays, PLAN.make_up)


def test_what_is_not_in_the_file_is_kept_unless_it_is_dropped() -> None:
    kept = bells(f"{BELL};1;07:15;08:00")
    assert acts(kept.diff) == [(2, Act.SAME), (0, Act.KEPT)]
    assert not kept.plans, "the same file again changes nothing"
    dropped = bells(f"{BELL};1;07:15;08:00", drop=[kept.diff.changes[1].line.mark])
    assert acts(dropped.diff) == [(2, Act.SAME), (0, Act.REMOVED)]
    assert len(dropped.plans[0].bells[0].bells.periods) == 1
    assert dropped.diff.digest != kept.diff.digest


def test_bad_rows_are_named_and_the_good_ones_taken_all_the_same() -> None:
    found = bells(
        f"{BELL};3;7h65;10:00",
        f"{BELL};;09:15;10:00",
        f"{BELL};1;07:15;08:00",
        f"{BELL};1;07:20;08:00",
        f"{YEAR};Cả năm;T2–T7;07/09/2026;31/05/2027;sáng;4;10:05;10:50",
        f"{BELL};5;08:30;09:15",
        f"{BELL.replace('2026–2027', '2030–2031')};1;07:15;08:00",
        f"{BELL};6;11:00;11:45",
    )
    assert faults(found.diff) == [
        (2, Field.BEGINS, Wrong.NOT_A_TIME),
        (3, Field.NUMBER, Wrong.MISSING),
        (5, Field.NUMBER, Clash.TWICE),
        (6, Field.WEEKDAYS, Clash.DISAGREES),
        (7, Field.BEGINS, Flaw.PERIODS_OVERLAP),
        (8, Field.YEAR, Clash.NO_SUCH_YEAR),
    ]
    assert acts(found.diff) == [(4, Act.SAME), (9, Act.ADDED), (0, Act.KEPT)]
    assert len(found.plans) == 1


def test_a_file_without_a_needed_column_says_which() -> None:
    found = diff_years(Kind.BELLS, sheet("Năm học;Tiết", f"{YEAR};1"), "an-phu", {YEAR: PLAN}, frozenset())
    assert (0, Field.BEGINS, Wrong.MISSING) in faults(found.diff)
    assert not found.diff.changes


def test_calendars_add_terms_move_holidays_and_begin_new_years() -> None:
    found = calendar(
        f"{YEAR};học kỳ;HK1;07/09/2026;15/01/2027;A;",
        f"{YEAR};term;HK2;18/01/2027;31/05/2027;B;",
        f"{YEAR};ngày nghỉ;Nhà giáo;19/11/2026;20/11/2026;;",
        f"{YEAR};ngày học bù;;22/11/2026;;;Thứ Sáu",
        "2027–2028;term;HK1;06/09/2027;14/01/2028;;",
    )
    assert not found.diff.faults
    assert acts(found.diff) == [
        (2, Act.SAME),
        (3, Act.ADDED),
        (4, Act.CHANGED),
        (5, Act.SAME),
        (6, Act.ADDED),
    ]
    assert [each.name for each in found.plans] == [YEAR, "2027–2028"]
    assert found.plans[0].bells == PLAN.bells


def test_a_calendar_that_cannot_be_blames_the_rows_that_make_it_so() -> None:
    found = calendar(
        f"{YEAR};term;HK2;10/01/2027;31/05/2027;;",
        f"{YEAR};holiday;Tết;20/02/2027;10/02/2027;;",
        f"{YEAR};term;;10/06/2027;31/07/2027;;",
        f"{YEAR};holiday;Giỗ Tổ;16/04/2027;;;",
    )
    assert faults(found.diff) == [
        (2, Field.FIRST, Flaw.TERMS_OVERLAP),
        (3, Field.LAST, Flaw.HOLIDAY_BACKWARDS),
        (4, Field.NAME, Wrong.MISSING),
    ]
    assert (5, Act.ADDED) in acts(found.diff)


def test_things_are_known_by_code_or_by_room_and_name() -> None:
    printer = WriteThing("an-phu", "3D-01", class_name="printer-3d", code="D2222A", room_id=7, watts=350, thing_id=1)
    kit = WriteThing("an-phu", "Kit", ThingKind.POOL, capacity=30, code="K2222A", room_id=7, thing_id=2)
    stored = [StoredThing(printer, "P.201"), StoredThing(kit, "P.201")]
    found = diff_things(
        sheet(
            "Phòng;Tên;Loại;Số lượng;Nhóm máy;Mã nhãn;Mức nguy hiểm",
            "p 201;Máy in 3D A;máy;;;D2222A;",
            "P.201;Kit;nhóm;32;;;",
            "P.305;Laser;máy;;laser;;H3",
            "P.305;Nhiều;máy;5;;;",
        ),
        "an-phu",
        stored,
        ["P.201"],
        frozenset(),
    )
    assert acts(found.diff) == [(2, Act.CHANGED), (3, Act.CHANGED), (4, Act.ADDED)]
    assert [(each.row, each.field) for each in found.diff.faults] == [(5, Field.CAPACITY)]
    renamed, resized, added = (each.entry for each in found.things)
    assert (renamed.thing_id, renamed.name, renamed.watts) == (1, "Máy in 3D A", 350), "an empty cell changes nothing"
    assert (resized.thing_id, resized.capacity) == (2, 32)
    assert (added.thing_id, added.class_name, added.hazard) == (None, "laser", 3)
    assert [each.name for each in found.rooms] == ["P.305"]


LESSON_HEAD = "Từ ngày;Đến ngày;Thứ;Tiết;Lớp;Giáo viên;Máy"
SCHOOL = School(
    [Person("u1", "ha", "Lê Minh Hà"), Person("u2", "duc", "Nguyễn Đức Long")],
    [
        Bookable(1, "Máy in 3D B", "D2222A", pool=False, own=True),
        Bookable(2, "Kit", "K2222A", pool=True, own=True),
        Bookable(3, "Máy in 3D B", "D2222D", pool=False, own=False),
    ],
    [PLAN.school_year(ZONE)],
)


def test_a_timetables_row_is_every_date_of_its_weekday_without_holidays_and_with_days_made_up() -> None:
    read_, wrong = courses(sheet(LESSON_HEAD, "16/11/2026;29/11/2026;T6;1–2;8A1;ha;máy in 3d b"), SCHOOL)
    assert not wrong
    (course,) = read_
    days = [datetime.fromtimestamp(each.start / 1000, ZONE).date() for each in course.spans]
    assert days == [date(2026, 11, 22), date(2026, 11, 27)]
    assert course.free == ((date(2026, 11, 20), "Nhà giáo"),)
    assert (course.holder, course.thing.id, course.title) == ("u1", 1, "8A1")


def test_a_timetables_rows_say_what_is_unknown_and_who_is_there_before() -> None:
    found, wrong = courses(
        sheet(
            LESSON_HEAD,
            "16/11/2026;29/11/2026;T3;1–2;8A1;ha;D2222A",
            "17/11/2026;;;2;8A2;duc;D2222A",
            "17/11/2026;;;1;8A2;duk;D2222A",
            "17/11/2026;;;1;8A2;duc;Máy in 3D C",
            "17/11/2026;;;6;8A2;duc;Kit",
            "17/07/2027;;;1;8A2;duc;Kit",
            "17/11/2026;;;1;8A2;Nguyễn Đức Long;Kit",
        ),
        SCHOOL,
    )
    assert [(each.row, each.why, each.other, each.near) for each in wrong] == [
        (3, Clash.SAME_TIME, 2, ""),
        (4, Clash.NO_SUCH_PERSON, 0, "duc"),
        (5, Clash.NO_SUCH_THING, 0, "Máy in 3D B"),
        (6, Clash.NO_SUCH_PERIOD, 0, ""),
        (7, Clash.NO_DATES, 0, ""),
    ]
    assert [each.line.row for each in found] == [2, 8]
