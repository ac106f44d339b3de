"""Simulated devices: the same seed behaves the same, and everything happens by polls."""

import itertools
import time
from collections.abc import Mapping
from typing import Any

import pytest

from contract.model import Value
from firmware_bridges.base import LinkLost, Refused
from firmware_bridges.simulated import SimulatedBridge

PRINTER: Mapping[str, Any] = {
    "busy": "printing",
    "simulate": {
        "nozzle": {"range": [24.0, 28.0], "busy": [210.0, 214.0], "step": 0.5, "pace": 20},
        "clients": {"range": [0, 5], "step": 1},
        "printing": {"period": 40, "duty": 0.5},
        "state": {"text": ["idle", "printing"]},
        "input": {"choices": ["a", "b"], "every": 5},
        "hours": {"count": 0.1, "from": 10},
        "progress": {"progress": 100},
    },
    "effects": {
        "pause": {"metric": "printing", "value": False, "after": 3, "hold": 10},
        "preheat": {"metric": "nozzle", "argument": "celsius", "after": 1, "hold": 5},
    },
}


def opened(endpoint: str = "sim:1", **changed: Any) -> SimulatedBridge:
    bridge = SimulatedBridge(endpoint, {**PRINTER, **changed})
    bridge.open()
    return bridge


def polls(bridge: SimulatedBridge, count: int) -> list[Mapping[str, Value | None]]:
    return [bridge.poll() for _ in range(count)]


def test_same_seed_gives_the_same_values() -> None:
    assert polls(opened("sim:lab-3"), 200) == polls(opened("sim:lab-3"), 200)


def test_other_seed_gives_other_values() -> None:
    assert polls(opened("sim:lab-3"), 20) != polls(opened("sim:lab-4"), 20)


def test_machine_has_its_working_values_while_it_works() -> None:
    seen = polls(opened(), 400)
    working = [values for values in seen if values["printing"]]
    idle = [values for values in seen if not values["printing"]]
    assert working
    assert idle
    assert {values["state"] for values in working} == {"printing"}
    assert {values["state"] for values in idle} == {"idle"}
    assert {values["progress"] for values in idle} == {0.0}
    assert max(float(values["nozzle"] or 0) for values in working) >= 210.0
    assert all(24.0 <= float(values["nozzle"] or 0) <= 214.0 for values in seen)


def test_walk_moves_by_its_pace_at_most() -> None:
    nozzle = [float(values["nozzle"] or 0) for values in polls(opened(), 400)]
    steps = [abs(after - before) for before, after in itertools.pairwise(nozzle)]
    assert 0 < max(steps) <= 0.5 * 21


def test_walk_of_whole_numbers_stays_whole() -> None:
    assert {type(values["clients"]) for values in polls(opened(), 100)} == {int}
    assert {values["clients"] for values in polls(opened(), 1000)} == set(range(6))


def test_progress_rises_through_the_work() -> None:
    done = [float(values["progress"] or 0) for values in polls(opened(), 120)]
    rising = [after > before for before, after in itertools.pairwise(done) if after]
    assert sum(rising) > 0.9 * len(rising)
    assert 85 < max(done) <= 100


def test_count_grows_only_while_the_machine_works() -> None:
    for before, after in itertools.pairwise(polls(opened(), 200)):
        grown = round(float(after["hours"] or 0) - float(before["hours"] or 0), 3)
        assert grown == (0.1 if after["printing"] else 0.0)


def test_choice_takes_every_one_in_time() -> None:
    assert {values["input"] for values in polls(opened(), 500)} == {"a", "b"}


def test_action_shows_after_its_time_and_ends() -> None:
    bridge = opened(simulate={**PRINTER["simulate"], "printing": {"period": 40, "duty": 1.0}})
    polls(bridge, 5)
    bridge.execute("pause", {})
    printing = [values["printing"] for values in polls(bridge, 16)]
    assert printing == [True] * 2 + [False] * 10 + [True] * 4


def test_action_takes_its_argument() -> None:
    bridge = opened()
    bridge.execute("preheat", {"celsius": 180.5})
    assert bridge.poll()["nozzle"] == 180.5


def test_action_that_is_unknown_or_lacks_its_argument_is_refused() -> None:
    with pytest.raises(Refused, match="no such action"):
        opened().execute("dance", {})
    with pytest.raises(Refused, match="celsius"):
        opened().execute("preheat", {})


def test_seldom_fault_loses_the_device_for_some_attempts() -> None:
    bridge = opened(fault_every=50, fault_polls=3)
    faults = 0
    for _ in range(2000):
        try:
            bridge.poll()
        except LinkLost:
            faults += 1
            for _ in range(3):
                with pytest.raises(LinkLost):
                    bridge.open()
            bridge.open()
    assert 20 <= faults <= 80


def test_fault_never_comes_where_none_is_wanted() -> None:
    assert len(polls(opened(), 5000)) == 5000


@pytest.mark.parametrize("endpoint", ["", "sim", "tcp:1", "/dev/ttyUSB0"])
def test_other_endpoint_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match="sim:SEED"):
        SimulatedBridge(endpoint, PRINTER)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"simulate": {"a": {}}}, "simulate.a"),
        ({"simulate": {"a": {"range": [0, 1]}}}, "simulate.a"),
        ({"simulate": {"a": {"range": [0, 1], "step": 0}}}, "simulate.a"),
        ({"simulate": {"a": {"range": [0, 1e9], "step": 1}}}, "simulate.a"),
        ({"simulate": {"a": {"range": 5, "step": 1}}}, "simulate.a"),
        ({"busy": "b", "simulate": {"a": {"period": 5, "duty": 1}}}, "busy"),
        ({"effects": {"go": {"metric": "a", "value": 1}}}, "effects.go"),
        ({"simulate": {"a": {"period": 5, "duty": 1}}, "effects": {"go": {"metric": "a"}}}, "effects.go"),
    ],
)
def test_options_that_make_no_plan_are_refused_by_name(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        SimulatedBridge("sim:1", options)


def test_five_thousand_devices_cost_little() -> None:
    bridges = [opened(f"sim:{number}") for number in range(5000)]
    began_s = time.process_time()
    for bridge in bridges:
        bridge.poll()
    assert time.process_time() - began_s < 3
