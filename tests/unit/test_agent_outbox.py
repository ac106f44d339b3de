"""Nothing that was appended is lost, doubled or changed after it may have been heard."""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agent.batches import Batch
from agent.draft import Draft
from agent.errors import CannotWrite
from agent.outbox import Limits, Outbox
from contract.messages import Ack, Refusal, Report, digest_of
from contract.model import CommandStatus, ContractError, Event, Outcome
from contract.wire import decode

NOW_MS = 1_795_000_000_000
HOUR_MS = 3_600_000


class Time:
    def __init__(self) -> None:
        self.ms = NOW_MS

    def __call__(self) -> int:
        return self.ms


def draft(*values: float, events: int = 0, at_ms: int = NOW_MS) -> Draft:
    """One reading a value, a second apart, and some events."""
    series = {"d": {"m": tuple((i * 1000, value) for i, value in enumerate(values))}} if values else {}
    return Draft(at_ms, series=series, events=tuple(Event(f"e{i}", at_ms) for i in range(events)))


def report(batch: Batch) -> Report:
    assert digest_of(batch.payload)
    return decode(Report, batch.payload)


def ack(epoch: str, *ranges: tuple[int, int], complete: bool = False) -> Ack:
    return Ack(1, NOW_MS, epoch, ranges, complete=complete)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def outbox(tmp_path: Path, time: Time) -> Iterator[Outbox]:
    outbox = Outbox(tmp_path / "outbox.db", time)
    yield outbox
    outbox.close()


def test_outbox_numbers_from_one_in_an_epoch_of_its_own(tmp_path: Path, time: Time) -> None:
    first = Outbox(tmp_path / "outbox.db", time)
    assert [first.append(draft(1.0)), first.append(draft(2.0))] == [1, 2]
    first.close()
    second = Outbox(tmp_path / "outbox.db", time)
    assert second.append(draft(3.0)) == 1
    assert second.epoch != first.epoch
    assert [(batch.epoch, batch.number) for batch in second.unacked()] == [
        (first.epoch, 1),
        (first.epoch, 2),
        (second.epoch, 1),
    ]
    second.close()


def test_outbox_gives_live_newest_first_and_replay_oldest_first(outbox: Outbox) -> None:
    for value in range(6):
        outbox.append(draft(float(value)))
    floor = 4
    assert [batch.number for batch in outbox.take_live(floor, 10)] == [6, 5]
    assert [batch.number for batch in outbox.take_replay(0, floor, 3, {outbox.epoch})] == [1, 2, 3]
    assert [batch.number for batch in outbox.take_replay(3, floor, 3, {outbox.epoch})] == [4]
    assert outbox.attempted == 6


def test_outbox_replays_no_epoch_that_the_controller_has_not_answered_for(tmp_path: Path, time: Time) -> None:
    old = Outbox(tmp_path / "outbox.db", time)
    old.append(draft(1.0))
    old.close()
    new = Outbox(tmp_path / "outbox.db", time)
    new.append(draft(2.0))
    assert new.take_replay(0, 9, 9, {new.epoch}) == []
    assert [batch.epoch for batch in new.take_replay(0, 9, 9, {old.epoch, new.epoch})] == [old.epoch, new.epoch]
    new.close()


def test_outbox_gives_the_same_bytes_again_until_they_are_acked(outbox: Outbox) -> None:
    outbox.append(draft(1.0))
    (batch,) = outbox.take_live(0, 1)
    assert outbox.take_again(batch.id) == batch
    assert outbox.take_ack(ack(outbox.epoch, (1, 1))).acked == 1
    assert outbox.take_again(batch.id) is None
    assert (outbox.attempted, outbox.unacked()) == (0, [])


def test_outbox_sends_again_what_a_restored_controller_has_not(outbox: Outbox) -> None:
    for value in range(5):
        outbox.append(draft(float(value)))
    outbox.take_live(0, 9)
    outbox.take_ack(ack(outbox.epoch, (1, 5)))
    result = outbox.take_ack(ack(outbox.epoch, (1, 2), (4, 4), complete=True))
    assert (result.acked, result.again) == (0, 2)
    assert [batch.number for batch in outbox.take_replay(0, 9, 9, {outbox.epoch})] == [3, 5]
    assert [outbox.take_again(number) is not None for number in range(1, 6)] == [False, False, True, False, True]


