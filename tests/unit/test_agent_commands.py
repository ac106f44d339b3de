"""A command is carried out once at most, inside its lease and its time, and its outcome is the truth."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import CannotWrite
from agent.journal import Journal
from agent.leases import NO_BOOK, Edition, LeaseKeeper
from contract.messages import LeaseBook, Order, Report, encode
from contract.model import Command, CommandStatus, Outcome
from contract.wire import decode
from firmware_bridges.base import LinkLost, Refused
from tests.unit.workshop import ADDRESS, KEY, NOW_MS, Workshop, book, lease


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


def test_command_goes_from_accepted_by_running_to_done(workshop: Workshop) -> None:
    assert workshop.give("light") == ["accepted", "running", "done"]
    assert workshop.executed == ["light"]


def test_command_sent_twice_is_carried_out_once_and_told_again(workshop: Workshop) -> None:
    workshop.give("light")
    assert workshop.give("light") == ["accepted", "running", "done", "done"]
    assert workshop.executed == ["light"]


@pytest.mark.parametrize(
    ("trouble", "told"),
    [(Refused("paper is out"), "refused paper is out"), (LinkLost("cable"), "failed cable")],
)
def test_command_that_the_machine_does_not_do_says_why(workshop: Workshop, trouble: Exception, told: str) -> None:
    workshop.trouble = trouble
    assert workshop.give("light")[-1] == told


def test_command_whose_bridge_breaks_is_failed_and_the_fault_goes_on(workshop: Workshop) -> None:
    workshop.trouble = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        workshop.give("light")
    assert workshop.outcomes()[-1] == "failed fault in the bridge: ZeroDivisionError"


def test_command_without_contact_is_failed(workshop: Workshop) -> None:
    workshop.commands.take(Order(Command("c-1", "printer", "light")))
    command = workshop.worker._inbox.get()
    assert command
    workshop.commands.carry_out(command, None)
    assert workshop.outcomes() == ["accepted", "failed no contact"]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (Command("c-1", "nobody", "light"), "refused no-such-device"),
        (Command("c-1", "printer", "fly"), "refused no-such-action"),
        (Command("c-1", "printer", "light", {"colour": "red"}), "refused bad-arguments"),
        (Command("c-1", "printer", "light", expires_ms=NOW_MS), "expired expired"),
        (Command("c-1", "printer", "start"), "refused no-lease"),
        (Command("c-1", "printer", "stop", expires_ms=NOW_MS - 1), "expired expired"),
        (Command("local-1", "printer", "light"), "refused bad-arguments"),
        (Command("own-1", "printer", "start"), "refused bad-arguments"),
    ],
)
def test_command_that_may_not_be_is_refused_with_a_code(workshop: Workshop, command: Command, told: str) -> None:
    workshop.commands.take(Order(command))
    assert workshop.work() == [told]
    assert workshop.executed == []


def test_guarded_command_needs_a_lease_and_stop_needs_none(workshop: Workshop) -> None:
    assert workshop.give("stop", "c-1")[-1] == "done"
    assert workshop.give("start", "c-2")[-1] == "refused no-lease"
    assert workshop.leases.take(book(1, lease()))
    assert workshop.give("start", "c-3")[-1] == "done"


def test_guarded_command_is_judged_again_when_its_turn_comes(workshop: Workshop) -> None:
    workshop.leases.take(book(1, lease()))
    workshop.commands.take(Order(Command("c-1", "printer", "start")))
    workshop.now_ms += 7_200_000
    assert workshop.work() == ["accepted", "refused no-lease"]


def test_dangerous_machine_needs_a_certain_clock_and_offline_a_supervisor(workshop: Workshop) -> None:
    workshop.leases.take(book(1, lease(hazard=3)))
    workshop.trusted = False
    assert workshop.give("start", "c-1")[-1] == "refused clock-uncertain"
    workshop.trusted, workshop.online = True, False
    assert workshop.give("start", "c-2")[-1] == "refused no-supervisor"
    workshop.leases.take(book(2, lease(hazard=3, supervised=True)))
    assert workshop.give("start", "c-3")[-1] == "done"


def test_command_cut_short_by_a_crash_is_unknown_and_never_begun_again(tmp_path: Path) -> None:
    before = Workshop(tmp_path)
    before.commands.take(Order(Command("c-1", "printer", "light")))
    before.outbox.close()
    after = Workshop(tmp_path)
    after.commands.recover()
    assert after.outcomes() == ["unknown the agent ended while it was carried out"]
    assert after.give("light")[-1].startswith("unknown")
    assert after.executed == []


def test_outcome_that_never_reached_the_outbox_is_told_after_a_crash(tmp_path: Path) -> None:
    before = Workshop(tmp_path)
    before.journal.enter(Outcome("c-1", CommandStatus.DONE, NOW_MS))
    before.outbox.close()
    after = Workshop(tmp_path)
    after.commands.recover()
    assert after.outcomes() == ["done"]
    after.outbox.close()
    later = Workshop(tmp_path)
    later.commands.recover()
    assert later.outcomes() == ["done"]  # the one that is still in the outbox, not another


def test_command_that_waits_for_a_hanging_device_expires(workshop: Workshop) -> None:
    workshop.commands.take(Order(Command("c-1", "printer", "light", expires_ms=NOW_MS + 30_000)))
    workshop.commands.expire()
    assert workshop.outcomes() == ["accepted"]
    workshop.now_ms += 30_000
    workshop.commands.expire()
    assert workshop.work() == ["accepted", "expired expired"]
    assert workshop.executed == []


def test_command_beyond_what_a_device_takes_is_refused(workshop: Workshop) -> None:
    for i in range(17):
        workshop.commands.take(Order(Command(f"c-{i}", "printer", "light")))
    assert workshop.outcomes()[-1] == "refused busy"


def test_command_is_not_begun_when_it_cannot_be_journalled_nor_when_it_comes_again(workshop: Workshop) -> None:
    def full(_outcome: Outcome) -> None:
        raise CannotWrite("disk")

    with pytest.MonkeyPatch.context() as disk:
        disk.setattr(workshop.journal, "enter", full)
        assert workshop.give("light") == ["refused journal"]
    assert workshop.give("light") == ["refused journal", "refused journal"]
    assert workshop.executed == []


def test_outcome_that_the_journal_did_not_take_is_told_again_as_it_was(workshop: Workshop) -> None:
    def work_on_a_full_disk(action: str, args: object) -> None:
        disk.setattr(workshop.journal, "enter", full)

    def full(_outcome: Outcome) -> None:
        raise CannotWrite("disk")

    with pytest.MonkeyPatch.context() as disk:
        workshop.commands.take(Order(Command("c-1", "printer", "light")))
        assert workshop.work(work_on_a_full_disk)[-1] == "done"
    assert workshop.give("light")[-1] == "done"
    assert workshop.executed == []


def test_stop_calls_off_what_the_machine_has_not_begun(workshop: Workshop) -> None:
    workshop.commands.take(Order(Command("c-1", "printer", "light")))
    workshop.commands.take(Order(Command("c-2", "printer", "stop")))
    workshop.commands.take(Order(Command("c-3", "printer", "stop")))
    workshop.commands.take(Order(Command("c-4", "printer", "light")))
    assert workshop.work()[:3] == ["accepted", "accepted", "refused stopped"]
    assert workshop.executed == ["stop", "stop", "light"]


def test_command_that_waits_when_the_agent_ends_never_begins_and_no_more_is_taken(workshop: Workshop) -> None:
    workshop.commands.take(Order(Command("c-1", "printer", "light")))
    workshop.commands.close()
    workshop.commands.take(Order(Command("c-2", "printer", "light")))
    assert workshop.work() == ["accepted", "failed the agent ended before it began"]
    assert (workshop.executed, workshop.journal.find("c-2")) == ([], None)


def test_local_command_is_answered_and_told_as_an_event(workshop: Workshop) -> None:
    answers: list[Outcome | None] = []
    command = Command("local-1", "printer", "light", by="lan")
    asking = threading.Thread(target=lambda: answers.append(workshop.commands.run_local(command, 10.0)))
    asking.start()
    taken = workshop.worker._inbox.get(timeout=10.0)
    assert taken == command
    workshop.commands.carry_out(command, workshop.execute)
    asking.join(10.0)
    assert [answer and answer.status for answer in answers] == [CommandStatus.DONE]
    workshop.recorder.flush()
    events = [event for batch in workshop.outbox.unacked() for event in decode(Report, batch.payload).events]
    assert [(event.kind, event.device, event.detail) for event in events] == [
        ("local-command", "printer", "lan: light: done ")
    ]
    assert workshop.outcomes() == []


def test_local_command_that_is_not_done_in_time_has_no_outcome_yet(workshop: Workshop) -> None:
    assert workshop.commands.run_local(Command("local-1", "printer", "light"), 0.01) is None


# -- the journal


@given(st.binary(max_size=200), st.integers(0, 400))
def test_journal_takes_any_damage_for_missing_lines(
    tmp_path_factory: pytest.TempPathFactory, garbage: bytes, cut: int
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal"
    journal = Journal(path)
    for i in range(5):
        journal.enter(Outcome(f"c-{i}", CommandStatus.ACCEPTED, i))
    content = path.read_bytes()
    path.write_bytes(content[:cut] + garbage)
    known = Journal(path)
    kept = [i for i in range(5) if known.find(f"c-{i}")]
    assert kept[: len(kept)] == list(range(len(kept)))
    known.enter(Outcome("c-9", CommandStatus.DONE, 9))
    again = Journal(path)
    found = again.find("c-9")
    assert found
    assert found.outcome == Outcome("c-9", CommandStatus.DONE, 9)


def test_journal_keeps_the_latest_of_each_and_forgets_the_oldest_final_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.journal.KEPT", 10)
    journal = Journal(tmp_path / "journal")
    journal.enter(Outcome("waiting", CommandStatus.ACCEPTED, 0))
    for i in range(100):
        journal.enter(Outcome(f"c-{i}", CommandStatus.ACCEPTED, i))
        journal.enter(Outcome(f"c-{i}", CommandStatus.DONE, i))
        journal.mark_told(f"c-{i}")
    again = Journal(tmp_path / "journal")
    assert again.find("waiting")
    assert again.find("c-99") == journal.find("c-99")
    assert again.find("c-0") is None
    assert (len(again.unfinished()), again.untold()) == (1, [])
    assert len((tmp_path / "journal").read_bytes().splitlines()) < 15


# -- the lease book


def keeper(folder: Path, told: list[str], key: bytes = KEY) -> LeaseKeeper:
    return LeaseKeeper(folder / "leases.json", ADDRESS, key, lambda kind, _: told.append(kind))


def test_lease_book_outlasts_a_restart(tmp_path: Path) -> None:
    told: list[str] = []
    assert keeper(tmp_path, told).take(book(1, lease()))
    assert keeper(tmp_path, told).leases == (lease(),)
    assert told == []


def test_lease_book_is_replaced_by_a_newer_one_only(tmp_path: Path) -> None:
    told: list[str] = []
    leases = keeper(tmp_path, told)
    assert leases.take(book(5, lease()))
    assert not leases.take(book(5))
    assert not leases.take(book(4))
    assert leases.leases == (lease(),)
    assert leases.take(book(6))
    assert len(leases.leases) == len(told) == 0


@pytest.mark.parametrize("bad", [book(9, lease(), key=b"other"), book(9, lease(), agent="school/other")])
def test_lease_book_of_somebody_else_is_refused_and_told(tmp_path: Path, bad: LeaseBook) -> None:
    told: list[str] = []
    leases = keeper(tmp_path, told)
    assert not leases.take(bad)
    assert (leases.leases, told) == ((), ["lease-book-refused"])


def test_lease_book_changed_on_disk_is_not_believed(tmp_path: Path) -> None:
    told: list[str] = []
    keeper(tmp_path, told).take(book(1, lease()))
    path = tmp_path / "leases.json"
    tree = json.loads(path.read_bytes())
    tree["leases"][0]["until_ms"] += 10**9
    for content in (json.dumps(tree).encode(), b"", b"\x00" * 50, encode(book(1, lease()))[:-20]):
        path.write_bytes(content)
        assert keeper(tmp_path, told).leases == ()
    assert told == ["lease-book-unusable"] * 4


def test_lease_book_without_a_key_is_refused(tmp_path: Path) -> None:
    told: list[str] = []
    assert not keeper(tmp_path, told, key=b"").take(book(1, lease(), key=b""))
    assert told == ["lease-book-refused"]


def test_lease_book_of_an_older_generation_is_passed_over_whatever_its_number(tmp_path: Path) -> None:
    leases = keeper(tmp_path, [])
    assert leases.take(book(1, generation=3))
    assert not leases.take(book(99, lease(), generation=2))
    assert (leases.leases, leases.held()) == ((), Edition(3, 1))
    assert leases.take(book(0, lease(), generation=4))
    assert leases.held() == Edition(4, 0)


def test_lease_book_that_was_refused_is_not_held(tmp_path: Path) -> None:
    leases = keeper(tmp_path, [])
    assert leases.held() == NO_BOOK
    assert leases.take(book(2, lease()))
    leases.take(book(3, key=b"other"))
    leases.take(book(3, agent="school/other"))
    leases.take(replace(book(3), leases=(lease(),)))
    leases.take(book(1))
    assert (leases.leases, leases.held()) == ((lease(),), Edition(1, 2))


def test_lease_book_on_disk_is_held_after_a_restart_and_one_that_cannot_be_trusted_is_not(tmp_path: Path) -> None:
    keeper(tmp_path, []).take(book(7, generation=2))
    assert keeper(tmp_path, []).held() == Edition(2, 7)
    assert keeper(tmp_path, [], key=b"another agent's").held() == NO_BOOK


def test_lease_book_that_the_disk_does_not_take_counts_and_is_not_held_until_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _content: bytes) -> None:
        raise OSError("no space left")

    told: list[str] = []
    leases = keeper(tmp_path, told)
    assert leases.take(book(1, lease()))
    assert not leases.write()
    with monkeypatch.context() as disk:
        disk.setattr("agent.leases.replace_file", full)
        assert leases.take(book(2))
        assert (leases.leases, leases.held()) == ((), Edition(1, 1))
        assert not leases.write()
        assert not leases.take(book(2))
        assert leases.held() == Edition(1, 1)
    assert told == ["lease-book-not-written"]
    assert keeper(tmp_path, told).leases == (lease(),), "a restart begins with what is on disk, as it was told"
    assert leases.write()
    assert leases.held() == Edition(1, 2)
    assert not leases.write()
    assert keeper(tmp_path, told).leases == ()


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.booleans(), st.booleans()), max_size=12))
def test_lease_book_held_is_the_newest_true_one_in_whatever_order_they_come(
    tmp_path_factory: pytest.TempPathFactory, offered: list[tuple[int, int, bool, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("book")
    leases = keeper(folder, [])
    newest = NO_BOOK
    for generation, number, forged, restarted in offered:
        leases.take(book(number, generation=generation, key=b"other" if forged else KEY))
        newest = newest if forged else max(newest, Edition(generation, number))
        leases = keeper(folder, []) if restarted else leases
        assert leases.held() == newest
