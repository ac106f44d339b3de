"""What the calendar shows of a week: cells, words and closed times; and what its form asks for."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from controller.scheduling.booking_states import BookingState
from controller.scheduling.choice import Counted, Taken, Unit, Use, masks
from controller.scheduling.school_time import Half, ticks
from controller.scheduling.spare import Spare
from controller.scheduling.stock import Item, ticks_of
from controller.scheduling.views import BookingView, Had, ThingView
from controller.web import booking_form, calendar_picker
from controller.web.booking_form import Draft, Ground, Line, Unclear
from controller.web.calendar_grid import Cell, Look, Reader, Row
from controller.web.calendar_view import WeekPage, lanes, week_page
from controller.web.i18n import language
from controller.web.typography import NBSP
from tests.unit.booking_facts import NOW_MS, OTHER, SCHOOL, TET, WEDNESDAY, YEAR, at, lesson

VI = language("vi")
MONDAY = WEDNESDAY - timedelta(days=2)
SHORT, CLASS = range(at(WEDNESDAY, "08:30"), at(WEDNESDAY, "09:20")), "printer-3d"


def thing(number: int, kind: str = "unit", capacity: int = 1, school: str = SCHOOL) -> ThingView:
    return ThingView(
        id=number,
        school_id=school,
        school=school,
        room_id=1,
        room="FabLab",
        device_id=None,
        kind=kind,
        class_name="" if kind == "pool" else CLASS,
        name=f"Máy {number}",
        code="",
        capacity=capacity,
        hazard=0,
        certificate="",
        shared=True,
        approval=False,
    )


PRINTER, KITS = thing(1), thing(2, "pool", 30)
CIRCUIT = 9
DRAWN = Use(ticks(lesson(WEDNESDAY, 3).start, lesson(WEDNESDAY, 3).stop), 500)
"""Of the 800 W of the circuit somebody draws so much in a third period."""


def booking(span: range, *, count: int = 0, clean_up_min: int = 0, number: int = 1, **changes: object) -> BookingView:
    held = range(span.start, span.stop + clean_up_min * 60_000)
    had = Had(KITS.id if count else PRINTER.id, "", "", 1, SCHOOL, None, "", count, held)
    found = BookingView(
        id=f"b{number}",
        school_id=SCHOOL,
        school="An Phú",
        holder_id="ha",
        holder="Lê Minh Hà",
        kind="lesson",
        state=BookingState.CONFIRMED,
        title="8A1",
        purpose="",
        head_count=0,
        start_ms=span.start,
        end_ms=span.stop,
        things=(had,),
        series_id=None,
        sequence=0,
        changed_ms=0,
        hold_until_ms=None,
        checked_in_ms=None,
        ended_ms=None,
        supervisors=(),
        mine=False,
    )
    return replace(found, **changes)  # type: ignore[arg-type]  # a test's shorthand


def reader(*shown: ThingView, monday: date = MONDAY, now_ms: int = NOW_MS) -> Reader:
    return Reader(YEAR, VI, now_ms, SCHOOL, "An Phú", monday, monday, shown or (PRINTER,))


def spare(of: Reader, bookings: Sequence[BookingView], *units: Unit) -> Spare:
    """What is left of the reader's things; as `units` say where they do."""
    known = {each.id: each for each in units}
    had = [each for booking in bookings for each in booking.things]
    first = ticks(at(of.monday, "00:00"), at(of.monday, "00:05")).start
    held = [(each, ticks(each.span_ms.start, each.span_ms.stop)) for each in had]
    taken = Taken(
        first,
        masks([(each.resource_id, span.start, span.stop) for each, span in held if not each.count], first),
        {each.id: each.capacity for each in of.lanes if each.kind == "pool"} | {CIRCUIT: 800},
        {KITS.id: [Use(span, each.count) for each, span in held if each.count], CIRCUIT: [DRAWN]},
    )
    return Spare(
        {each.id: known.get(each.id, Unit(each.id)) for each in of.lanes if each.kind == "unit"},
        {each.id: Counted(each.id, 1) for each in of.lanes if each.kind == "pool"},
        taken,
    )


def week(*bookings: BookingView, of: Reader | None = None, units: Sequence[Unit] = ()) -> WeekPage:
    of = of or reader()
    return week_page(of, bookings, spare(of, bookings, *units))


def row(page: WeekPage, number: int, half: Half = Half.MORNING) -> Row:
    return next(each for each in page.rows if each.key == f"{half}-{number}")


def cell(page: WeekPage, number: int, half: Half = Half.MORNING, column: int = 2) -> Cell:
    """Of Wednesday, where a day has one lane."""
    return next(each for each in row(page, number, half).cells if each.column == column)


def columns(page: WeekPage) -> Iterator[list[int]]:
    """How many cells each row has, those that reach down from earlier rows with them."""
    reaching: list[Cell] = []
    for each in page.rows:
        yield sorted(
            column for found in (*each.cells, *reaching) for column in range(found.column, found.column + found.columns)
        )
        reaching = [replace(found, rows=found.rows - 1) for found in (*each.cells, *reaching) if found.rows > 1]


