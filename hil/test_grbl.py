"""The GRBL bridge against a machine that is a process of its own, and that fails in every way."""

import math
from collections.abc import Callable, Mapping

import pytest

from contract.model import CommandStatus, Value
from firmware_bridges.base import BadReply, Bridge, LinkLost, Refused
from firmware_bridges.grbl_stream import IN_FLIGHT
from hil.jobs import Write, released
from hil.lab import FarEnd, Faults, Truth
from hil.polling import assert_nothing_left_behind, poll_until, resources_at_rest
from hil.watched import Watched

pytestmark = pytest.mark.hil

LONG = 12000
"""Moves that take most of a minute."""


@pytest.fixture
def far(grbl: FarEnd) -> FarEnd:
    return grbl


def circles(count: int) -> list[str]:
    """Round and round in steps of a quarter of a millimetre."""
    steps = (f"G1 X{50 + 10 * math.sin(at / 40):.3f} Y{50 + 10 * math.cos(at / 40):.3f}" for at in range(count))
    return ["G0 X50 Y60", "M4 S500 F6000", *steps]


def ended(values: Mapping[str, Value | None]) -> bool:
    return values["job-result"] != ""


def under_way(values: Mapping[str, Value | None]) -> bool:
    return values["state"] == "cutting" and isinstance(values["progress"], float) and values["progress"] > 0.2


def state_is(wanted: str) -> Callable[[Mapping[str, Value | None]], bool]:
    return lambda values: values["state"] == wanted


def test_machine_says_who_and_how_it_is(bridge: Bridge) -> None:
    values = poll_until(bridge, lambda values: values["x"] is not None)
    assert str(values["firmware"]).startswith("GRBL 1.1")
    assert values["state"] in ("ready", "alarm")
    assert values["cutting"] is False


@pytest.mark.motion
def test_machine_moves_by_millimetres_with_its_laser_off(bridge: Bridge) -> None:
    before = poll_until(bridge, lambda values: isinstance(values["x"], float))
    bridge.execute("jog", {"x": 3.0})
    after = poll_until(bridge, state_is("ready"))
    assert after["x"] == pytest.approx(float(before["x"] or 0) + 3.0)
    assert after["laser-power"] == 0.0
    with pytest.raises(Refused, match="at most 50 mm"):
        bridge.execute("jog", {"y": -51.0})


@pytest.mark.sim_only
def test_job_of_two_thousand_lines_streams_without_an_overrun(bridge: Bridge, truth: Truth, write: Write) -> None:
    bridge.execute("cut", released(write(circles(1998))))
    values = poll_until(bridge, ended)
    state = truth.state()
    assert (values["job"], values["progress"], values["job-result"]) == ("cube", 100.0, "done")
    assert (state["overruns"], state["lines"]) == (0, 2000 + 4), "each line once, and those before and after the job"
    assert 60 < state["most_rx"] <= IN_FLIGHT, "the buffer is used"
    assert state["laser"] == 0.0


@pytest.mark.sim_only
def test_pause_stands_with_the_laser_off_and_resume_loses_nothing(bridge: Bridge, truth: Truth, write: Write) -> None:
    bridge.execute("cut", released(write(circles(300))))
    poll_until(bridge, under_way)
    bridge.execute("pause", {})
    assert bridge.poll()["state"] == "paused"
    stands = truth.state()
    assert (stands["speed"], stands["laser"]) == (0.0, 0.0)
    with pytest.raises(Refused, match="the machine is paused"):
        bridge.execute("jog", {"x": 1.0})
    bridge.execute("resume", {})
    assert poll_until(bridge, ended)["job-result"] == "done"
    assert truth.state()["lines"] == 302 + 4, "each line once, and those before and after the job"


@pytest.mark.sim_only
def test_door_pauses_and_only_a_person_lets_it_go_on_once_it_is_closed(
    bridge: Bridge, faults: Faults, truth: Truth, write: Write
) -> None:
    bridge.execute("cut", released(write(circles(300))))
    poll_until(bridge, under_way)
    faults.tell("door open")
    poll_until(bridge, lambda values: values["state"] == "door" and values["door-open"] is True)
    with pytest.raises(Refused, match="door is open"):
        bridge.execute("resume", {})
    faults.tell("door close")
    poll_until(bridge, lambda values: values["door-open"] is False)
    assert (bridge.poll()["state"], truth.state()["laser"]) == ("door", 0.0), "closing it starts nothing"
    bridge.execute("resume", {})
    assert poll_until(bridge, ended)["job-result"] == "done"