def test_outbox_counts_what_is_sent_again_neither_as_attempted_nor_as_acked(tmp_path: Path, time: Time) -> None:
    outbox = Outbox(tmp_path / "outbox.db", time)
    epoch = outbox.epoch
    for value in range(5):
        outbox.append(draft(float(value)))
    outbox.take_live(0, 4)
    outbox.take_ack(ack(epoch, (2, 4)))
    outbox.take_ack(ack(epoch, complete=True))
    outbox.close()
    again = Outbox(tmp_path / "outbox.db", time)
    figures = again.figures()
    assert (figures.fresh, figures.attempted, figures.recalled, figures.acked) == (1, 1, 3, 0)
    assert again.attempted == 1
    assert len(again.take_replay(0, 9, 9, {epoch})) == 5
    assert again.take_ack(ack(epoch, (1, 5))).acked == 5
    assert (again.attempted, again.figures().recalled, again.unacked()) == (0, 0, [])
    again.close()


def test_outbox_learns_from_a_complete_ack_what_arrived_unnoticed(outbox: Outbox) -> None:
    for value in range(3):
        outbox.append(draft(float(value)))
    result = outbox.take_ack(ack(outbox.epoch, (1, 3), complete=True))
    assert (result.acked, result.again) == (3, 0)


def test_outbox_sets_a_refused_batch_aside_once(outbox: Outbox) -> None:
    outbox.append(draft(1.0))
    outbox.take_live(0, 1)
    refusal = Refusal(1, "conflict")
    refusing = Ack(1, NOW_MS, outbox.epoch, refused=(refusal,))
    assert outbox.take_ack(refusing).refused == (refusal,)
    assert outbox.take_ack(refusing).refused == ()
    assert (outbox.unacked(), outbox.figures().refused) == ([], 1)


def test_outbox_keeps_acked_batches_for_two_days(outbox: Outbox, time: Time) -> None:
    outbox.append(draft(1.0))
    outbox.take_ack(ack(outbox.epoch, (1, 1)))
    time.ms += 47 * HOUR_MS
    outbox.take_ack(ack(outbox.epoch))
    assert outbox.figures().acked == 1
    time.ms += 2 * HOUR_MS
    outbox.take_ack(ack(outbox.epoch))
    assert outbox.figures().acked == 0


def test_outbox_keeps_acked_batches_within_their_bytes(tmp_path: Path, time: Time) -> None:
    outbox = Outbox(tmp_path / "outbox.db", time, Limits(kept_bytes=5_000))
    for value in range(300):
        number = outbox.append(draft(float(value)))
        assert number
        outbox.take_ack(ack(outbox.epoch, (number, number)))
    assert 0 < outbox.figures().acked < 130
    outbox.close()


def test_outbox_tells_what_it_holds_with_what_is_to_be_sent_first(tmp_path: Path, time: Time) -> None:
    epochs = []
    for i in range(3):
        outbox = Outbox(tmp_path / "outbox.db", time)
        epochs.append(outbox.epoch)
        outbox.append(draft(1.0))
        outbox.append(draft(2.0))
        if i == 0:
            outbox.take_ack(ack(outbox.epoch, (1, 2)))
        if i < 2:
            outbox.close()
    assert [(held.epoch, held.first, held.last) for held in outbox.held()] == [
        (epochs[1], 1, 2),
        (epochs[2], 1, 2),
        (epochs[0], 1, 2),
    ]
    outbox.close()


