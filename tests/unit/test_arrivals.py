"""Who stands at the door: every row of the table, and two live copies told from one that was restarted."""

from dataclasses import replace

import pytest

from contract.machine import Part, fact
from contract.messages import Presence, Status
from controller.fleet.arrivals import (
    CARRIES,
    Decision,
    Expected,
    Known,
    Newcomer,
    Verdict,
    Worth,
    decide,
    expected,
)
from controller.fleet.enrolment import place_of
from controller.ingest.twins import Twins

SALT = "5a17"
HERE = (fact(Part.BOARD, "PF1AA", SALT), fact(Part.MAC, "52:54:00:00:00:01", SALT))
ELSEWHERE = (fact(Part.BOARD, "PF2BB", SALT), fact(Part.MAC, "52:54:00:00:00:02", SALT))
PC = Known(1, "pc-1", "key-1", HERE)
FROZEN = Known(1, "pc-1", "key-1", HERE, resets=True)
REVOKED = Known(1, "pc-1", "key-1", HERE, revoked=True)


@pytest.mark.parametrize(
    ("newcomer", "known", "verdict"),
    [
        (Newcomer("pc-2", "key-2", ELSEWHERE), PC, Verdict.NEW),
        (Newcomer("pc-1", "key-1", HERE), PC, Verdict.BACK),
        (Newcomer("pc-1", "key-1", HERE), REVOKED, Verdict.RETURNED),
        (Newcomer("pc-1", "key-1", ELSEWHERE), PC, Verdict.COPIED),
        (Newcomer("pc-9", "key-2", HERE), PC, Verdict.RETURNED),
        (Newcomer("pc-9", "key-2", HERE), FROZEN, Verdict.RESET),
        (Newcomer("pc-9", "key-2", HERE[1:]), FROZEN, Verdict.RETURNED),
        (Newcomer("pc-9", "key-2", HERE[:1]), FROZEN, Verdict.RESET),
        (Newcomer("pc-9", "key-2", HERE), replace(FROZEN, revoked=True), Verdict.RETURNED),
        (Newcomer("pc-1", "key-2", ELSEWHERE), PC, Verdict.NAME_TAKEN),
        (Newcomer("pc-1", "key-2", ELSEWHERE, replace=True), PC, Verdict.REPLACES),
        (Newcomer("pc-9", "key-2", ELSEWHERE, stands_for="pc-1"), PC, Verdict.STANDS_IN),
        (Newcomer("pc-9", "key-1", HERE, stands_for="pc-1"), PC, Verdict.STANDS_IN),
        (Newcomer("pc-1", "key-1", HERE), replace(PC, elsewhere=True), Verdict.COPIED),
        (Newcomer("pc-1"), PC, Verdict.NAME_TAKEN),
        (Newcomer("pc-2"), PC, Verdict.NEW),
    ],
)
def test_newcomer_is_judged_by_key_then_hardware_then_name(newcomer: Newcomer, known: Known, verdict: Verdict) -> None:
    decision = decide(newcomer, [Known(7, "other"), known])
    assert decision.verdict is verdict
    assert (decision.known == known) is (verdict is not Verdict.NEW)


def test_newcomer_is_none_of_another_schools_agents_by_hardware_or_name() -> None:
    elsewhere = replace(PC, elsewhere=True)
    for newcomer in (Newcomer("pc-9", "key-2", HERE), Newcomer("pc-1", "key-2", ELSEWHERE)):
        assert decide(newcomer, [elsewhere]) == Decision(Verdict.NEW)


def test_agent_that_has_its_key_in_its_own_school_is_back_whoever_has_it_elsewhere() -> None:
    known = [Known(7, "pc-1", "key-1", HERE, elsewhere=True), PC]
    assert decide(Newcomer("pc-1", "key-1", HERE), known) == Decision(Verdict.BACK, PC)


def test_newcomer_with_the_key_of_another_agent_stands_in_for_nobody() -> None:
    newcomer = Newcomer("pc-9", "key-1", HERE, stands_for="pc-2")
    assert decide(newcomer, [PC, Known(2, "pc-2", "key-2")]) == Decision(Verdict.COPIED, PC)


@pytest.mark.parametrize(
    ("worth", "carries"),
    [
        (Worth.GOOD, set(Verdict)),
        (Worth.USED_UP, set(Verdict) - {Verdict.NEW, Verdict.STANDS_IN}),
        (Worth.EXPIRED, set(Verdict) - {Verdict.NEW, Verdict.STANDS_IN, Verdict.REPLACES}),
        (Worth.ENDED, set()),
    ],
)
def test_token_carries_the_less_the_more_of_it_is_over(worth: Worth, carries: set[Verdict]) -> None:
    assert CARRIES[worth] == carries


def test_newcomer_is_known_from_the_list_of_assets_by_serial_or_network_card() -> None:
    listed = [Expected("pf9zz", "", "pc-9"), Expected("", "525400000001", "pc-1", "P.101"), Expected("", "", "pc-0")]
    assert expected(HERE, listed, SALT) == listed[1]
    assert expected(ELSEWHERE, listed, SALT) is None
    assert expected((fact(Part.SERIAL, "PF9-ZZ", SALT),), listed, SALT) == listed[0]


def status(epoch: str, connection: int) -> Status:
    return Status(epoch * 16, Presence.ONLINE, connection, "1", 0)


@pytest.mark.parametrize(
    ("what", "said", "two"),
    [
        ("it beats", [("a", 1), ("a", 1), ("a", 1)], False),
        ("its network comes and goes", [("a", 1), ("a", 2), ("a", 3)], False),
        ("it is reset at each boot", [("a", 1), ("b", 1), ("c", 1)], False),
        ("a late beat of the one before", [("a", 1), ("b", 1), ("a", 1)], False),
        ("two take turns", [("a", 1), ("b", 1), ("a", 2)], True),
        ("two take turns, after a reset", [("a", 4), ("b", 1), ("c", 1), ("b", 2)], True),
    ],
)
def test_two_live_copies_are_told_from_one_that_was_restarted(
    what: str, said: list[tuple[str, int]], two: bool
) -> None:
    twins = Twins()
    assert [twins.hear(1, status(*each)) for each in said][-1] is two, what
    assert not twins.hear(2, status("a", 9)), "another agent"


def test_agents_come_back_at_moments_that_are_spread_evenly() -> None:
    for first, count in ((1, 60), (17, 60), (400, 20)):
        seconds = [int(30 * place_of(first + each)) for each in range(count)]
        assert max(map(seconds.count, seconds)) <= count / 10
