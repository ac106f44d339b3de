"""What state a device is in, and why."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.messages import BridgeState
from contract.model import Quality, Value
from controller.alerts.rules import Contact, DeviceState, Known, Verdict, judge, quality, silence_ms
from device_profiles.profile import DeviceProfile, parse

NOW = 1_800_000_000_000
PROFILE = parse(
    "test/printer",
    """
name = "Printer"
label = { en = "Printer", vi = "Máy in" }
family = "printer"
bridge = "simulated"
enforces = "commands"
source = "made for the tests"
in_use = "printing"

[metrics.nozzle]
label = { en = "Nozzle", vi = "Đầu in" }
unit = "Cel"
kind = "float"
heartbeat_s = 60.0

[metrics.printing]
label = { en = "Printing", vi = "Đang in" }
unit = "1"
kind = "bool"

[metrics."disk-*-used"]
label = { en = "Disk", vi = "Ổ đĩa" }
unit = "%"
kind = "float"

[metrics.door]
label = { en = "Door", vi = "Cửa" }
unit = "1"
kind = "text"

[[alerts]]
metric = "nozzle"
level = "fault"
label = { en = "Nozzle too hot", vi = "Đầu in quá nóng" }
above = 280.0
clear = 250.0
for_s = 10.0

[[alerts]]
metric = "disk-*-used"
level = "warning"
label = { en = "Disk nearly full", vi = "Ổ đĩa gần đầy" }
above = 90.0

