"""What speaks against a booking, rule by rule."""

from dataclasses import replace
from datetime import date, time
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.alerts.rules import DeviceState
from controller.identity.policy import Role
from controller.scheduling.opening_hours import Open, OpeningHours
from controller.scheduling.policy import (
    LASTING_RULES,
    MAINTENANCE,
    RULES,
    Adult,
    Asker,
    Certificate,
    Code,
    Facts,
    Limits,
    Problem,
    Proposal,
    Resting,
    Thing,
    problems,
    standing,
)
from controller.scheduling.school_time import SchoolTimeError, ticks
from tests.unit.booking_facts import (
    HA,
    HANOI,
    LASER,
    MINH,
    NOW_MS,
    OTHER,
    PRINTER,
    SCHOOL,
    TEACHER,
    TECHNICIAN,
    TET,
    WEDNESDAY,
    at,
    facts,
    lesson,
    limits,
    proposal,
)

SHORT_DAY = OpeningHours(HANOI, tuple(Open(weekday, time(8), time(16)) for weekday in range(5)), (TET,))


def codes(wanted: Proposal, known: Facts) -> list[Code]:
    return [each.code for each in problems(wanted, known)]


def test_ordinary_wish_meets_no_problem() -> None:
    assert problems(proposal(head_count=30), facts()) == ()


REFUSED = {
    Code.OTHER_SCHOOL: (proposal(school_id=OTHER), facts(replace(PRINTER, school_id=OTHER))),
    Code.NOT_FOR_OTHERS: (proposal(holder="minh"), facts()),
    Code.NOT_FOR_MAINTENANCE: (proposal(kind=MAINTENANCE), facts()),
    Code.NOT_SHARED: (proposal(), facts(replace(PRINTER, school_id=OTHER, shared=False))),
    Code.IN_THE_PAST: (proposal(range(NOW_MS - 300_000, NOW_MS + 3_600_000)), facts()),
    Code.NO_CERTIFICATE: (proposal(), facts(LASER)),
    Code.CERTIFICATE_RUNS_OUT: (proposal(), facts(LASER, holder=Adult("ha", (Certificate("laser", NOW_MS),)))),
    Code.NO_SUPERVISOR: (proposal(head_count=5), facts(LASER, holder=replace(MINH, id="ha"))),
    Code.CLOSED: (proposal(), facts(hours={PRINTER.id: SHORT_DAY})),
    Code.SHORT_NOTICE: (proposal(), facts(**limits(notice_days=3))),
    Code.TOO_FAR_AHEAD: (proposal(), facts(**limits(furthest_days=1))),
    Code.TOO_SHORT: (proposal(), facts(**limits(shortest_min=60))),
    Code.TOO_LONG: (proposal(), facts(**limits(longest_min=40))),
    Code.QUOTA_PERSON: (proposal(), facts(by_holder=4, **limits(person_week=4))),
    Code.QUOTA_SCHOOL: (proposal(), facts(by_school=9, **limits(school_week=9))),
    Code.TOO_MANY_PUPILS: (proposal(head_count=9), facts(replace(PRINTER, hazard=3), supervisors=(HA,))),
    Code.FAULT: (proposal(lesson(date(2026, 11, 23))), facts(health={PRINTER.id: DeviceState.FAULT})),
    Code.OFFLINE: (proposal(lesson(date(2026, 11, 23))), facts(health={PRINTER.id: DeviceState.OFFLINE})),
    Code.UNDER_MAINTENANCE: (
        proposal(lesson(date(2026, 11, 23))),
        facts(health={PRINTER.id: DeviceState.MAINTENANCE}),
    ),
    Code.RESTING: (
        proposal(lesson(date(2026, 11, 23))),
        facts(resting={PRINTER.id: Resting(NOW_MS, at(date(2026, 11, 23), "09:00"), ready=9, wanted=10)}),
    ),
}
"""For each code a wish that has this problem and no other."""


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.TOO_MANY_WISHES])  # it is of the waitlist
def test_each_problem_is_told_by_its_code_and_alone(code: Code) -> None:
    assert codes(*REFUSED[code]) == [code]


def test_codes_keep_their_names() -> None:
    final = {"other-school", "not-for-others", "not-for-maintenance", "not-shared", "in-the-past"}
    final |= {"no-certificate", "certificate-runs-out", "no-supervisor", "too-many-wishes"}
    overridable = {"closed", "short-notice", "too-far-ahead", "too-short", "too-long", "quota-person", "quota-school"}
    overridable |= {"too-many-pupils", "fault", "offline", "under-maintenance", "resting"}

    assert {code.value for code in Code if not code.overridable} == final
    assert {code.value for code in Code if code.overridable} == overridable


