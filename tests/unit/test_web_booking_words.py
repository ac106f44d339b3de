"""Times, rules and alternatives in the words of the glossary."""

from datetime import date

import pytest

from controller.scheduling.alternatives import Alternative, Kind
from controller.scheduling.booking_states import BookingState
from controller.scheduling.choice import Choice, Unit
from controller.scheduling.policy import Code, Problem
from controller.scheduling.school_time import Half
from controller.scheduling.series import Occupant
from controller.web import booking_words as say
from controller.web.i18n import language
from controller.web.typography import NBSP
from tests.unit.booking_facts import WEDNESDAY, YEAR, at, lesson

VI, EN = language("vi"), language("en")
NAMES = {1: "Máy in 3D A", 2: "Máy cắt <laser>"}


def when(span: range, code: str = "vi") -> str:
    return say.when_words(span, YEAR, language(code)).replace(NBSP, " ")


def test_a_time_is_said_in_periods_with_the_clock_and_the_day() -> None:
    assert when(lesson(WEDNESDAY, 3, 4)) == "tiết 3–4 (09:15–10:50), Thứ Tư 25/11"
    assert when(lesson(WEDNESDAY, 3)) == "tiết 3 (09:15–10:00), Thứ Tư 25/11"
    assert when(lesson(WEDNESDAY, 1, 2, Half.AFTERNOON)) == "tiết 1–2 chiều (13:15–14:50), Thứ Tư 25/11"
    assert when(lesson(WEDNESDAY, 3, 4), "en") == "periods 3–4 (09:15–10:50), Wednesday 25 Nov"


def test_another_schools_time_is_said_in_the_readers_periods_by_its_own_clock() -> None:
    assert when(range(at(WEDNESDAY, "08:30"), at(WEDNESDAY, "09:20"))) == "tiết 2–3 (08:30–09:20), Thứ Tư 25/11"
    assert (
        when(range(at(WEDNESDAY, "10:30"), at(WEDNESDAY, "13:30")))
        == "tiết 4 – tiết 1 chiều (10:30–13:30), Thứ Tư 25/11"
    )


def test_a_time_outside_of_all_periods_has_the_clock_alone() -> None:
    assert when(range(at(WEDNESDAY, "18:00"), at(WEDNESDAY, "19:30"))) == "18:00–19:30, Thứ Tư 25/11"
    over_night = range(at(WEDNESDAY, "18:00"), at(date(2026, 11, 26), "07:00"))
    assert when(over_night) == "18:00, Thứ Tư 25/11 – 07:00, Thứ Năm 26/11"


def test_the_year_stands_where_it_is_not_this_school_year() -> None:
    sunday = date(2027, 8, 1)
    assert when(range(at(sunday, "08:00"), at(sunday, "09:00"))) == "08:00–09:00, Chủ nhật 01/08/2027"


@pytest.mark.parametrize("code", Code)
def test_every_problem_has_words_with_its_numbers_in_both_languages(code: Code) -> None:
    problem = Problem(code, 1, limit=12, found=14, name="laser")
    for words in (VI, EN):
        told = say.problem_words(problem, NAMES, words)
        assert told.endswith(".")
        assert "{" not in told
        assert ("Máy in 3D A" in told) or "{thing}" not in told


def test_a_problem_names_the_thing_and_is_safe_to_show() -> None:
    told = say.problem_words(Problem(Code.NO_CERTIFICATE, 2, name="laser"), NAMES, VI)
    assert told == "Máy cắt &lt;laser&gt; cần chứng nhận “laser” của người đặt hoặc của người phụ trách."
    quota = say.problem_words(Problem(Code.QUOTA_SCHOOL, limit=40, found=42), NAMES, VI)
    assert quota.replace(NBSP, " ") == "Thêm lượt này, trường có 42 tiết trong tuần đó; định mức là 40 tiết."


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (Kind.OTHER_UNIT, "Cùng giờ, Máy in 3D A"),
        (Kind.OTHER_PERIOD, "Cùng ngày: tiết 3–4 (09:15–10:50), Thứ Tư 25/11"),
        (Kind.OTHER_DAY, "Ngày khác: tiết 3–4 (09:15–10:50), Thứ Tư 25/11"),
        (Kind.OTHER_UNIT_AND_TIME, "Máy in 3D A: tiết 3–4 (09:15–10:50), Thứ Tư 25/11"),
    ],
)
def test_an_alternative_says_what_is_other(kind: Kind, told: str) -> None:
    span = lesson(WEDNESDAY, 3, 4)
    other = Alternative(kind, span.start, span.stop, Choice(((Unit(1),),)))
    assert say.alternative_words(other, NAMES, YEAR, VI).replace(NBSP, " ") == told


def test_who_has_it_is_said_as_far_as_may_be_told() -> None:
    assert say.taken_words([], VI) == "Tiết này vừa có người đặt."
    told = say.taken_words([Occupant("an-phu", "An Phú", "8A1"), Occupant("ben-trang", "Bến Tràng")], VI)
    assert told == "Tiết này vừa có người đặt: An Phú (8A1), Bến Tràng."


@pytest.mark.parametrize("state", BookingState)
def test_every_state_has_a_word_a_shape_and_a_colour(state: BookingState) -> None:
    look = say.STATES[state]
    assert say.state_word(state, VI) != say.state_word(state, EN)
    assert look.icon
    assert look.mood in {"ok", "in-use", "warning", "offline"}
