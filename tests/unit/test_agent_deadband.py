"""Report by exception: never further off than the deadband, never longer silent than the heartbeat."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from agent.deadband import Deadband, fit
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
[metrics.on]
label = { en = "On", vi = "Bật" }
unit = "1"
kind = "bool"
"""


def profile() -> DeviceProfile:
    return parse("probe/probe", PROFILE)


def reported(name: str, samples: Sequence[tuple[int, Value | None]]) -> list[tuple[int, Value | None]]:
    """What of a series gets through."""
    deadband = Deadband(profile())
    result = []
    for mono_ms, value in samples:
        changes = deadband.changes({name: value}, mono_ms)
        result += [(mono_ms, each) for each in changes.values()]
    return result


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


def test_deadband_reports_a_missing_metric_as_unknown_once() -> None:
    deadband = Deadband(profile())
    deadband.changes({"disk-usb-used": 10.0, "on": True}, 0)
    assert deadband.changes({"on": True}, 1) == {"disk-usb-used": None}
    assert deadband.changes({"on": True}, 2) == {}


def test_deadband_reports_a_lost_device_as_unknown_once() -> None:
    deadband = Deadband(profile())
    deadband.changes({"level": 10.0, "on": True, "state": None}, 0)
    assert deadband.lost(1) == {"level": None, "on": None}
    assert deadband.lost(2) == {}
    assert deadband.changes({"level": 10.0}, 3) == {"level": 10.0}


def test_deadband_leaves_out_what_the_profile_does_not_declare() -> None:
    assert Deadband(profile()).changes({"secret": 1, "level": 1}, 0) == {"level": 1.0}


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
