"""Report by exception: never further off than the deadband, never longer silent than the heartbeat."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from agent.deadband import Deadband, Told, fit
from contract.model import MAX_INTEGER, MAX_TEXT, Kind, Value
from device_profiles.profile import DeviceProfile, parse

PROFILE = """
name = "Probe"
label = { en = "Probe", vi = "Đầu đo" }
family = "probe"
bridge = "simulated"
enforces = "none"
source = "invented"
[metrics.level]
label = { en = "Level", vi = "Mức" }
unit = "%"
kind = "float"
deadband = 2.0
heartbeat_s = 60.0
[metrics.state]
label = { en = "State", vi = "Trạng thái" }
unit = "1"
kind = "text"
heartbeat_s = 60.0
[metrics."disk-*-used"]
label = { en = "Disk", vi = "Đĩa" }
unit = "%"
kind = "float"
[metrics.count]
label = { en = "Count", vi = "Số" }
unit = "1"
kind = "int"
[metrics.job]
label = { en = "Job", vi = "Lệnh in" }
unit = "1"
kind = "text"
[metrics.printing]
label = { en = "Printing", vi = "Đang in" }
unit = "1"
kind = "bool"
[metrics.job-result]
label = { en = "Result", vi = "Kết quả" }
unit = "1"
kind = "text"
[metrics.on]
label = { en = "On", vi = "Bật" }
unit = "1"
kind = "bool"
"""


def profile() -> DeviceProfile:
    return parse("probe/probe", PROFILE)


def drawn(name: str, samples: Sequence[tuple[int, Value | None]]) -> list[tuple[int, Value | None]]:
    """What of a series gets through."""
    deadband = Deadband(profile())
    told = [each for at_ms, value in samples for each in deadband.changes({name: value}, at_ms, at_ms)]
    return [(each.at_ms, each.values[name]) for each in told]


def reported(name: str, samples: Sequence[tuple[int, Value | None]]) -> list[tuple[int, Value | None]]:
    """The same, without the readings that were told late."""
    deadband = Deadband(profile())
    told = [(at_ms, deadband.changes({name: value}, at_ms, at_ms)) for at_ms, value in samples]
    return [(at_ms, each.values[name]) for at_ms, those in told for each in those if each.at_ms == at_ms]


def now(told: Sequence[Told]) -> Mapping[str, Value | None]:
    """What of the newest readings gets through."""
    return told[-1].values if told else {}


def at(points: Sequence[tuple[int, float]], at_ms: int) -> float:
    """What a chart shows at that time: straight lines from point to point, level after the last."""
    for (from_ms, before), (to_ms, after) in pairwise(points):
        if at_ms < to_ms:
            return before + (after - before) * (at_ms - from_ms) / (to_ms - from_ms)
    return points[-1][1]


LEVELS = st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=60)
STEPS = st.integers(100, 30_000)


@given(LEVELS, STEPS)
def test_deadband_keeps_the_reported_series_within_the_deadband(values: list[float | None], step_ms: int) -> None:
    samples = [(i * step_ms, value) for i, value in enumerate(values)]
    known = dict(reported("level", samples))
    last: Value | None = None
    for mono_ms, value in samples:
        last = known.get(mono_ms, last)
        if value is None:
            assert last is None
        else:
            assert isinstance(last, float)
            assert abs(value - last) < 2.0


@given(LEVELS, STEPS)
def test_deadband_is_never_silent_for_longer_than_the_heartbeat(values: list[float | None], step_ms: int) -> None:
    samples = [(i * step_ms, value) for i, value in enumerate(values)]
    times = [mono_ms for mono_ms, _ in reported("level", samples)]
    for mono_ms, _ in samples:
        assert mono_ms - max(each for each in times if each <= mono_ms) < 60_000


@given(LEVELS)
def test_deadband_always_reports_a_change_of_quality(values: list[float | None]) -> None:
    samples = list(enumerate(values))
    known = dict(reported("level", samples))
    for (_, before), (mono_ms, after) in pairwise(samples):
        if (before is None) is not (after is None):
            assert known[mono_ms] == after


@given(st.lists(st.sampled_from(["idle", "printing", "done"]), min_size=1, max_size=30))
def test_deadband_reports_every_change_of_a_text_and_nothing_else(values: list[str]) -> None:
    expected = [(i, value) for i, value in enumerate(values) if i == 0 or values[i - 1] != value]
    assert reported("state", list(enumerate(values))) == expected


WALKS = st.lists(st.floats(-9, 9), min_size=2, max_size=40)


@given(WALKS, st.integers(100, 5_000))
def test_line_from_point_to_point_is_within_the_deadband_of_every_reading(values: list[float], step_ms: int) -> None:
    """Up to a point that was told late, and on the noise that the deadband swallows, within two."""
    samples = [(i * step_ms, value) for i, value in enumerate(values)]
    points = [(at_ms, value) for at_ms, value in drawn("level", samples) if isinstance(value, float)]
    known = dict(reported("level", samples))
    for at_ms, value in samples:
        until_ms = next((each for each, _ in points if each >= at_ms), at_ms)
        late = until_ms != at_ms and until_ms not in known
        assert abs(at(points, at_ms) - value) <= (4.0 if late else 2.0) + 1e-9


@given(st.lists(st.integers(0, 3), min_size=2, max_size=40))
def test_line_passes_through_every_reading_of_what_has_no_deadband(values: list[int]) -> None:
    points = [(at_ms, value) for at_ms, value in drawn("count", list(enumerate(values))) if type(value) is int]
    assert [at(points, at_ms) for at_ms in range(len(values))] == values


@given(WALKS)
def test_reading_is_told_late_only_right_before_one_that_is_reported(values: list[float]) -> None:
    samples: list[tuple[int, Value | None]] = list(enumerate(values))
    known = [at_ms for at_ms, _ in reported("level", samples)]
    late = [at_ms for at_ms, _ in drawn("level", samples) if at_ms not in known]
    assert {at_ms + 1 for at_ms in late} <= set(known)
    assert [value for at_ms, value in drawn("level", samples) if at_ms in late] == [values[at_ms] for at_ms in late]


def test_step_stays_a_step_and_a_line_ends_where_the_readings_did() -> None:
    level: list[Value | None] = [20.0, 20.5, 21.0, 90.0, 90.0, None, None]
    assert drawn("level", list(enumerate(level))) == [(0, 20.0), (2, 21.0), (3, 90.0), (4, 90.0), (5, None)]
    ramp: list[Value | None] = [20.0, 20.8, 21.6, 22.4]
    assert drawn("level", list(enumerate(ramp))) == [(0, 20.0), (3, 22.4)]


def test_short_job_that_ends_like_the_one_before_is_reported_with_its_end() -> None:
    deadband = Deadband(profile())
    ended: dict[str, Value | None] = {"printing": False, "job-result": "done", "on": True}
    deadband.changes({"job": "a #1", **ended}, 0, 0)
    assert deadband.changes({"job": "a #1", **ended}, 1, 1) == []
    assert now(deadband.changes({"job": "a #2", **ended}, 2, 2)) == {
        "job": "a #2",
        "printing": False,
        "job-result": "done",
    }


def test_deadband_reports_a_missing_metric_as_unknown_once() -> None:
    deadband = Deadband(profile())
    deadband.changes({"disk-usb-used": 10.0, "on": True}, 0, 0)
    assert now(deadband.changes({"on": True}, 1, 1)) == {"disk-usb-used": None}
    assert deadband.changes({"on": True}, 2, 2) == []


def test_deadband_reports_a_lost_device_as_unknown_once() -> None:
    deadband = Deadband(profile())
    deadband.changes({"level": 10.0, "on": True, "state": None}, 0, 0)
    assert now(deadband.lost(1, 1)) == {"level": None, "on": None}
    assert deadband.lost(2, 2) == []
    assert now(deadband.changes({"level": 10.0}, 3, 3)) == {"level": 10.0}


def test_deadband_leaves_out_what_the_profile_does_not_declare() -> None:
    assert Deadband(profile()).changes({"secret": 1, "level": 1}, 0, 7) == [Told(7, {"level": 1.0})]


@given(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=2 * MAX_TEXT),
    st.sampled_from(list(Kind)),
)
def test_fit_gives_a_value_of_the_kind_that_the_wire_takes_or_none(value: Value | None, kind: Kind) -> None:
    fitted = fit(value, kind)
    assert kind.holds(fitted)
    if isinstance(fitted, str):
        assert len(fitted) <= MAX_TEXT
        assert "\0" not in fitted
        fitted.encode()
    elif type(fitted) is int:
        assert abs(fitted) <= MAX_INTEGER
    elif isinstance(fitted, float):
        assert fitted - fitted == 0


def test_fit_makes_a_whole_number_a_float_where_floats_are_declared() -> None:
    assert isinstance(fit(3, Kind.FLOAT), float)
