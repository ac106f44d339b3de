"""What workers tell becomes reports, whole and in order."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.clock import Clock
from agent.draft import Draft
from agent.outbox import Outbox
from agent.recorder import MAX_PENDING, Recorder
from contract.messages import MAX_PAYLOAD, Report
from contract.model import CommandStatus, Event, Outcome
from contract.wire import decode

NOW_MS = 1_795_000_000_000
YEAR_MS = 365 * 86_400_000


class Bench:
    """A recorder on a true outbox, with a clock that the test moves."""

    def __init__(self, folder: Path) -> None:
        self.now_ms = NOW_MS
        self.appended = 0
        clock = Clock(lambda: self.now_ms, lambda: self.now_ms - NOW_MS + 1_000_000, "boot", lambda: True)
        self.outbox = Outbox(folder / "outbox.db", lambda: self.now_ms)
        self.recorder = Recorder(self.outbox, clock, 0.05, self.count)

    def count(self) -> None:
        self.appended += 1

    def reports(self) -> list[Report]:
        return [decode(Report, batch.payload) for batch in self.outbox.unacked()]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.outbox.close()


def test_recorder_puts_all_devices_into_one_report_a_flush(bench: Bench) -> None:
    bench.recorder.offer("a", NOW_MS, {"x": 1.0, "y": None})
    bench.recorder.offer("b", NOW_MS + 5, {"x": "text"})
    bench.recorder.offer("a", NOW_MS + 10, {"x": 2.0})
    assert bench.recorder.flush() == 1
    (report,) = bench.reports()
    assert report.series == {"a": {"x": ((0, 1.0), (10, 2.0)), "y": ((0, None),)}, "b": {"x": ((5, "text"),)}}
    assert (report.base_ms, report.mono_ms, report.boot, report.count) == (NOW_MS, 1_000_000, "boot", 4)


def test_recorder_writes_nothing_when_there_is_nothing(bench: Bench) -> None:
    bench.recorder.offer("a", NOW_MS, {})
    assert bench.recorder.flush() is None
    assert (bench.reports(), bench.appended) == ([], 0)


def test_recorder_begins_a_new_report_when_the_clock_goes_back(bench: Bench) -> None:
    bench.recorder.offer("a", NOW_MS, {"x": 1.0})
    bench.recorder.offer("a", NOW_MS - 60_000, {"x": 2.0})
    bench.recorder.offer("a", NOW_MS - 60_000, {"x": 3.0})
    bench.recorder.flush()
    assert [report.series["a"]["x"][0][1] for report in bench.reports()] == [1.0, 2.0, 3.0]


def test_recorder_survives_a_clock_that_jumps_by_a_year_each_way(bench: Bench) -> None:
    for at_ms in (NOW_MS, NOW_MS + YEAR_MS, NOW_MS, NOW_MS - YEAR_MS, 5, -5):
        bench.now_ms = at_ms
        bench.recorder.offer("a", at_ms, {"x": float(at_ms)})
    bench.recorder.flush()
    stamped = [report.base_ms + report.series["a"]["x"][0][0] for report in bench.reports()]
    assert stamped == [NOW_MS, NOW_MS + YEAR_MS, NOW_MS, NOW_MS - YEAR_MS, 5, -5]


def test_recorder_keeps_every_report_small_enough_to_send(bench: Bench) -> None:
    for i in range(300):
        bench.recorder.offer("a", NOW_MS + i, {f"m{j}": "\u0001" * 1_000 for j in range(10)})
    for i in range(100):
        bench.recorder.tell(Event(f"e{i}", NOW_MS, detail="\u0001" * 1_000))
    bench.recorder.flush()
    batches = bench.outbox.unacked()
    assert max(len(batch.payload) for batch in batches) <= MAX_PAYLOAD
    assert sum(decode(Report, batch.payload).count for batch in batches) == 3_100


def test_recorder_declares_what_it_cannot_hold(bench: Bench) -> None:
    for i in range(MAX_PENDING // 100 + 20):
        bench.recorder.offer("a", NOW_MS + i, {f"m{j}": 1 for j in range(100)})
    bench.recorder.tell(Outcome("c-1", CommandStatus.DONE, NOW_MS))
    bench.recorder.flush()
    reports = bench.reports()
    (gap,) = [gap for report in reports for gap in report.gaps]
    assert (gap.from_ms, gap.to_ms, gap.count) == (NOW_MS + 200, NOW_MS + 219, 2_000)
    assert sum(report.count for report in reports) == MAX_PENDING + 2_000 + 1


def test_recorder_declares_a_reading_that_no_report_may_hold(bench: Bench) -> None:
    bench.recorder.offer("a", NOW_MS, {"x": float("nan")})
    bench.recorder.flush()
    bench.recorder.offer("a", NOW_MS + 1, {"x": 1.0})
    bench.recorder.flush()
    (report,) = bench.reports()
    assert (report.count, [gap.count for gap in report.gaps]) == (2, [1])


def test_recorder_flushes_by_itself_and_says_so(bench: Bench) -> None:
    bench.recorder.start()
    bench.recorder.offer("a", NOW_MS, {"x": 1.0})
    bench.recorder.tell(Event("door", NOW_MS))
    bench.recorder.stop()
    assert sum(report.count for report in bench.reports()) == 2
    assert bench.appended >= 1


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(-(10**12), 10**12), st.integers(0, 3), st.booleans()), max_size=40
    )
)
def test_recorder_loses_nothing_whatever_the_clock_does(
    tmp_path_factory: pytest.TempPathFactory, offers: list[tuple[str, int, int, bool]]
) -> None:
    bench = Bench(tmp_path_factory.mktemp("recorder"))
    expected: list[tuple[str, str, int, int]] = []
    for device, shift_ms, metrics, flush in offers:
        bench.now_ms = NOW_MS + shift_ms
        for i in range(metrics):
            expected.append((device, f"m{i}", bench.now_ms, len(expected)))
        bench.recorder.offer(device, bench.now_ms, {name: value for _, name, _, value in expected[-metrics or 99999 :]})
        if flush:
            bench.recorder.flush()
    bench.recorder.flush()
    found = [
        (device, name, report.base_ms + dt_ms, value)
        for report in bench.reports()
        for device, metrics in report.series.items()
        for name, points in metrics.items()
        for dt_ms, value in points
    ]
    bench.outbox.close()
    assert sorted(found, key=lambda each: int(each[3] or 0)) == expected


def test_what_was_told_is_kept_only_when_it_is_on_disk_whoever_brings_it_there(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, writing, go_on = bench.outbox.append, threading.Event(), threading.Event()
    known: list[bool] = []

    def slowly(draft: Draft) -> int | None:
        writing.set()
        assert go_on.wait(20.0)
        return append(draft)

    monkeypatch.setattr(bench.outbox, "append", slowly)
    bench.recorder.tell(Outcome("c-1", CommandStatus.DONE, NOW_MS))
    first = threading.Thread(target=bench.recorder.flush)
    first.start()
    assert writing.wait(20.0)
    bench.recorder.offer("a", NOW_MS, {"x": 1.0})
    second = threading.Thread(target=lambda: known.append(bench.recorder.keep()))
    second.start()
    second.join(0.2)
    assert known == []
    go_on.set()
    first.join(20.0)
    second.join(20.0)
    assert known == [True]
    assert [each.command_id for report in bench.reports() for each in report.outcomes] == ["c-1"]


def test_what_was_told_is_not_kept_while_the_disk_takes_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(bench.outbox), "stalled", True)
    bench.recorder.tell(Outcome("c-1", CommandStatus.DONE, NOW_MS))
    assert not bench.recorder.keep()