def test_outbox_beyond_its_budget_merges_before_it_thins_and_thins_before_it_drops(tmp_path: Path, time: Time) -> None:
    outbox = Outbox(tmp_path / "outbox.db", time, Limits(budget_bytes=6_000))
    stages: list[str] = []
    reports: list[Report] = []
    for i in range(800):
        outbox.append(draft(float(i), events=1 if i % 100 == 0 else 0, at_ms=NOW_MS + i * 1000))
        if i % 10:
            continue
        assert outbox.figures().unacked_bytes <= 6_000
        reports = [report(batch) for batch in outbox.unacked()]
        lost = sum(gap.count for each in reports for gap in each.gaps)
        assert sum(each.readings for each in reports) + lost == i + 1
        assert len([event for each in reports for event in each.events]) == 1 + i // 100
        for stage, reached in (
            ("merged", any(each.first < each.number for each in reports)),
            ("thinned", lost > 0),
            ("dropped", any(each.gaps and not each.readings for each in reports)),
        ):
            stages += [stage] if reached and stage not in stages else []
    assert stages == ["merged", "thinned", "dropped"]
    assert next(reversed(reports[-1].series["d"]["m"]))[1] == 790.0
    outbox.close()


def test_outbox_never_thins_what_may_have_been_heard(tmp_path: Path, time: Time) -> None:
    outbox = Outbox(tmp_path / "outbox.db", time, Limits(budget_bytes=5_000))
    outbox.append(draft(1.0, 2.0, 3.0))
    (taken,) = outbox.take_live(0, 1)
    for i in range(300):
        outbox.append(draft(float(i), at_ms=NOW_MS + i * 1000))
    assert outbox.take_again(taken.id) == taken
    outbox.close()


def test_outbox_refuses_a_draft_that_no_report_may_hold(outbox: Outbox) -> None:
    with pytest.raises(ContractError):
        outbox.append(Draft(NOW_MS, series={"d": {"m": ((5, 1.0), (4, 1.0))}}))
    with pytest.raises(ContractError):
        outbox.append(Draft(NOW_MS, events=tuple(Event("e", 1, detail="x" * 1024) for _ in range(300))))
    assert outbox.append(draft(1.0)) == 1


def limit_disk(outbox: Outbox, pages: int) -> None:
    db = outbox._db
    assert db is not None
    used = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count={used + pages}")


def test_outbox_on_a_full_disk_waits_in_memory_and_tells_when_it_ended(outbox: Outbox, time: Time) -> None:
    limit_disk(outbox, 0)
    numbers = [outbox.append(draft(*map(float, range(200)), at_ms=NOW_MS + i * 10**6)) for i in range(30)]
    assert numbers[-1] is None
    assert outbox.figures().waiting > 0
    assert "full" in outbox.figures().stalled_why
    time.ms += 90_000
    limit_disk(outbox, 10_000)
    assert outbox.append(draft(1.0)) is not None
    reports = [report(batch) for batch in outbox.unacked()]
    assert sum(each.readings for each in reports) == 30 * 200 + 1
    (event,) = [event for each in reports for event in each.events]
    assert (event.kind, event.detail.split(":")[0]) == ("disk-writable-again", "90 s")
    assert [each.number for each in reports] == list(range(1, len(reports) + 1))


def test_outbox_on_a_full_disk_gives_up_the_oldest_readings_beyond_its_memory(outbox: Outbox) -> None:
    limit_disk(outbox, 0)
    wanted = 60
    for i in range(wanted):
        outbox.append(draft(*map(float, range(1_000)), events=1, at_ms=NOW_MS + i * 10**6))
    limit_disk(outbox, 100_000)
    outbox.settle()
    reports = [report(batch) for batch in outbox.unacked()]
    readings = sum(each.readings for each in reports)
    lost = sum(gap.count for each in reports for gap in each.gaps)
    assert readings + lost == wanted * 1_000
    assert 19_000 <= readings <= 40_000
    assert {gap.reason for each in reports for gap in each.gaps} == {"disk-full"}
    assert len([event for each in reports for event in each.events if event.kind == "e0"]) == wanted


def test_outbox_refuses_to_lend_batches_while_nothing_can_be_noted(tmp_path: Path, time: Time) -> None:
    folder = tmp_path / "gone"
    outbox = Outbox(folder / "outbox.db", time)
    outbox.close()
    shutil.rmtree(folder)
    folder.write_text("a file where the folder was")
    with pytest.raises(CannotWrite):
        outbox.take_live(0, 1)
    assert outbox.append(draft(1.0)) is None
    folder.unlink()
    assert outbox.append(draft(2.0)) is not None
    assert sum(report(batch).readings for batch in outbox.unacked()) == 2
    outbox.close()