[[alerts]]
metric = "door"
level = "warning"
label = { en = "Door open", vi = "Cửa mở" }
equals = "open"
""",
)
SILENT_AFTER_MS = 135_000
"""Two heartbeats of 60 s and the grace."""
HERE = Contact("online", NOW - 90_000, BridgeState.OPEN, NOW - 80_000, present=True, heard_ms=NOW)


def known(value: Value | None, age_ms: int = 0) -> Known:
    return Known(NOW - age_ms, value, NOW - age_ms)


def look(
    values: dict[str, Known], contact: Contact = HERE, now_ms: int = NOW, before: Verdict | None = None,
    profile: DeviceProfile | None = PROFILE,
) -> Verdict:  # fmt: skip
    return judge(profile, values, contact, now_ms, before.memory if before else {})


def test_judge_finds_nothing_wrong_with_good_values() -> None:
    verdict = look({"nozzle": known(210.0), "printing": known(False), "door": known("closed")})

    assert (verdict.state, verdict.reasons) == (DeviceState.OK, ())


def test_judge_says_in_use_by_the_profiles_metric() -> None:
    assert look({"printing": known(True)}).state is DeviceState.IN_USE
    assert look({"printing": known(None)}).state is DeviceState.OK


@pytest.mark.parametrize(
    ("contact", "code", "since_ms"),
    [
        (replace(HERE, presence="offline"), "agent-offline", NOW - 90_000),
        (replace(HERE, presence=""), "agent-unheard", NOW),
        (replace(HERE, bridge=BridgeState.LOST), "device-lost", NOW - 80_000),
        (replace(HERE, bridge=BridgeState.PARKED), "device-parked", NOW - 80_000),
        (replace(HERE, bridge=BridgeState.STARTING), "device-starting", NOW - 80_000),
        (replace(HERE, present=False), "device-absent", NOW),
        (replace(HERE, revoked=True), "agent-revoked", NOW),
        (replace(HERE, heard_ms=NOW - SILENT_AFTER_MS), "silent", NOW - SILENT_AFTER_MS),
    ],
)
def test_judge_says_offline_and_why(contact: Contact, code: str, since_ms: int) -> None:
    verdict = look({"nozzle": known(300.0, age_ms=60_000)}, contact)

    assert verdict.state is DeviceState.OFFLINE
    assert [(reason.code, reason.since_ms) for reason in verdict.reasons] == [(code, since_ms)]
    assert verdict.reasons[0].label.en
    assert verdict.reasons[0].label.vi


def test_judge_names_the_cause_nearest_to_the_root() -> None:
    contact = replace(HERE, presence="offline", bridge=BridgeState.LOST, heard_ms=0)

    assert look({}, contact).reasons[0].code == "agent-offline"


def test_judge_raises_only_after_the_limit_was_passed_for_long_enough_without_any_new_value() -> None:
    hot = {"nozzle": known(300.0)}
    first = look(hot)
    assert first.state is DeviceState.OK
    assert first.due_ms == NOW + 10_000

    almost = look(hot, now_ms=NOW + 9_999, before=first)
    assert almost.state is DeviceState.OK

    verdict = look(hot, now_ms=NOW + 10_000, before=almost)
    assert verdict.state is DeviceState.FAULT
    assert [(each.code, each.metric, each.since_ms) for each in verdict.reasons] == [("rule-nozzle", "nozzle", NOW)]


def test_judge_begins_anew_when_the_value_came_back_in_time() -> None:
    first = look({"nozzle": known(300.0)})
    between = look({"nozzle": known(270.0)}, now_ms=NOW + 5_000, before=first)
    again = {"nozzle": Known(NOW + 6_000, 300.0, NOW + 6_000)}

    assert look(again, now_ms=NOW + 12_000, before=between).state is DeviceState.OK
    assert look(again, now_ms=NOW + 16_000, before=between).state is DeviceState.FAULT


def test_judge_keeps_a_raised_rule_until_the_value_is_past_the_clearing_point() -> None:
    raised = look({"nozzle": known(300.0, age_ms=20_000)})
    assert raised.state is DeviceState.FAULT

    between = look({"nozzle": known(260.0)}, before=raised)
    assert between.state is DeviceState.FAULT

    assert look({"nozzle": known(250.0)}, before=between).state is DeviceState.OK


def test_judge_neither_raises_nor_clears_on_an_unknown_value() -> None:
    raised = look({"nozzle": known(300.0, age_ms=20_000)})

    assert look({"nozzle": known(None)}, before=raised).state is DeviceState.FAULT
    assert look({"nozzle": known(None)}).state is DeviceState.OK


def test_judge_applies_a_patterns_rule_to_each_metric_of_it() -> None:
    values = {"disk-c-used": known(95.0), "disk-d-used": known(50.0), "disk-e-used": known(99.0)}

    verdict = look(values)

    assert verdict.state is DeviceState.WARNING
    assert [reason.metric for reason in verdict.reasons] == ["disk-c-used", "disk-e-used"]


def test_judge_puts_the_most_severe_reason_first() -> None:
    verdict = look({"door": known("open", age_ms=60_000), "nozzle": known(300.0, age_ms=20_000)})

    assert verdict.state is DeviceState.FAULT
    assert [reason.metric for reason in verdict.reasons] == ["nozzle", "door"]


def test_judge_keeps_the_memory_of_rules_while_the_device_is_out_of_contact() -> None:
    raised = look({"nozzle": known(300.0, age_ms=20_000)})
    away = look({"nozzle": known(260.0)}, replace(HERE, presence="offline"), before=raised)

    assert away.state is DeviceState.OFFLINE
    assert look({"nozzle": known(260.0)}, before=away).state is DeviceState.FAULT


def test_judge_without_a_profile_still_knows_contact() -> None:
    assert look({"anything": known(1.0)}, profile=None).state is DeviceState.OK
    assert look({}, replace(HERE, bridge=BridgeState.LOST), profile=None).state is DeviceState.OFFLINE


def test_silence_is_two_heartbeats_of_the_quickest_metric_and_a_grace() -> None:
    assert silence_ms(PROFILE) == SILENT_AFTER_MS
    assert silence_ms(None) == 615_000


@pytest.mark.parametrize(
    ("value", "age_ms", "in_contact", "expected"),
    [
        (1.0, 0, True, Quality.GOOD),
        (1.0, 135_000, True, Quality.GOOD),
        (1.0, 135_001, True, Quality.STALE),
        (1.0, 0, False, Quality.STALE),
        (None, 0, True, Quality.BAD),
        (None, 0, False, Quality.BAD),
    ],
)
def test_quality_is_good_while_fresh_and_in_contact(
    value: float | None, age_ms: int, in_contact: bool, expected: Quality
) -> None:
    assert quality(known(value, age_ms), 60.0, NOW, in_contact=in_contact) is expected


@given(
    st.lists(st.tuples(st.integers(0, 20_000), st.one_of(st.none(), st.floats(200, 320))), max_size=40),
    st.sampled_from(["online", "offline"]),
)
def test_judge_asked_again_at_the_same_time_says_the_same(steps: list[tuple[int, float | None]], presence: str) -> None:
    now, verdict = NOW, look({})
    for wait_ms, value in steps:
        now += wait_ms
        values = {"nozzle": Known(now, value, now)}
        contact = replace(HERE, presence=presence, heard_ms=now)
        verdict = look(values, contact, now, verdict)

        assert look(values, contact, now, verdict) == verdict
        assert verdict.due_ms is None or verdict.due_ms > now


@given(st.lists(st.tuples(st.integers(1, 8_000), st.floats(200, 320)), min_size=1, max_size=60))
def test_judge_raises_exactly_when_a_plain_reading_of_the_rule_says_so(steps: list[tuple[int, float]]) -> None:
    now, verdict = NOW, look({})
    since: int | None = None
    raised = False
    for wait_ms, value in steps:
        now += wait_ms
        verdict = look({"nozzle": Known(now, value, now)}, replace(HERE, heard_ms=now), now, verdict)
        if value > 280.0:
            since = now if since is None else since
            raised = raised or now - since >= 10_000
        elif not raised or value <= 250.0:
            since, raised = None, False

        assert (verdict.state is DeviceState.FAULT) is raised