@pytest.mark.sim_only
def test_stop_keeps_the_position_and_ends_the_job_in_any_state(
    bridge: Bridge, faults: Faults, truth: Truth, write: Write
) -> None:
    job = released(write(circles(LONG)))
    for prepare in ("", "pause"):
        bridge.execute("cut", job)
        poll_until(bridge, under_way)
        if prepare:
            bridge.execute(prepare, {})
        bridge.execute("stop", {})
        values = bridge.poll()
        assert (values["state"], values["job-result"], values["fault"]) == ("ready", "cancelled", ""), "no alarm"
        assert (truth.state()["speed"], truth.state()["laser"]) == (0.0, 0.0)
    faults.tell("limit")
    poll_until(bridge, state_is("alarm"))
    bridge.execute("stop", {})
    assert bridge.poll()["state"] == "alarm"
    bridge.execute("clear-alarm", {})
    bridge.execute("stop", {})
    assert bridge.poll()["state"] == "ready"


@pytest.mark.sim_only
def test_alarm_fails_the_job_and_stays_until_somebody_clears_it(bridge: Bridge, faults: Faults, write: Write) -> None:
    job = released(write(circles(LONG)))
    bridge.execute("cut", job)
    poll_until(bridge, under_way)
    faults.tell("limit")
    values = poll_until(bridge, state_is("alarm"))
    assert str(values["fault"]).startswith("ALARM:1 hard limit")
    assert values["job-result"] == "failed"
    with pytest.raises(Refused, match="ALARM:1"):
        bridge.execute("cut", job)
    bridge.execute("clear-alarm", {})
    assert (bridge.poll()["state"], bridge.poll()["fault"]) == ("ready", "")


@pytest.mark.sim_only
def test_job_is_refused_for_its_lines_and_for_how_the_machine_is_set(
    bridge: Bridge, faults: Faults, truth: Truth, write: Write
) -> None:
    with pytest.raises(Refused, match="line 2: S1500 is asked for"):
        bridge.execute("cut", released(write(["G0 X1 Y1", "M4 S1500"])))
    with pytest.raises(Refused, match="line 1: M3 keeps the beam on"):
        bridge.execute("cut", released(write(["M3 S10"])))
    with pytest.raises(Refused, match="not the file that was released"):
        bridge.execute("cut", {**released(write(circles(3))), "digest": "0" * 64})
    faults.tell("power blank")
    poll_until(bridge, state_is("ready"))
    with pytest.raises(Refused, match="laser mode is off"):
        bridge.execute("cut", released(write(circles(3))))
    assert truth.state()["moving_s"] == 0.0


@pytest.mark.sim_only
def test_closing_in_mid_job_leaves_the_laser_off_and_the_machine_standing(
    bridge: Bridge, truth: Truth, write: Write
) -> None:
    bridge.execute("cut", released(write(circles(LONG))))
    poll_until(bridge, under_way)
    bridge.close()
    assert (truth.state()["speed"], truth.state()["laser"]) == (0.0, 0.0)


@pytest.mark.sim_only
def test_agent_survives_unplugs_and_a_job_that_was_cut_off_is_stopped(
    device: Watched, faults: Faults, truth: Truth, write: Write
) -> None:
    baseline = resources_at_rest()
    for times in range(1, 3):
        faults.tell("unplug")
        device.until_lost()
        faults.tell("plug")
        device.until_back(times)
    assert device.do("cut", digest=device.bring(write(circles(LONG))), name="cube").status is CommandStatus.DONE
    device.until(under_way)
    faults.tell("freeze on")
    device.until_lost()
    faults.tell("freeze off")
    assert device.until_back(3)["state"] == "ready"
    assert (truth.state()["speed"], truth.state()["laser"]) == (0.0, 0.0)
    assert device.faults() == [LinkLost] * 3
    assert_nothing_left_behind(baseline)


@pytest.mark.sim_only
def test_killed_machine_is_reported_lost_once_and_found_again(device: Watched, faults: Faults) -> None:
    baseline = resources_at_rest()
    faults.kill()
    device.until_lost()
    refused = device.do("home")
    assert (refused.status, refused.detail) == (CommandStatus.FAILED, "no contact")
    faults.restart()
    assert device.until_back(1)["state"] == "ready"
    assert device.faults() == [LinkLost]
    assert_nothing_left_behind(baseline)


@pytest.mark.sim_only
def test_garbage_alone_is_a_bad_reply_and_beside_answers_it_does_no_harm(
    device: Watched, faults: Faults, write: Write
) -> None:
    baseline = resources_at_rest()
    faults.tell("freeze on")
    device.until_lost(meanwhile=lambda: faults.tell("garbage 300"))
    faults.tell("freeze off")
    device.until_back(1)
    assert device.faults() == [BadReply]
    assert device.do("cut", digest=device.bring(write(circles(300))), name="cube").status is CommandStatus.DONE
    faults.tell("garbage 2000")
    faults.tell("drip on")
    faults.tell("say [MSG:Xin]")
    assert device.until(ended)["job-result"] == "done"
    assert device.faults() == [BadReply]
    assert_nothing_left_behind(baseline)