def test_kits_that_rest_stand_in_the_way_only_while_they_rest_and_if_too_few_are_left() -> None:
    day = date(2026, 11, 23)
    rest = Resting(at(day, "07:00"), at(day, "09:00"), ready=9, wanted=10)
    for span, changed, expected in (
        (range(at(day, "08:00"), at(day, "08:45")), rest, [Code.RESTING]),
        (range(at(day, "08:00"), at(day, "08:45")), replace(rest, ready=10), []),
        (range(at(day, "09:00"), at(day, "09:45")), rest, []),
        (range(at(day, "06:10"), at(day, "07:00")), rest, []),
    ):
        assert codes(proposal(span), facts(resting={PRINTER.id: changed})) == expected
    assert codes(proposal(kind=MAINTENANCE, holder="tam"), facts(asker=TECHNICIAN, resting={PRINTER.id: rest})) == []


def test_technician_books_for_others_and_for_maintenance() -> None:
    broken = facts(asker=TECHNICIAN, health={PRINTER.id: DeviceState.FAULT}, hours={PRINTER.id: SHORT_DAY})

    assert codes(proposal(holder="minh"), facts(asker=TECHNICIAN)) == []
    assert codes(proposal(kind=MAINTENANCE, holder="tam"), broken) == []


def test_notice_counts_days_with_lessons_from_today_on() -> None:
    friday, monday = at(date(2026, 11, 27), "17:00"), proposal(lesson(date(2026, 11, 30)))
    sunday = at(date(2026, 11, 29), "17:00")

    assert codes(monday, facts(now_ms=friday, **limits(notice_days=2))) == []  # Friday and Saturday
    assert codes(monday, facts(now_ms=friday, **limits(notice_days=3))) == [Code.SHORT_NOTICE]
    assert codes(monday, facts(now_ms=sunday, **limits(notice_days=1))) == [Code.SHORT_NOTICE]


def test_quota_counts_periods_and_only_of_what_is_shared() -> None:
    own = replace(PRINTER, shared=False)
    wanted = proposal(lesson(WEDNESDAY, 1, 3))

    assert problems(wanted, facts(by_holder=2, **limits(person_week=4))) == (
        Problem(Code.QUOTA_PERSON, limit=4, found=5),
    )
    assert codes(wanted, facts(by_holder=1, **limits(person_week=4))) == []
    assert codes(wanted, facts(own, by_holder=9, **limits(person_week=4))) == []
    assert codes(wanted, facts(by_holder=99, by_school=99, **limits(person_week=None, school_week=None))) == []


def test_certificate_may_be_that_of_who_supervises() -> None:
    assert codes(proposal(head_count=8), facts(LASER, supervisors=(MINH,))) == []
    late = proposal(lesson(date(2027, 3, 3)), head_count=8)
    assert codes(late, facts(LASER, supervisors=(MINH,))) == [Code.CERTIFICATE_RUNS_OUT, Code.NO_SUPERVISOR]


def test_each_adult_counts_once_towards_the_pupils() -> None:
    known = facts(replace(PRINTER, hazard=2), supervisors=(HA, MINH))

    assert codes(proposal(head_count=40), known) == []
    assert problems(proposal(head_count=41), known) == (Problem(Code.TOO_MANY_PUPILS, PRINTER.id, 40, 41),)


def test_health_now_tells_nothing_of_next_week() -> None:
    broken = facts(health={PRINTER.id: DeviceState.FAULT})

    assert codes(proposal(lesson(WEDNESDAY)), broken) == []
    assert codes(proposal(lesson(date(2026, 11, 23))), facts(health={PRINTER.id: DeviceState.WARNING})) == []


def test_problem_is_told_for_the_thing_it_is_about() -> None:
    found = problems(proposal(), facts(PRINTER, LASER))

    assert found == (Problem(Code.NO_CERTIFICATE, LASER.id, name="laser"),)


@pytest.mark.parametrize("role", list(Role))
def test_only_what_may_be_overruled_is_and_only_by_whom_it_may(role: Role) -> None:
    found = (Problem(Code.NO_SUPERVISOR), Problem(Code.CLOSED), Problem(Code.QUOTA_PERSON))
    expected = found if role in (Role.TEACHER, Role.AUDITOR) else found[:1]

    assert standing(found, role, "open day") == expected
    assert standing(found, role, "  ") == found