def test_rows_are_the_readers_periods_with_breaks_and_lunch() -> None:
    page = week()
    assert [each.key for each in page.rows] == [*(f"morning-{n}" for n in range(1, 5)), "afternoon-1", "afternoon-2"]
    assert [each.after_break for each in page.rows] == [False, False, True, False, False, False]
    assert row(page, 1, Half.AFTERNOON).lunch == "10:50 – 13:15"
    assert (row(page, 3).name.replace(NBSP, " "), row(page, 3).clock) == ("Tiết 3", "09:15–10:00")
    assert page.title.replace(NBSP, " ") == "Tuần 12 (tuần B)"
    assert page.span.replace(NBSP, " ") == "23/11 – 28/11/2026"


@pytest.mark.parametrize("of", [reader(), reader(PRINTER, KITS), reader(monday=TET.first), reader(now_ms=SHORT.start)])
def test_every_row_fills_every_column_once(of: Reader) -> None:
    page = week(booking(lesson(WEDNESDAY, 1, 3)), booking(lesson(WEDNESDAY, 1, 2), count=5, number=2), of=of)
    wanted = list(range(len(page.days) * len(of.lanes)))
    assert all(found == wanted for found in columns(page))


def test_a_booking_is_one_cell_over_its_periods() -> None:
    page = week(booking(lesson(WEDNESDAY, 2, 3)))
    found = cell(page, 2)
    assert (found.look, found.rows) == (Look.BOOKED, 2)
    (mark,) = found.marks
    assert (mark.title, mark.who, mark.clock) == ("8A1", "Lê Minh Hà", "")
    assert cell(page, 1).look is Look.FREE
    assert cell(page, 4).look is Look.FREE


def test_a_lunch_parts_a_booking_into_two_cells() -> None:
    day = range(lesson(WEDNESDAY, 4).start, lesson(WEDNESDAY, 1, half=Half.AFTERNOON).stop)
    page = week(booking(day))
    assert (cell(page, 4).look, cell(page, 1, Half.AFTERNOON).look) == (Look.BOOKED, Look.BOOKED)


@pytest.mark.parametrize(
    ("changes", "look"),
    [
        ({"mine": True}, Look.MINE),
        ({}, Look.BOOKED),
        ({"state": BookingState.REQUESTED}, Look.PENDING),
        ({"kind": "maintenance"}, Look.MAINTENANCE),
    ],
)
def test_cells_say_whose_and_how_it_is(changes: dict[str, Any], look: Look) -> None:
    found = cell(week(booking(lesson(WEDNESDAY, 2), **changes)), 2)
    assert found.look is look
    assert found.word
    assert found.href == (
        "/my" if look is Look.MINE else f"/calendar/new?day={WEDNESDAY}&first=morning-2&last=morning-2&item1=thing:1"
    )


def test_another_schools_time_stands_in_the_readers_periods_with_its_own_clock() -> None:
    page = week(booking(SHORT, school_id=OTHER, school="Bến Tràng", title="", holder=""))
    found = cell(page, 2)
    assert found.rows == 2
    assert (found.marks[0].title, found.marks[0].who, found.marks[0].clock) == ("Đã đặt", "Bến Tràng", "08:30–09:20")


def test_what_is_cleaned_in_a_period_is_taken_in_it() -> None:
    found = cell(week(booking(lesson(WEDNESDAY, 1), clean_up_min=20)), 2)
    assert (found.look, found.marks) == (Look.PREPARING, ())
    assert found.word == "chuẩn bị, dọn dẹp"


def test_period_is_free_only_if_the_machine_can_be_set_up_and_cleaned_around_it() -> None:
    setup = Unit(PRINTER.id, setup=ticks_of(15), clean_up=ticks_of(30))
    page = week(booking(lesson(WEDNESDAY, 2), clean_up_min=0), units=[setup])
    assert [cell(page, number).look for number in (1, 2, 3, 4)] == [
        Look.PREPARING,
        Look.BOOKED,
        Look.FREE,
        Look.FREE,
    ], "cleaned after the first it would run into the second; the break is long enough to set it up for the third"
    assert cell(page, 1).href, "the form says what else would do"


def test_period_is_not_free_if_the_circuit_feeds_others_then() -> None:
    page = week(units=[Unit(PRINTER.id, watts=350, circuit=CIRCUIT)])
    assert [cell(page, number).look for number in (2, 3, 4)] == [Look.FREE, Look.NO_POWER, Look.FREE]
    assert cell(page, 3).word == "hết công suất mạch điện"


def test_two_bookings_in_one_period_both_stand_in_it() -> None:
    one, other = (
        range(at(WEDNESDAY, "09:15"), at(WEDNESDAY, "09:30")),
        range(at(WEDNESDAY, "09:40"), at(WEDNESDAY, "10:00")),
    )
    found = cell(week(booking(one), booking(other, number=2, title="7B")), 3)
    assert [mark.title for mark in found.marks] == ["8A1", "7B"]


