"""Simulated agents: their plan, their troubles, and that nothing is logged before it is on disk."""

import contextlib
import json
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from sqlmodel import Session

from agent.discovery_match import Evidence
from agent.roster import Roster
from agent.simulate import PlannedAgent, PlannedDevice, Settings, SimulatedDevice, ValueLog, forced, read_plan, simulate
from agent.simulate_found import Sights
from contract.desired import DesiredDevice
from contract.found import SURE, Clue, ClueKind
from contract.messages import BridgeState, Config, Report
from contract.model import ContractError
from contract.wire import decode
from controller.demo.cluster import agents as demo_agents
from controller.simulation import enrol_all, made_up, write_private
from device_profiles.profile import Level, load, slugs
from tests.databases import fresh

CLOSED_PORT = 9
DEVICES = (PlannedDevice("pc-01", "PC-01", "demo/classroom-pc"), PlannedDevice("aq-01", "AQ-01", "demo/air-sensor"))


def reports(folder: Path) -> list[Report]:
    """Every report of an outbox."""
    with contextlib.closing(sqlite3.connect(folder / "outbox.db")) as db:
        return [decode(Report, payload) for (payload,) in db.execute("SELECT payload FROM batch ORDER BY id")]


def stored(folder: Path) -> set[tuple[str, str, int]]:
    """(device, metric, at_ms) of every reading in an outbox."""
    found = set()
    for report in reports(folder):
        for device, metrics in report.series.items():
            for metric, points in metrics.items():
                found |= {(device, metric, report.base_ms + dt_ms) for dt_ms, _ in points}
    return found


def test_plan_that_others_may_read_is_refused(tmp_path: Path) -> None:
    plan = tmp_path / "agents.jsonl"
    plan.write_text("")
    plan.chmod(0o644)
    with pytest.raises(PermissionError, match="chmod 600"):
        list(read_plan(plan))


def test_plan_line_that_is_no_agent_is_refused(tmp_path: Path) -> None:
    plan = tmp_path / "agents.jsonl"
    write_private(plan, '{"school": "a"}\n')
    with pytest.raises(ContractError, match="agent: missing"):
        list(read_plan(plan))


def test_plan_that_enrolment_wrote_is_what_the_simulator_reads(tmp_path: Path) -> None:
    engine = fresh(tmp_path / "fabfleet.db")
    with Session(engine) as db:
        agents = list(made_up(7, 3, "x"))
        write_private(tmp_path / "plan", enrol_all(db, agents))
        db.commit()
    engine.dispose()
    plans = list(read_plan(tmp_path / "plan"))
    assert [(plan.school, plan.agent) for plan in plans] == [(agent.place.school, agent.name) for agent in agents]
    assert [[d.profile for d in plan.devices] for plan in plans] == [[d.profile for d in a.devices] for a in agents]
    assert len({plan.password for plan in plans}) == 7


def test_made_up_fleet_is_the_same_for_the_same_seed_only() -> None:
    assert list(made_up(5, 10, "1")) == list(made_up(5, 10, "1"))
    assert list(made_up(5, 10, "1")) != list(made_up(5, 10, "2"))


@pytest.mark.parametrize("slug", [slug for slug in slugs() if slug.startswith("demo/")])
@pytest.mark.parametrize("level", Level)
def test_trouble_breaks_a_rule_of_its_level_and_is_of_the_metric_s_kind(slug: str, level: Level) -> None:
    profile = load(slug)
    rules = [rule for rule in profile.alerts if rule.level is level]
    values = forced(profile, level)
    assert len(values) == bool(rules)
    for name, value in values.items():
        rule = next(rule for rule in rules if rule.metric == name)
        assert profile.metrics[name].metric.kind.holds(value)
        if isinstance(value, float):
            assert (rule.above is not None and value > rule.above) or (rule.below is not None and value < rule.below)


def test_device_of_the_same_seed_reads_the_same() -> None:
    devices = [SimulatedDevice(DEVICES[0], seed, every_value=True, speed=1000.0) for seed in ("1", "1", "2")]
    first, again, other = [[device.poll(1_000_000 * n, n) for n in range(1, 20)] for device in devices]
    assert first == again != other


