"""A school, its year and its people, for the tests of booking rules."""

from datetime import date, time
from zoneinfo import ZoneInfo

from controller.identity.policy import Role
from controller.scheduling.policy import Adult, Asker, Certificate, Facts, Limits, Proposal, Thing
from controller.scheduling.school_time import Bells, Half, Holiday, Period, SchoolYear, Term, instant

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
SCHOOL, OTHER = "an-phu", "ben-trang"
YEAR_BEGINS, YEAR_ENDS = date(2026, 9, 7), date(2027, 5, 28)
TERM_ENDS = date(2027, 1, 15)
TET = Holiday("Tết", date(2027, 2, 1), date(2027, 2, 14))
EXAMS = Holiday("exams", date(2026, 12, 9), date(2026, 12, 9))
MORNING = tuple(
    Period(time(hour, minute), time(hour + (minute + 45) // 60, (minute + 45) % 60), Half.MORNING, number)
    for number, (hour, minute) in enumerate(((7, 15), (8, 5), (9, 15), (10, 5)), 1)
)
AFTERNOON = tuple(
    Period(time(hour, minute), time(hour + (minute + 45) // 60, (minute + 45) % 60), Half.AFTERNOON, number)
    for number, (hour, minute) in enumerate(((13, 15), (14, 5)), 1)
)
SATURDAY = MORNING[:2]
YEAR = SchoolYear(
    HANOI,
    (Term("1", YEAR_BEGINS, TERM_ENDS), Term("2", date(2027, 1, 18), YEAR_ENDS)),
    (
        Bells(frozenset(range(5)), YEAR_BEGINS, YEAR_ENDS, MORNING + AFTERNOON),
        Bells(frozenset({5}), YEAR_BEGINS, YEAR_ENDS, SATURDAY),
    ),
    (EXAMS, TET),
)
WEDNESDAY = date(2026, 11, 25)


def at(day: date, clock: str) -> int:
    return instant(day, time.fromisoformat(clock), HANOI)


def lesson(day: date, first: int = 1, last: int | None = None, half: Half = Half.MORNING) -> range:
    """From one period to another, ms."""
    begins, ends = YEAR.slot(day, half, first), YEAR.slot(day, half, last or first)
    assert begins is not None
    assert ends is not None
    return range(begins.start_ms, ends.end_ms)


NOW_MS = at(date(2026, 11, 23), "06:00")
PRINTER = Thing(1, SCHOOL, "printer-3d", shared=True, hazard=1)
LASER = Thing(2, SCHOOL, "laser", shared=True, hazard=3, certificate="laser")
HA = Adult("ha")
MINH = Adult("minh", (Certificate("laser", at(date(2027, 3, 1), "00:00")),))
TEACHER = Asker("ha", Role.TEACHER, SCHOOL)
TECHNICIAN = Asker("tam", Role.TECHNICIAN, None)


def proposal(span: range | None = None, **changes: object) -> Proposal:
    span = span or lesson(WEDNESDAY)
    given = {"school_id": SCHOOL, "holder": "ha", "start_ms": span.start, "end_ms": span.stop}
    return Proposal(**{**given, **changes})  # type: ignore[arg-type]  # a test's shorthand


def facts(*things: Thing, **changes: object) -> Facts:
    given = {"now_ms": NOW_MS, "year": YEAR, "asker": TEACHER, "holder": HA, "things": things or (PRINTER,)}
    return Facts(**{**given, **changes})  # type: ignore[arg-type]  # a test's shorthand


def limits(**changes: object) -> dict[str, object]:
    return {"limits": Limits(**changes)}  # type: ignore[arg-type]  # a test's shorthand