def test_what_no_period_covers_stands_below_the_grid() -> None:
    evening = range(at(WEDNESDAY, "18:00"), at(WEDNESDAY, "19:30"))
    page = week(booking(evening))
    assert [each.text.replace(NBSP, " ") for each in page.outside] == ["Máy 1: 18:00–19:30, Thứ Tư 25/11"]
    sunday = MONDAY + timedelta(days=6)
    busy = week(booking(range(at(sunday, "08:00"), at(sunday, "09:00"))))
    assert (len(page.days), len(busy.days)) == (6, 7)


def test_a_pool_tells_how_many_are_left_and_is_full_when_none_is() -> None:
    of = reader(KITS)
    page = week(
        booking(lesson(WEDNESDAY, 1, 2), count=12, mine=True), booking(lesson(WEDNESDAY, 2), count=18, number=2), of=of
    )
    assert [cell(page, number).word for number in (1, 2, 3)] == ["còn 18/30", "còn 0/30", "còn 30/30"]
    assert [cell(page, number).look for number in (1, 2, 3)] == [Look.FREE, Look.BOOKED, Look.FREE]
    assert cell(page, 1).own is not None
    assert cell(page, 1).href


def test_what_is_over_and_what_is_not_taught_is_closed_with_a_word() -> None:
    page = week(of=reader(now_ms=at(WEDNESDAY, "08:30")))
    over = cell(page, 1)
    assert (over.look, over.rows, over.word, over.href) == (Look.PAST, 2, "Đã qua", "")
    assert cell(page, 3).look is Look.FREE
    saturday = cell(page, 1, Half.AFTERNOON, column=5)
    assert (saturday.look, saturday.word, saturday.rows) == (Look.CLOSED, "Không có tiết", 2)
    holiday = week(of=reader(monday=TET.first))
    assert (holiday.rows, holiday.closed) == ((), "Ngày nghỉ: Tết")
    exam = week(of=reader(monday=date(2026, 12, 7)))
    assert cell(exam, 1).word == "Ngày nghỉ: exams"


def test_lanes_are_those_chosen_in_their_order_and_never_too_many() -> None:
    things = [thing(number) for number in range(1, 8)]
    assert [each.id for each in lanes(things, [3, 1, 99, 3])] == [3, 1]
    assert [each.id for each in lanes(things, [])] == [1, 2, 3, 4]
    assert len(lanes(things, range(1, 8))) == 4


def test_the_picker_offers_rooms_and_kinds_as_many_at_once_as_fit() -> None:
    things = [thing(number) for number in range(1, 7)]
    found = calendar_picker.picker(reader(*things[:4]), things)
    assert [each.text.replace(NBSP, " ") for each in found.shortcuts] == [
        "FabLab · an-phu (1–4 / 6)",
        "FabLab · an-phu (5–6 / 6)",
        "máy in 3D (1–4 / 6)",
        "máy in 3D (5–6 / 6)",
    ]
    assert [each.current for each in found.shortcuts] == [True, False, True, False]
    assert [tick.shown for tick in found.places[0].ticks] == [True] * 4 + [False] * 2


# the form

GROUND = Ground(YEAR, (PRINTER, KITS, thing(3)), VI)
TYPED = Draft(day=str(WEDNESDAY), first="morning-3", last="morning-4", lines=(Line("thing:1"), Line("thing:2", "12")))


def asked(**changes: object) -> tuple[Sequence[Item], range]:
    found = booking_form.asked(replace(TYPED, **changes), GROUND)  # type: ignore[arg-type]  # a test's shorthand
    return found.items, range(found.start_ms, found.end_ms)


def test_a_form_asks_for_things_and_numbers_in_periods() -> None:
    assert asked() == ((Item(1), Item(2, count=12)), lesson(WEDNESDAY, 3, 4))
    assert asked(lines=(Line("class:printer-3d", "2"),))[0] == (Item(class_name=CLASS, count=2),)
    assert asked(lines=(Line("thing:1", "5"),))[0] == (Item(1),), "there is one of a unit"
    assert asked(begins="18:00", ends="19:30")[1] == range(at(WEDNESDAY, "18:00"), at(WEDNESDAY, "19:30"))
    assert asked(last="")[1] == lesson(WEDNESDAY, 3)


@pytest.mark.parametrize(
    "changes",
    [
        {"day": "31/12"},
        {"day": "9999-12-31"},
        {"first": "evening-1"},
        {"first": "morning-²"},
        {"first": "morning-4", "last": "morning-1"},
        {"lines": ()},
        {"lines": (Line("thing:77"),)},
        {"lines": (Line("thing:2", "-3"),)},
        {"lines": (Line("thing:2", "9" * 30),)},
        {"begins": "18:00"},
        {"begins": "18:00", "ends": "17:00"},
        {"begins": "18:01", "ends": "19:00"},
        {"head_count": "ba mươi"},
        {"choice": "x"},
    ],
)
def test_what_nobody_can_mean_is_unclear(changes: dict[str, object]) -> None:
    with pytest.raises(Unclear):
        asked(**changes)