things = st.builds(
    Thing,
    st.integers(1, 4),
    st.sampled_from([SCHOOL, OTHER]),
    st.just("printer-3d"),
    st.booleans(),
    st.integers(0, 3),
    st.sampled_from(["", "laser"]),
)
wishes = st.builds(
    Proposal,
    st.sampled_from([SCHOOL, OTHER]),
    st.sampled_from(["ha", "minh"]),
    start_ms=st.integers(-20, 400).map(lambda hours: NOW_MS + hours * 3_600_000),
    end_ms=st.just(0),
    head_count=st.integers(0, 60),
    kind=st.sampled_from(["lesson", MAINTENANCE]),
).flatmap(lambda wish: st.integers(1, 100).map(lambda ticks: replace(wish, end_ms=wish.start_ms + ticks * 300_000)))
knowledge = st.builds(
    facts,
    things,
    things,
    asker=st.sampled_from([TEACHER, TECHNICIAN, Asker("ha", Role.TEACHER, OTHER)]),
    holder=st.sampled_from([HA, MINH]),
    supervisors=st.sampled_from([(), (HA,), (MINH,)]),
    limits=st.builds(Limits, st.integers(0, 4), st.integers(0, 20), st.integers(5, 60), st.integers(40, 400)),
    hours=st.sampled_from([{}, {1: SHORT_DAY, 2: SHORT_DAY}]),
    health=st.dictionaries(st.integers(1, 4), st.sampled_from(DeviceState)),
    by_holder=st.integers(0, 14),
    by_school=st.integers(0, 50),
)


@given(wishes, knowledge, st.randoms(use_true_random=False))
def test_rules_say_the_same_alone_together_and_in_any_order(wish: Proposal, known: Facts, random: Random) -> None:
    together = problems(wish, known)
    alone = [each for rule in RULES for each in problems(wish, known, (rule,))]
    shuffled = list(RULES)
    random.shuffle(shuffled)

    assert set(together) == set(alone)
    assert len({each.code for each in alone}) == len(alone)
    assert problems(wish, known, shuffled) == together


@given(wishes, knowledge, st.integers(-48, 48))
def test_rules_that_last_say_the_same_at_another_hour(wish: Proposal, known: Facts, hours: int) -> None:
    moved = replace(wish, start_ms=wish.start_ms + hours * 3_600_000, end_ms=wish.end_ms + hours * 3_600_000)

    assert problems(wish, known, LASTING_RULES) == problems(moved, known, LASTING_RULES)


@given(wishes, knowledge, st.sampled_from(Role), st.text(max_size=3))
def test_nothing_final_is_ever_overruled(wish: Proposal, known: Facts, role: Role, reason: str) -> None:
    found = problems(wish, known)
    left = standing(found, role, reason)

    assert [each for each in found if not each.overridable] == [each for each in left if not each.overridable]


def test_opening_hours_cover_what_lies_within_them() -> None:
    assert SHORT_DAY.cover(range(at(WEDNESDAY, "08:00"), at(WEDNESDAY, "16:00")))
    assert not SHORT_DAY.cover(range(at(WEDNESDAY, "07:55"), at(WEDNESDAY, "16:00")))
    assert not SHORT_DAY.cover(lesson(date(2026, 11, 28)))
    assert not SHORT_DAY.cover(range(at(date(2027, 2, 3), "09:00"), at(date(2027, 2, 3), "10:00")))


def test_opening_hours_go_on_past_midnight() -> None:
    night = OpeningHours(HANOI, (Open(2, time(20), time(0)), Open(3, time(0), time(2)), Open(3, time(6), time(9))))

    assert night.cover(range(at(WEDNESDAY, "21:00"), at(date(2026, 11, 26), "01:30")))
    assert not night.cover(range(at(WEDNESDAY, "21:00"), at(date(2026, 11, 26), "06:30")))


@given(st.integers(-400, 400), st.integers(1, 600))
def test_shut_are_the_ticks_that_opening_hours_do_not_cover(begins: int, length: int) -> None:
    start = ticks(at(WEDNESDAY, "07:55"), at(WEDNESDAY, "08:00")).start + begins
    window = range(start, start + length)

    shut = {tick for each in SHORT_DAY.shut(window) for tick in each}

    assert shut == {tick for tick in window if not SHORT_DAY.cover(range(tick * 300_000, (tick + 1) * 300_000))}


@pytest.mark.parametrize("wrong", [(7, time(8), time(9)), (0, time(9), time(8)), (0, time(9), time(9))])
def test_opening_hours_that_cannot_be_are_refused(wrong: tuple[int, time, time]) -> None:
    with pytest.raises(SchoolTimeError):
        Open(*wrong)