def test_lost_device_reads_nothing_and_says_so() -> None:
    device = SimulatedDevice(PlannedDevice("a", "A", "demo/robot-kit", "lost"), "1", every_value=False, speed=1.0)
    assert device.poll(1_000_000, 0) == []
    assert device.state is BridgeState.LOST


def test_simulator_logs_what_is_in_the_outbox_and_nothing_else(tmp_path: Path) -> None:
    plan = PlannedAgent("s", "a", "secret", DEVICES)
    settings = Settings(tmp_path, "127.0.0.1", CLOSED_PORT, tick_s=0.05, speed=100.0, every_value=True)
    stopping = threading.Event()
    run = threading.Thread(target=simulate, args=([plan], settings, ValueLog(tmp_path / "log"), stopping))
    run.start()
    time.sleep(1.0)
    stopping.set()
    run.join()
    logged = [json.loads(line) for line in (tmp_path / "log").read_text("utf-8").splitlines() if line]
    assert {agent for agent, *_ in logged} == {"s/a"}
    assert len(logged) > 100
    assert {(device, metric, at_ms) for _, device, metric, at_ms, _ in logged} == stored(tmp_path / "s.a")


def test_agent_that_is_switched_off_now_and_then_starts_a_new_epoch_each_time(tmp_path: Path) -> None:
    plan = PlannedAgent("s", "a", "secret", DEVICES, away_every_s=0.5, away_s=0.2)
    settings = Settings(tmp_path, "127.0.0.1", CLOSED_PORT, tick_s=0.05, speed=100.0)
    stopping = threading.Event()
    run = threading.Thread(target=simulate, args=([plan], settings, None, stopping))
    run.start()
    time.sleep(2.5)
    stopping.set()
    run.join()
    assert len({report.epoch for report in reports(tmp_path / "s.a")}) >= 2


def test_what_the_demo_s_agents_see_is_recognised_as_a_real_agent_would(tmp_path: Path) -> None:
    engine = fresh(tmp_path / "fabfleet.db")
    with Session(engine) as db:
        write_private(tmp_path / "plan", enrol_all(db, demo_agents()))
    engine.dispose()
    fits = {}
    for plan in read_plan(tmp_path / "plan"):
        roster = Roster()
        Sights(plan.sees, roster).tell()
        for found in roster.inventory("0" * 16).found:
            fits[found.key] = [(each.profile, each.confidence >= SURE) for each in found.candidates]
    assert fits.pop("usb/2c99:0002/CZPXDEMO0042")[0] == ("prusa/mk3s", True)
    assert fits.pop("net/10.20.3.41")[0] == ("epson/eb-l200f", True)
    guesses = fits.pop("usb/1a86:7523/1-1.3")
    assert len(guesses) > 2
    assert not any(sure for _, sure in guesses)
    assert list(fits.values()) == [[]]


def test_what_was_adopted_is_a_device_out_of_reach_until_it_is_given_back() -> None:
    clues = (Clue(ClueKind.PJLINK, "PJLINK EPSON / EPSON L200F"), Clue(ClueKind.HOST, "10.20.3.41"))
    roster = Roster()
    sights = Sights((Evidence("net/10.20.3.41", "Projector", "10.20.3.41", clues, host="10.20.3.41"),), roster)
    projector = DesiredDevice("pj-9", "epson/eb-l200f", "tcp://10.20.3.41:4352", "PJ-9", "p210")
    stranger = DesiredDevice("x", "nobody/knows-it", "tcp://10.20.3.42:1")
    for number in (1, 2):
        sights.take(Config(1, number, devices=(projector, stranger)))
        told = roster.inventory("0" * 16)
        assert [(each.id, each.state, each.room) for each in told.devices] == [("pj-9", BridgeState.LOST, "p210")]
        assert told.found == ()
    sights.take(Config(1, 3))
    told = roster.inventory("0" * 16)
    assert told.devices == ()
    assert [each.key for each in told.found] == ["net/10.20.3.41"]
