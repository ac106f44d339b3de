"""Turns: two holders never have one machine at one time, and nobody is turned away without a reason."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.scheduling.turns import (
    LEEWAY_MS,
    WALK_UP,
    Answer,
    Begin,
    Blocked,
    Keep,
    Stretch,
    Turn,
    answer,
    clashes,
    holding,
)

NOW = 10 * LEEWAY_MS
MINUTE = 60_000


def turn(holder: str, from_min: float, until_min: float, device_id: int = 1) -> Turn:
    """Minutes from now."""
    until_ms = NOW + int(until_min * MINUTE)
    return Turn(device_id, holder, f"{holder}-{from_min}", NOW + int(from_min * MINUTE), until_ms)


def walk_up(holder: str, from_min: float, until_min: float) -> Turn:
    made = turn(holder, from_min, until_min)
    return replace(made, booking=f"{WALK_UP}{made.booking}")


ASKED = turn("an", 0, 15)
BOOKED = turn("an", -5, 5)
OWN, OWN_LONG, OWN_OVER = walk_up("an", -5, 5), walk_up("an", -5, 15), walk_up("an", -9, 0)
OWN_NEXT = turn("an", 10, 40)
OTHER, OTHER_NEXT, OTHER_OVER = turn("bình", -5, 5), turn("bình", 14, 40), turn("bình", -5, -0.5)


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ([], Begin(NOW - LEEWAY_MS, ASKED.until_ms)),
        ([OWN], Stretch(OWN, ASKED.until_ms)),
        ([OWN_LONG], Keep(OWN_LONG)),
        ([OWN, OWN_LONG], Keep(OWN_LONG)),
        ([BOOKED], Keep(BOOKED)),
        ([OWN_OVER], Begin(NOW - LEEWAY_MS, ASKED.until_ms)),
        ([OWN_NEXT], Begin(NOW - LEEWAY_MS, ASKED.until_ms)),
        ([OTHER], Blocked(OTHER)),
        ([OTHER_NEXT], Begin(NOW - LEEWAY_MS, OTHER_NEXT.from_ms)),
        ([OTHER_NEXT, OTHER], Blocked(OTHER)),
        ([OTHER_OVER], Begin(OTHER_OVER.until_ms, ASKED.until_ms)),
        ([turn("bình", -5, 0)], Begin(NOW, ASKED.until_ms)),
        ([turn("bình", 15, 20)], Begin(NOW - LEEWAY_MS, ASKED.until_ms)),
        ([OWN, OTHER_NEXT], Stretch(OWN, OTHER_NEXT.from_ms)),
        ([OWN, turn("bình", 5, 20)], Keep(OWN)),
        ([OWN_LONG, turn("bình", 15, 20)], Keep(OWN_LONG)),
    ],
)
def test_answer_says_what_becomes_of_a_walk_up(turns: Sequence[Turn], expected: Answer) -> None:
    assert answer(turns, ASKED, NOW) == expected


def test_holding_is_whoever_has_the_machine_at_that_time() -> None:
    turns = [OWN_OVER, OTHER, OTHER_NEXT]
    assert holding(turns, NOW) == OTHER
    assert holding(turns, OTHER.until_ms - 1) == OTHER
    assert holding(turns, OTHER.until_ms) is None
    assert holding(turns, OTHER_NEXT.from_ms) == OTHER_NEXT


holders = st.sampled_from(["an", "bình", "chi"])
spans = st.tuples(st.integers(0, 60), st.integers(0, 30))


@st.composite
def arbitrary_turns(draw: st.DrawFn) -> list[Turn]:
    drawn = draw(st.lists(st.tuples(holders, spans, st.integers(1, 2)), max_size=8))
    return [turn(holder, begins, begins + length, device) for holder, (begins, length), device in drawn]


@given(arbitrary_turns())
def test_clashes_are_all_pairs_of_different_holders_with_a_common_moment(turns: list[Turn]) -> None:
    ordered = sorted(turns, key=lambda each: (each.device_id, each.from_ms))

    def share_a_minute(one: Turn, other: Turn) -> bool:
        minutes = [set(range(each.from_ms, each.until_ms, MINUTE)) for each in (one, other)]
        return one.device_id == other.device_id and one.holder != other.holder and bool(minutes[0] & minutes[1])

    expected = [pair for pair in combinations(ordered, 2) if share_a_minute(*pair)]
    assert sorted(clashes(ordered), key=str) == sorted(expected, key=str)


@given(st.lists(st.tuples(st.integers(0, 20), holders, st.integers(1, 30), st.booleans()), max_size=30))
def test_walk_ups_of_several_people_never_clash_and_only_a_clash_turns_one_away(
    asked: list[tuple[int, str, int, bool]],
) -> None:
    turns, now_ms = [turn("lớp 8A1", 30, 75), turn("an", 200, 245)], NOW
    for pause_min, holder, length_min, ends_early in asked:
        now_ms += pause_min * MINUTE
        wanted = Turn(1, holder, f"walk-up-{len(turns)}", now_ms, now_ms + length_min * MINUTE)
        recent = [each for each in turns if each.until_ms > now_ms - LEEWAY_MS]
        match answer(recent, wanted, now_ms):
            case Keep(mine):
                assert mine.holder == holder
                assert mine.covers(now_ms)
                ahead = [each.from_ms for each in turns if each.holder != holder and each.from_ms >= now_ms]
                assert not mine.walk_up or mine.until_ms >= min(wanted.until_ms, *ahead, wanted.until_ms)
            case Stretch(mine, until_ms):
                turns.remove(mine)
                turns.append(replace(mine, until_ms=until_ms))
                assert mine.holder == holder
                assert mine.walk_up
                assert mine.until_ms < until_ms <= wanted.until_ms
            case Begin(from_ms, until_ms):
                assert now_ms - LEEWAY_MS <= from_ms <= now_ms < until_ms <= wanted.until_ms
                turns.append(replace(wanted, from_ms=from_ms, until_ms=until_ms))
            case Blocked(other):
                assert other.holder != holder
                assert other.covers(now_ms)
                continue
        assert list(clashes(sorted(turns, key=lambda each: each.from_ms))) == []
        if ends_early:
            turns = [each for each in turns if not each.covers(now_ms)]
