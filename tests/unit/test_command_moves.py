"""What is done about a command that is not at its end."""

from dataclasses import replace

import pytest

from contract.model import CommandStatus
from contract.topics import Address
from controller.commands.moves import AGAIN_MS, GRACE_MS, WORK_MS, Due, Move, Waiting, due
from controller.fleet.reach import Station

NOW = 1_800_000_000_000
EXPIRES = NOW + 120_000
GENERATION = 3
S = CommandStatus
HERE = Station(Address("a", "pc"), online=True, since_ms=NOW - 60_000, revoked=False, book=(GENERATION, 7))
AWAY = replace(HERE, online=False, since_ms=NOW - 10_000)
REVOKED = replace(HERE, revoked=True)


def waiting(status: CommandStatus, *, needs_book: int = 0, sent_ms: int | None = None, since_ms: int = NOW) -> Waiting:
    return Waiting(
        id="c-1",
        agent_id=1,
        device_id=1,
        action="home",
        args={},
        by_id="u",
        expires_ms=EXPIRES,
        status=status,
        status_ms=since_ms,
        sent_ms=sent_ms,
        needs_book=needs_book,
    )


@pytest.mark.parametrize(
    ("station", "needs_book", "expected"),
    [
        (HERE, 0, Due(Move.SEND)),
        (HERE, 7, Due(Move.SEND)),
        (HERE, 8, Due(Move.WAIT, EXPIRES)),
        (replace(HERE, book=(GENERATION - 1, 9)), 7, Due(Move.WAIT, EXPIRES)),
        (replace(HERE, book=(GENERATION - 1, 9)), 0, Due(Move.SEND)),
        (AWAY, 0, Due(Move.WAIT, EXPIRES)),
        (REVOKED, 0, Due(Move.WAIT, EXPIRES)),
    ],
)
def test_queued_command_goes_to_an_agent_that_is_there_and_holds_its_book(
    station: Station, needs_book: int, expected: Due
) -> None:
    assert due(waiting(S.QUEUED, needs_book=needs_book), station, GENERATION, NOW) == expected


@pytest.mark.parametrize("station", [HERE, AWAY])
def test_queued_command_expires_at_its_time(station: Station) -> None:
    command = waiting(S.QUEUED, needs_book=99)

    assert due(command, station, GENERATION, EXPIRES - 1).move is Move.WAIT
    assert due(command, station, GENERATION, EXPIRES).move is Move.EXPIRE


def test_sent_command_is_sent_again_when_nothing_is_heard_for_a_while() -> None:
    command = waiting(S.SENT, sent_ms=NOW)

    assert due(command, HERE, GENERATION, NOW + 1) == Due(Move.WAIT, NOW + AGAIN_MS)
    assert due(command, HERE, GENERATION, NOW + AGAIN_MS).move is Move.SEND_AGAIN


def test_sent_command_is_sent_again_at_once_to_an_agent_that_came_since() -> None:
    command = waiting(S.SENT, sent_ms=NOW)

    assert due(command, replace(HERE, since_ms=NOW + 10), GENERATION, NOW + 20).move is Move.SEND_AGAIN
    assert due(command, replace(HERE, since_ms=NOW + 30), GENERATION, NOW + 20).move is Move.WAIT, "a clock set back"


@pytest.mark.parametrize("station", [AWAY, REVOKED])
def test_sent_command_is_not_sent_again_to_an_agent_that_does_not_hear(station: Station) -> None:
    command = waiting(S.SENT, sent_ms=NOW)

    assert due(command, station, GENERATION, NOW + AGAIN_MS) == Due(Move.WAIT, EXPIRES)


@pytest.mark.parametrize("station", [HERE, AWAY, replace(HERE, since_ms=EXPIRES)])
def test_sent_command_is_never_sent_after_its_time_and_given_up_after_a_grace(station: Station) -> None:
    command = waiting(S.SENT, sent_ms=NOW)

    assert due(command, station, GENERATION, EXPIRES) == Due(Move.WAIT, EXPIRES + GRACE_MS)
    assert due(command, station, GENERATION, EXPIRES + GRACE_MS).move is Move.GIVE_UP


@pytest.mark.parametrize("status", [S.ACCEPTED, S.RUNNING])
def test_begun_command_is_given_up_long_after_its_time_while_its_agent_is_there(status: CommandStatus) -> None:
    command = waiting(status, sent_ms=NOW)

    assert due(command, HERE, GENERATION, NOW) == Due(Move.WAIT, EXPIRES + WORK_MS)
    assert due(command, HERE, GENERATION, EXPIRES + WORK_MS).move is Move.GIVE_UP


def test_begun_command_has_its_time_from_the_last_word_of_it() -> None:
    command = waiting(S.RUNNING, sent_ms=NOW, since_ms=EXPIRES + 5)

    assert due(command, HERE, GENERATION, EXPIRES + WORK_MS) == Due(Move.WAIT, EXPIRES + 5 + WORK_MS)


@pytest.mark.parametrize("status", [S.ACCEPTED, S.RUNNING])
def test_begun_command_is_given_up_a_grace_after_its_agent_was_lost(status: CommandStatus) -> None:
    lost = replace(AWAY, since_ms=EXPIRES + 1_000)
    command = waiting(status, sent_ms=NOW)

    assert due(command, lost, GENERATION, EXPIRES + GRACE_MS) == Due(Move.WAIT, EXPIRES + 1_000 + GRACE_MS)
    assert due(command, lost, GENERATION, EXPIRES + 1_000 + GRACE_MS).move is Move.GIVE_UP
