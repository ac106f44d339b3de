"""How long somebody waits after tries that did not succeed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.identity.lockout import AT_PLACE, FORGET_MS, FROM_STRANGERS, Rule, Tries, one_more, place_of

MINUTE = 60_000


def after(count: int, rule: Rule = AT_PLACE) -> tuple[Tries, int]:
    """So many tries one after the other, each as soon as it is taken, and when the last one was."""
    tries, now = None, 1_000_000
    for _ in range(count):
        now += rule.wait_ms(tries, now)
        tries = one_more(tries, now)
    assert tries is not None
    return tries, now


@pytest.mark.parametrize(
    ("count", "minutes"), [(1, 0), (4, 0), (5, 5), (6, 0), (10, 10), (15, 20), (20, 40), (25, 60), (50, 60)]
)
def test_wait_doubles_with_every_five_tries_up_to_an_hour(count: int, minutes: int) -> None:
    tries, now = after(count)

    assert AT_PLACE.wait_ms(tries, now) == minutes * MINUTE


def test_wait_passes() -> None:
    tries, now = after(5)

    assert AT_PLACE.wait_ms(tries, now + 5 * MINUTE - 1) == 1
    assert AT_PLACE.wait_ms(tries, now + 5 * MINUTE) == 0


def test_tries_are_forgotten_after_a_while_and_when_the_clock_was_set_back() -> None:
    tries, now = after(25)

    assert one_more(tries, now + FORGET_MS).count == 1
    assert AT_PLACE.wait_ms(tries, tries.since_ms - 1) == 0


@given(st.lists(st.integers(0, 3 * FORGET_MS), max_size=60), st.sampled_from((AT_PLACE, FROM_STRANGERS)))
def test_no_wait_is_longer_than_the_rule_says_and_no_tries_are_free_beyond_it(steps: list[int], rule: Rule) -> None:
    tries, now, in_a_row = None, 0, 0
    for step in steps:
        now += step
        wait_ms = rule.wait_ms(tries, now)
        assert 0 <= wait_ms <= rule.longest_ms < FORGET_MS
        if wait_ms:
            in_a_row = 0
            continue
        in_a_row = 1 if tries is None or step >= rule.first_ms else in_a_row + 1
        assert in_a_row <= rule.free
        tries = one_more(tries, now)


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("testclient", "testclient"),
    ],
)
def test_place_is_what_one_sender_cannot_choose_freely(address: str, place: str) -> None:
    assert place_of(address) == place