@pytest.mark.parametrize("damage", [b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 8192])
def test_outbox_puts_a_damaged_file_aside_and_goes_on(tmp_path: Path, time: Time, damage: bytes) -> None:
    path = tmp_path / "outbox.db"
    path.write_bytes(damage)
    outbox = Outbox(path, time)
    assert outbox.append(draft(1.0)) is not None
    events = [event.kind for batch in outbox.unacked() for event in report(batch).events]
    assert events == ["outbox-damaged"]
    assert next(tmp_path.glob("outbox.db.damaged-*")).read_bytes() == damage
    outbox.close()


def test_outbox_damaged_while_it_runs_goes_on_in_another_epoch(tmp_path: Path, time: Time) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path, time)
    for value in range(500):
        outbox._waiting.append(draft(float(value)))
    outbox.settle()
    before = outbox.epoch
    db = sqlite3.connect(path)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    assert outbox._db is not None
    outbox._db.execute("PRAGMA cache_size=0")
    outbox._db.execute("PRAGMA shrink_memory")
    number = None
    for _ in range(3):
        number = outbox.append(draft(1.0))
    assert number is not None
    assert outbox.epoch != before
    kinds = [event.kind for batch in outbox.unacked() for event in report(batch).events]
    assert kinds == ["outbox-damaged"]
    outbox.close()


def test_outbox_rolled_back_to_an_hour_ago_loses_and_contradicts_nothing(tmp_path: Path, time: Time) -> None:
    path, copy = tmp_path / "outbox.db", tmp_path / "copy.db"
    committed: dict[tuple[str, int], Report] = {}
    digests: dict[tuple[str, int], str | None] = {}

    def deliver(batches: list[Batch]) -> None:
        for batch in batches:
            key = batch.epoch, batch.number
            digest = digest_of(batch.payload)
            assert digests.setdefault(key, digest) == digest, "the same number with other content"
            committed[key] = report(batch)

    outbox = Outbox(path, time, Limits(budget_bytes=3_000))
    for i in range(12):
        outbox.append(draft(float(i), at_ms=NOW_MS + i * 1000))
    with sqlite3.connect(path) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    source.close()
    target.close()
    for i in range(12, 60):  # the hour that is rolled back: batches are thinned, sent and acked
        outbox.append(draft(float(i), at_ms=NOW_MS + i * 1000))
    deliver(outbox.take_replay(0, 10**6, 100, {outbox.epoch}))
    outbox.close()
    for old in tmp_path.glob("outbox.db*"):
        old.unlink()
    shutil.copy(copy, path)

    again = Outbox(path, time)
    again.append(draft(99.0, at_ms=NOW_MS + HOUR_MS))
    for held in again.held():  # what the controller answers to a status
        ranges = [(each.first, each.number) for each in committed.values() if each.epoch == held.epoch]
        again.take_ack(ack(held.epoch, *sorted(ranges), complete=True))
    deliver(again.take_replay(0, 10**6, 100, {held.epoch for held in again.held()}))
    again.close()
    readings = sum(each.readings for each in committed.values())
    lost = sum(gap.count for each in committed.values() for gap in each.gaps)
    assert readings + lost == 61


