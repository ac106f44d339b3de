"""Commands on their way: sent, sent again, heard of and ended, whatever breaks meanwhile."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from contract.lease import STOP_EXPIRY_MS
from contract.model import CommandStatus
from contract.topics import Channel
from controller.commands import dispatcher as module
from controller.commands.dispatcher import Dispatcher
from controller.commands.errors import NotNow
from controller.commands.moves import AGAIN_MS, GRACE_MS, WORK_MS
from controller.commands.service import EXPIRY_MS
from controller.scheduling.leases import LeaseDesk
from controller.scope import CLUSTER
from tests.databases import fresh
from tests.integration.mqtt import eventually
from tests.integration.office import (
    ELSEWHERE,
    HERE,
    PRINTER,
    PROJECTOR,
    TEACHER,
    TECHNICIAN,
    Clock,
    Office,
    Said,
    fill,
)

pytestmark = pytest.mark.integration
S = CommandStatus


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture(name="office")
def _office(tmp_path: Path, clock: Clock) -> Iterator[Office]:
    engine = fresh(tmp_path / "fabfleet.db")
    fill(engine, clock())
    made = Office(engine, clock)
    yield made
    made.dispatcher.stop()
    engine.dispose()


# leases


def test_guarded_command_takes_the_machine_and_waits_for_its_agent_to_hold_the_book(office: Office) -> None:
    office.start()
    command_id = office.give("home", PRINTER)
    eventually(lambda: office.broker.said, "the book goes out")

    assert [(each.address, each.channel) for each in office.broker.said] == [(HERE, Channel.LEASES)]
    assert office.view(command_id).status is S.QUEUED

    office.agent(held_generation=1, held_number=1)
    office.becomes(command_id, S.SENT)


def test_guarded_command_is_refused_while_somebody_else_has_the_machine_and_a_stop_is_not(office: Office) -> None:
    office.give("pause", PRINTER, TEACHER)

    with pytest.raises(NotNow) as refused:
        office.give("home", PRINTER, TECHNICIAN)
    assert refused.value.code == "taken"
    assert office.view(office.give("stop", PRINTER, TECHNICIAN)).status is S.QUEUED


# sending


def test_command_is_marked_durably_before_it_goes_out(office: Office) -> None:
    office.start()
    command_id = office.give()
    eventually(office.broker.sent, "it goes out")

    assert office.broker.said == [Said(HERE, Channel.COMMAND, command_id, "sent", 1)]
    assert [step.status for step in office.view(command_id).steps] == [S.QUEUED, S.SENT]
    assert PROJECTOR in office.touched


def test_commands_go_out_in_the_order_in_which_they_were_asked_for(office: Office) -> None:
    ids = []
    for action in ("power-on", "mute", "power-off"):
        ids.append(office.give(action))
        office.clock.ms += 1
    office.start()

    eventually(lambda: len(office.broker.sent()) == 3, "all are sent")
    assert office.broker.sent() == ids


def test_command_waits_for_its_agent_and_goes_out_when_that_comes(office: Office) -> None:
    office.agent(presence="offline")
    office.start()
    command_id, other = office.give(), office.give(device=ELSEWHERE)
    office.becomes(other, S.SENT)
    assert office.view(command_id).status is S.QUEUED

    office.agent(presence="online", since_ms=office.clock())
    office.becomes(command_id, S.SENT)


def test_command_that_a_broker_did_not_take_as_it_went_is_sent_again_and_never_goes_back(office: Office) -> None:
    office.broker.up = False
    office.start()
    command_id = office.give()
    eventually(lambda: office.broker.asked, "it was tried")
    assert office.becomes(command_id, S.SENT).steps[-1].status is S.SENT

    office.broker.up = True
    office.later(AGAIN_MS)
    eventually(office.broker.sent, "it goes out")
    assert office.broker.said == [Said(HERE, Channel.COMMAND, command_id, "sent", 2)]
    assert [step.status for step in office.view(command_id).steps] == [S.QUEUED, S.SENT]


def test_command_stays_queued_and_no_book_goes_out_until_the_broker_is_there(office: Office) -> None:
    turns = count_turns(office)
    office.start()
    office.dispatcher.broker_connected(False)
    command_id, guarded = office.give(), office.give("home", PRINTER)
    before = len(turns)
    office.dispatcher.wake()
    eventually(lambda: len(turns) >= before + 2, "it has looked")
    assert office.broker.asked == 0
    assert [step.status for step in office.view(command_id).steps] == [S.QUEUED]

    office.dispatcher.broker_connected(True)
    office.becomes(command_id, S.SENT)
    assert {each.channel for each in office.broker.said} == {Channel.LEASES, Channel.COMMAND}
    assert office.view(guarded).status is S.QUEUED


def test_dispatcher_tries_a_lost_broker_seldom(office: Office) -> None:
    office.broker.up = False
    office.start()
    office.give()
    eventually(lambda: office.broker.asked, "it was tried")
    asked = office.broker.asked
    time.sleep(1.5)

    assert office.broker.asked <= asked + 1


def test_command_is_sent_again_until_its_agent_says_something(office: Office) -> None:
    office.start()
    command_id = office.give()
    office.becomes(command_id, S.SENT)
    office.later(AGAIN_MS)
    eventually(lambda: len(office.broker.sent()) == 2, "it is sent again")
    assert office.broker.said[-1].sends == 2

    office.hear(command_id, S.ACCEPTED)
    office.later(AGAIN_MS)
    beyond = office.give(device=ELSEWHERE)
    office.becomes(beyond, S.SENT)
    assert office.broker.sent() == [command_id, command_id, beyond]


def test_command_is_sent_again_at_once_when_its_agent_comes_back(office: Office) -> None:
    office.start()
    command_id = office.give()
    office.becomes(command_id, S.SENT)
    office.clock.ms += 10
    office.agent(since_ms=office.clock())

    eventually(lambda: office.broker.sent() == [command_id, command_id], "it is sent again")


def test_stop_ends_the_sending_of_what_was_asked_before_it(office: Office) -> None:
    office.start()
    waits = office.give("home", PRINTER)
    office.agent(presence="offline")
    office.clock.ms += 10
    stop = office.give("stop", PRINTER)
    assert office.view(stop).expires_ms == office.clock() + STOP_EXPIRY_MS

    office.agent(presence="online", since_ms=office.clock(), held_generation=1, held_number=1)
    office.becomes(stop, S.SENT)
    assert office.becomes(waits, S.EXPIRED).told is False
    assert office.broker.sent() == [stop]


def test_stop_goes_out_before_what_was_asked_of_other_machines(office: Office) -> None:
    office.agent(presence="offline")
    first = office.give("power-on", PROJECTOR)
    office.clock.ms += 10
    stop = office.give("stop", PRINTER)
    office.start()
    office.agent(presence="online", since_ms=office.clock())

    office.becomes(first, S.SENT)
    assert office.broker.sent() == [stop, first]


def test_stop_keeps_what_was_sent_before_from_being_sent_again(office: Office) -> None:
    office.start()
    lost = office.give("home", PRINTER)
    office.agent(held_generation=1, held_number=1)
    office.becomes(lost, S.SENT)
    office.clock.ms += 10
    stop = office.give("stop", PRINTER)
    office.becomes(stop, S.SENT)
    office.later(AGAIN_MS)
    eventually(lambda: office.broker.sent().count(stop) == 2, "the stop is sent again")

    assert office.broker.sent() == [lost, stop, stop]


# ending


def test_command_that_was_never_sent_expires_for_certain(office: Office) -> None:
    office.agent(presence="offline")
    office.start()
    command_id = office.give()
    office.later(EXPIRY_MS)

    view = office.becomes(command_id, S.EXPIRED)
    assert (view.detail, view.told) == ("expired", False)
    office.agent(presence="online", since_ms=office.clock())
    office.becomes(office.give(device=ELSEWHERE), S.SENT)
    assert command_id not in office.broker.sent()


def test_command_that_nothing_is_heard_of_becomes_unknown_and_then_what_its_agent_says(office: Office) -> None:
    office.start()
    command_id = office.give()
    office.becomes(command_id, S.SENT)
    office.later(EXPIRY_MS + GRACE_MS)
    view = office.becomes(command_id, S.UNKNOWN)
    assert (view.detail, view.told) == ("silent", False)

    assert office.hear(command_id, S.ACCEPTED, S.RUNNING, S.DONE) == 3
    view = office.view(command_id)
    assert (view.status, view.told, view.detail) == (S.DONE, True, "")
    assert {step.status for step in view.steps} == {S.QUEUED, S.SENT, S.ACCEPTED, S.RUNNING, S.UNKNOWN, S.DONE}


def test_command_that_runs_on_while_its_agent_is_there_is_given_up_late_and_may_be_heard_of_again(
    office: Office,
) -> None:
    office.start()
    command_id = office.give()
    office.becomes(command_id, S.SENT)
    office.hear(command_id, S.ACCEPTED)
    office.later(EXPIRY_MS + GRACE_MS)
    office.becomes(office.give(device=ELSEWHERE), S.SENT)
    assert office.view(command_id).status is S.ACCEPTED

    office.later(WORK_MS)
    office.becomes(command_id, S.UNKNOWN)
    office.hear(command_id, S.RUNNING)
    assert office.view(command_id).status is S.RUNNING
    office.later(WORK_MS)
    office.becomes(command_id, S.UNKNOWN)


# what agents say


def test_agents_words_are_taken_once_however_often_and_in_whatever_order_they_come(office: Office) -> None:
    command_id = office.give()
    office.hear(command_id, S.DONE)
    office.clock.ms += 1
    office.hear(command_id, S.RUNNING, S.ACCEPTED, S.FAILED, S.DONE)

    view = office.view(command_id)
    assert (view.status, view.told) == (S.DONE, True)
    assert [step.status for step in view.steps] == [S.QUEUED, S.ACCEPTED, S.RUNNING, S.DONE]


def test_agents_unknown_takes_the_place_of_ours(office: Office) -> None:
    office.start()
    command_id = office.give()
    office.becomes(command_id, S.SENT)
    office.later(EXPIRY_MS + GRACE_MS)
    office.becomes(command_id, S.UNKNOWN)

    office.hear(command_id, S.UNKNOWN, detail="the agent ended")
    view = office.view(command_id)
    assert (view.told, view.detail) == (True, "the agent ended")
    assert [(step.status, step.detail) for step in view.steps][-1] == (S.UNKNOWN, "the agent ended")


def test_words_of_another_agent_change_nothing(office: Office) -> None:
    command_id = office.give()

    assert office.hear(command_id, S.DONE, agent_id=2) == 0
    assert office.hear("c-never-given", S.DONE) == 0
    assert office.view(command_id).status is S.QUEUED


# trouble


def test_dispatcher_goes_on_when_the_database_answers_again(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.05)
    tried = threading.Semaphore(0)

    @event.listens_for(office.engine, "engine_connect")
    def refuse(_connection: object) -> None:
        if threading.current_thread().name == "dispatcher":
            tried.release()
            raise OperationalError("SELECT 1", {}, Exception("out of order"))

    command_id = office.give()
    office.start()
    assert tried.acquire(timeout=20)
    assert tried.acquire(timeout=20)
    event.remove(office.engine, "engine_connect", refuse)

    office.becomes(command_id, S.SENT)


def test_dispatcher_sleeps_while_there_is_nothing_to_do(office: Office) -> None:
    turns = count_turns(office)
    office.start()
    office.give("home", PRINTER)
    office.agent(presence="offline")
    eventually(lambda: turns, "it has looked")
    time.sleep(0.5)
    before = len(turns)
    time.sleep(2.0)

    assert len(turns) <= before + 1


def test_dispatcher_ends_at_once_and_without_having_begun(office: Office) -> None:
    idle = Dispatcher(office.engine, LeaseDesk(office.engine, office.clock), office.clock, office.touched.append)
    idle.stop()
    office.start()
    eventually(office.dispatcher._thread.is_alive, "it runs")
    began = time.monotonic()
    office.dispatcher.stop()

    assert time.monotonic() - began < 3.0
    assert not office.dispatcher._thread.is_alive()


def count_turns(office: Office) -> list[int]:
    """Grows with each turn."""
    turns: list[int] = []
    turn: Callable[[], int] = office.dispatcher._turn

    def counted() -> int:
        turns.append(1)
        return turn()

    office.dispatcher._turn = counted  # type: ignore[method-assign]
    return turns


def test_open_commands_are_found_by_their_status(office: Office) -> None:
    asked = "EXPLAIN QUERY PLAN SELECT * FROM command WHERE status IN ('queued', 'sent', 'accepted', 'running')"
    with office.engine.connect() as connection:
        plan = connection.execute(text(asked)).all()

    assert all("ix_command_open" in str(row) for row in plan)


def test_command_is_forgotten_so_long_after_it_was_over_and_the_audit_log_keeps_it(office: Office) -> None:
    old, open_ = office.give(), office.give("power-off")
    office.hear(old, S.ACCEPTED, S.RUNNING, S.DONE)
    office.clock.ms += 399 * 86_400_000
    fresh_ = office.give()
    office.hear(fresh_, S.DONE)
    office.dispatcher.sweep()
    assert office.commands.find(CLUSTER, old) is not None
    office.clock.ms += 86_400_000 + 1
    office.dispatcher.sweep()
    assert [office.commands.find(CLUSTER, each) is not None for each in (old, open_, fresh_)] == [False, True, True]
    assert sum(action == "command" for action, _, _ in office.audit()) == 3
