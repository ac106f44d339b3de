"""Presence: what status messages, reports and silence say, in whatever order they come."""

import pytest

from contract.messages import Presence, Status
from contract.topics import Address
from controller.ingest.presence import DEADLINE_MS, PROOF_MS, give_up, hear_report, hear_status, overdue
from controller.ingest.registry import AgentState

OLD, NEW = "00000000000000aa", "00000000000000bb"
T = 1_000_000


def agent(presence: str = "", epoch: str = "", connection: int = 0) -> AgentState:
    return AgentState(
        id=1,
        school_id="alpha",
        address=Address("alpha", "room-1"),
        presence=presence,
        connection=connection,
        epoch=epoch,
        since_ms=0,
        heard_ms=0,
        written_heard_ms=0,
        clock_offset_ms=None,
        inventory_epoch="",
        inventory_number=0,
        login_number=0,
    )


def status(epoch: str, presence: Presence, connection: int, since_ms: int = T) -> Status:
    return Status(epoch, presence, connection, "1.0", since_ms)


ON, OFF = Presence.ONLINE, Presence.OFFLINE
CASES = [
    # was, its epoch, its connection; says, epoch, connection, retained; becomes
    ("", "", 0, ON, NEW, 1, False, "online"),
    ("", "", 0, OFF, NEW, 1, True, "offline"),
    ("online", NEW, 2, OFF, NEW, 2, False, "offline"),
    ("online", NEW, 2, OFF, NEW, 1, False, "online"),  # the will of the connection before
    ("online", NEW, 1, OFF, OLD, 9, False, "online"),  # the will of the process before
    ("online", OLD, 9, OFF, NEW, 1, True, "offline"),  # what the broker has kept is the last word
    ("offline", OLD, 9, ON, NEW, 1, False, "online"),
    ("online", OLD, 9, ON, NEW, 1, False, "online"),
    ("offline", NEW, 2, ON, NEW, 1, False, "offline"),  # older than what was said last
]


@pytest.mark.parametrize(("was", "epoch", "connection", "says", "of", "number", "retained", "becomes"), CASES)
def test_a_status_counts_if_it_is_the_newest(
    was: str,
    epoch: str,
    connection: int,
    says: Presence,
    of: str,
    number: int,
    retained: bool,
    becomes: str,
) -> None:
    one = agent(was, epoch, connection)
    hear_status(one, status(of, says, number), T, retained=retained)
    assert one.presence == becomes


def test_the_first_status_of_a_connection_tells_the_offset_of_the_clock() -> None:
    one = agent()
    hear_status(one, status(NEW, ON, 1, since_ms=T + 5_000), T, retained=False)
    assert one.clock_offset_ms == 5_000
    hear_status(one, status(NEW, ON, 1, since_ms=T + 5_000), T + 60_000, retained=False)
    assert one.clock_offset_ms == 5_000


def test_a_reading_from_the_future_tells_that_the_clock_is_ahead() -> None:
    one = agent("online", NEW, 1)
    hear_report(one, T + 90_000, T)
    assert one.clock_offset_ms == 90_000
    hear_report(one, T - 3_600_000, T)
    assert one.clock_offset_ms == 90_000, "an old reading is only old"


def test_a_report_well_after_the_will_is_a_sign_of_life() -> None:
    one = agent("online", NEW, 1)
    hear_status(one, status(NEW, OFF, 1), T, retained=False)
    assert not hear_report(one, None, T + PROOF_MS - 1)
    assert one.presence == OFF, "the will has only overtaken it"
    assert hear_report(one, None, T + PROOF_MS)
    assert one.presence == ON


def test_silence_is_counted_from_when_we_could_hear_at_all() -> None:
    one = agent("online", NEW, 1)
    one.heard_ms = T
    assert not overdue(one, T + DEADLINE_MS, connected_ms=0)
    assert overdue(one, T + DEADLINE_MS + 1, connected_ms=0)
    assert not overdue(one, T + DEADLINE_MS + 1, connected_ms=T + DEADLINE_MS)
    give_up(one, T + DEADLINE_MS + 1)
    assert one.presence == OFF
    assert not overdue(one, T + 10 * DEADLINE_MS, connected_ms=0)