class OutboxMachine(RuleBasedStateMachine):
    """Any order of appending, sending, losing, acking, refusing, filling the disk, restoring and restarting."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.time = Time()
        self.limits = Limits(budget_bytes=4_000, kept_bytes=10**9)
        self.outbox = self.opened()
        self.produced = 0
        self.told = 0
        self.sent: dict[tuple[str, int], bytes] = {}
        self.committed: dict[tuple[str, int], Report] = {}
        self.backup: dict[tuple[str, int], Report] = {}
        self.set_aside: dict[tuple[str, int], Report] = {}
        self.full = False

    def opened(self) -> Outbox:
        return Outbox(Path(self.folder.name) / "outbox.db", self.time, self.limits)

    @rule(values=st.integers(0, 40), events=st.integers(0, 1), outcomes=st.integers(0, 1))
    def append(self, values: int, events: int, outcomes: int) -> None:
        self.time.ms += 60_000
        content = draft(*[float(self.produced + i) for i in range(values)], events=events, at_ms=self.time.ms)
        told = tuple(Outcome(f"c-{i}", CommandStatus.DONE, 1) for i in range(outcomes))
        self.outbox.append(Draft(content.base_ms, series=content.series, events=content.events, outcomes=told))
        self.produced += values
        self.told += events + outcomes

    @rule(live=st.booleans(), limit=st.integers(1, 5), arrives=st.booleans())
    def send(self, live: bool, limit: int, arrives: bool) -> None:
        try:
            known = {held.epoch for held in self.outbox.held()}
            batches = self.outbox.take_live(0, limit) if live else self.outbox.take_replay(0, 10**9, limit, known)
        except CannotWrite:
            assert self.full
            return
        for batch in batches:
            key = batch.epoch, batch.number
            assert self.sent.setdefault(key, batch.payload) == batch.payload, "changed after it may have been heard"
            if arrives:
                self.committed[key] = report(batch)

    @rule(data=st.data())
    @precondition(lambda self: self.committed)
    def ack(self, data: st.DataObject) -> None:
        epoch, _ = data.draw(st.sampled_from(sorted(self.committed)))
        self.take(epoch, complete=data.draw(st.booleans()))

    def take(self, epoch: str, *, complete: bool) -> None:
        ranges = [(each.first, each.number) for (e, _), each in self.committed.items() if e == epoch]
        try:
            self.outbox.take_ack(ack(epoch, *sorted(ranges), complete=complete))
        except CannotWrite:
            assert self.full

    @rule(data=st.data())
    @precondition(lambda self: self.sent.keys() - self.committed.keys())
    def refuse(self, data: st.DataObject) -> None:
        epoch, number = data.draw(st.sampled_from(sorted(self.sent.keys() - self.committed.keys())))
        try:
            result = self.outbox.take_ack(Ack(1, 1, epoch, refused=(Refusal(number, "no"),)))
        except CannotWrite:
            return
        if result.refused:
            self.set_aside[epoch, number] = decode(Report, self.sent[epoch, number])

    @rule()
    def back_up_the_controller(self) -> None:
        self.backup = dict(self.committed)

    @rule()
    def restore_the_controller(self) -> None:
        self.committed = {key: each for key, each in self.backup.items() if key not in self.set_aside}
        for held in self.held():
            self.take(held, complete=True)

    def held(self) -> list[str]:
        try:
            return [held.epoch for held in self.outbox.held()]
        except CannotWrite:
            return []

    @rule()
    @precondition(lambda self: not self.full)
    def fill_the_disk(self) -> None:
        limit_disk(self.outbox, 0)
        self.full = True

    @rule()
    @precondition(lambda self: self.full)
    def empty_the_disk(self) -> None:
        self.full = False
        if self.outbox._db is not None:
            limit_disk(self.outbox, 10_000)
        self.outbox.settle()

    @rule()
    @precondition(lambda self: not self.full)
    def restart(self) -> None:
        self.outbox.close()
        self.outbox = self.opened()

    @invariant()
    def all_that_was_produced_is_somewhere_once(self) -> None:
        if self.full:
            return
        held = {(batch.epoch, batch.number): report(batch) for batch in self.outbox.unacked()}
        everywhere = list({**held, **self.committed, **self.set_aside}.values())
        readings = [
            point[1] for each in everywhere for metrics in each.series.values() for p in metrics.values() for point in p
        ]
        lost = sum(gap.count for each in everywhere for gap in each.gaps)
        assert len(readings) == len(set(readings)), "stored twice"
        assert len(readings) + lost == self.produced
        told = sum(
            len(each.outcomes) + len([event for event in each.events if event.kind == "e0"]) for each in everywhere
        )
        assert told == self.told

    @invariant()
    def its_figures_are_true(self) -> None:
        if self.full or self.outbox._db is None:
            return
        query = "SELECT coalesce(sum(size), 0), count(*) FILTER (WHERE state = 1) FROM batch WHERE state < 2"
        size, attempted = self.outbox._db.execute(query).fetchone()
        assert (size, attempted) == (self.outbox.figures().unacked_bytes, self.outbox.attempted)

    def teardown(self) -> None:
        self.outbox.close()
        self.folder.cleanup()


OutboxMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestOutboxMachine = OutboxMachine.TestCase
