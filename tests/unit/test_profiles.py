"""Every profile, and every bridge that a profile may name."""

import json
import tomllib
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from contract.model import Kind, pattern_for
from contract.units import UNITS
from device_profiles.profile import PROFILES, DeviceProfile, ProfileError, Words, load, parse, slugs
from firmware_bridges import BRIDGES, bridge_for
from firmware_bridges.base import LinkLost

SLUGS = tuple(slugs())
SIMULATED = tuple(slug for slug in SLUGS if load(slug).bridge == "simulated")
SCHEMA = json.loads((PROFILES / "schema.json").read_text("utf-8"))
LEAST = """
name = "Lamp"
label = { en = "Lamp", vi = "Đèn" }
family = "lamp"
bridge = "simulated"
enforces = "none"
source = "this test"
[metrics.power]
label = { en = "Power", vi = "Công suất" }
unit = "W"
kind = "float"
"""
ACTION = '[actions.cut]\nlabel = { en = "Cut", vi = "Cắt" }\n'


def errors(text: str) -> list[str]:
    return [error.message for error in Draft202012Validator(SCHEMA).iter_errors(tomllib.loads(text))]


def labels(profile: DeviceProfile) -> Iterator[Words]:
    yield profile.label
    for group in (profile.metrics.values(), profile.actions.values(), profile.alerts):
        yield from (each.label for each in group)
    yield from (each.label for each in (*profile.consumables, *profile.services))


def text(slug: str) -> str:
    return (PROFILES / f"{slug}.toml").read_text("utf-8")


def test_there_are_profiles() -> None:
    assert {"computer/classroom-pc", "computer/raspberry-pi", "network/uplink"} <= set(SLUGS)
    assert len(SIMULATED) >= 9


def test_schema_is_a_schema_and_knows_the_units() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["$defs"]["metric"]["properties"]["unit"]["enum"]) == UNITS


@pytest.mark.parametrize("slug", SLUGS)
def test_profile_keeps_the_schema(slug: str) -> None:
    assert errors(text(slug)) == []


@pytest.mark.parametrize("slug", SLUGS)
def test_profile_names_a_bridge_that_can_be_loaded(slug: str) -> None:
    profile = load(slug)
    assert profile.bridge in BRIDGES


@pytest.mark.parametrize("name", BRIDGES)
def test_bridge_class_has_what_a_bridge_needs(name: str) -> None:
    module, _, attribute = BRIDGES[name].partition(":")
    made = getattr(__import__(module, fromlist=[attribute]), attribute)
    assert all(callable(getattr(made, method)) for method in ("open", "poll", "execute", "close"))


@pytest.mark.parametrize("slug", SLUGS)
def test_profile_speaks_both_languages(slug: str) -> None:
    for label in labels(load(slug)):
        assert label.en.strip() == label.en != ""
        assert label.vi.strip() == label.vi != ""
        assert unicodedata.is_normalized("NFC", label.vi)


@pytest.mark.parametrize("slug", SLUGS)
def test_profile_has_a_number_for_its_tile(slug: str) -> None:
    charts = [each.metric for each in load(slug).metrics.values() if each.chart]
    assert charts
    assert "*" not in charts[0].name
    assert all(metric.kind in (Kind.INT, Kind.FLOAT) for metric in charts)


@pytest.mark.parametrize("slug", SLUGS)
def test_profile_gives_numbers_only_a_unit_and_a_deadband(slug: str) -> None:
    for each in load(slug).metrics.values():
        if each.metric.kind in (Kind.BOOL, Kind.TEXT):
            assert (each.metric.unit, each.metric.deadband) == ("1", 0.0), each.metric.name


@pytest.mark.parametrize("slug", SLUGS)
def test_profile_in_use_is_yes_or_no(slug: str) -> None:
    profile = load(slug)
    metric = profile.metric(profile.in_use) if profile.in_use else None
    assert metric is None or metric.kind is Kind.BOOL


@pytest.mark.parametrize("slug", SLUGS)
def test_alerts_fit_their_metric_and_clear_on_the_right_side(slug: str) -> None:
    profile = load(slug)
    for rule in profile.alerts:
        name = pattern_for(rule.metric, profile.metrics)
        assert name is not None
        kind = profile.metrics[name].metric.kind
        if rule.equals is not None:
            assert kind.holds(rule.equals), rule.metric
            assert kind in (Kind.BOOL, Kind.TEXT), rule.metric
            continue
        assert kind in (Kind.INT, Kind.FLOAT), rule.metric
        assert rule.clear is not None, f"{rule.metric}: no hysteresis"
        assert rule.clear < rule.above if rule.above is not None else rule.clear > (rule.below or 0)


@pytest.mark.parametrize("slug", SIMULATED)
def test_simulated_model_gives_every_metric_of_its_profile_and_no_other(slug: str) -> None:
    profile = load(slug)
    bridge = bridge_for(profile.bridge, "sim:conformance", {**profile.options, "fault_every": 0})
    bridge.open()
    for _ in range(2000):
        values = bridge.poll()
        assert set(values) == set(profile.metrics)
        for name, value in values.items():
            assert value is not None
            assert profile.metrics[name].metric.kind.holds(value), name


@pytest.mark.parametrize("slug", SIMULATED)
def test_simulated_model_works_and_rests(slug: str) -> None:
    profile = load(slug)
    if busy := profile.in_use or profile.options.get("busy"):
        bridge = bridge_for(profile.bridge, "sim:conformance", {**profile.options, "fault_every": 0})
        assert {bridge.poll()[busy] for _ in range(3000)} == {True, False}
    else:
        pytest.fail(f"{slug}: a demonstration that never does anything")


@pytest.mark.parametrize("slug", SIMULATED)
def test_simulated_model_carries_out_every_action_of_its_profile(slug: str) -> None:
    profile = load(slug)
    assert set(profile.options.get("effects", {})) == set(profile.actions)
    samples: dict[Kind, Any] = {Kind.INT: 40, Kind.FLOAT: 60.0, Kind.TEXT: "x", Kind.BOOL: True}
    for action in profile.actions.values():
        bridge = bridge_for(profile.bridge, "sim:conformance", {**profile.options, "fault_every": 0})
        bridge.open()
        bridge.execute(action.name, {name: samples[kind] for name, kind in action.args.items()})
        effect = profile.options["effects"][action.name]
        seen = [bridge.poll()[effect["metric"]] for _ in range(effect.get("after", 1))]
        assert seen[-1] == (samples[next(iter(action.args.values()))] if action.args else effect["value"])
        kind = profile.metrics[effect["metric"]].metric.kind
        assert kind.holds(seen[-1]), action.name


@pytest.mark.parametrize("slug", SIMULATED)
def test_simulated_model_is_lost_seldom(slug: str) -> None:
    profile = load(slug)
    bridge = bridge_for(profile.bridge, "sim:faults", profile.options)
    lost = 0
    for _ in range(5000):
        try:
            bridge.poll()
        except LinkLost:
            lost += 1
    assert lost < 50
    assert profile.options["fault_every"] > 0


@pytest.mark.parametrize("slug", ["computer/classroom-pc", "computer/raspberry-pi", "network/uplink"])
def test_profile_declares_everything_this_machine_tells(slug: str) -> None:
    profile = load(slug)
    probed = {"controller_host": "127.0.0.1", "controller_port": 9} if profile.bridge == "network" else {}
    bridge = bridge_for(profile.bridge, "", {**profile.options, **probed})
    bridge.open()
    for _ in range(2):
        for name, value in bridge.poll().items():
            metric = profile.metric(name)
            assert metric is not None, name
            assert metric.kind.holds(value), name
    bridge.close()


def edit(old: str, new: str) -> Callable[[], str]:
    return lambda: LEAST.replace(old, new)


WRONG = {
    "an unknown key": edit("family =", 'colour = "red"\nfamily ='),
    "an unknown key of a metric": edit('unit = "W"', 'unit = "W"\ncolour = "red"'),
    "a unit outside UCUM": edit('unit = "W"', 'unit = "watts"'),
    "an unknown kind": edit('kind = "float"', 'kind = "double"'),
    "one language only": edit(', vi = "Đèn"', ""),
    "a third language": edit('vi = "Đèn"', 'vi = "Đèn", fr = "Lampe"'),
    "a metric's name in capitals": edit("[metrics.power]", "[metrics.Power]"),
    "two stars in a pattern": edit("[metrics.power]", '[metrics."a-*-*"]'),
    "no source and nothing verified": edit('source = "this test"\n', ""),
    "an unknown way to enforce": edit('enforces = "none"', 'enforces = "police"'),
    "a poll more often than is sane": edit("[metrics.power]", "poll_s = 0.001\n[metrics.power]"),
    "a deadband below nothing": edit('unit = "W"', 'unit = "W"\ndeadband = -1.0'),
    "an alert with two limits": lambda: (
        LEAST
        + '[[alerts]]\nmetric = "power"\nlevel = "fault"\nabove = 1.0\nbelow = 0.0\nlabel = { en = "a", vi = "b" }\n'
    ),
    "an alert without a limit": lambda: (
        LEAST + '[[alerts]]\nmetric = "power"\nlevel = "fault"\nlabel = { en = "a", vi = "b" }\n'
    ),
    "an unknown level": lambda: (
        LEAST + '[[alerts]]\nmetric = "power"\nlevel = "panic"\nabove = 1.0\nlabel = { en = "a", vi = "b" }\n'
    ),
    "a job file without its digest": lambda: LEAST + ACTION + "file = true\n",
    "a job file named by a number": lambda: LEAST + ACTION + 'file = true\nargs = { digest = "int" }\n',
    "a job file at a path from outside": lambda: (
        LEAST + ACTION + 'file = true\nargs = { digest = "text", path = "text" }\n'
    ),
    "a hazard beyond 3": lambda: LEAST + "[booking]\nhazard = 4\n",
    "an unknown end of a lease": lambda: LEAST + '[booking]\nafter_lease = "explode"\n',
}


def test_least_profile_is_right() -> None:
    assert errors(LEAST) == []
    assert parse("x/lamp", LEAST).metrics["power"].metric.unit == "W"


def test_action_that_takes_a_job_file_says_so() -> None:
    given = LEAST + ACTION + 'file = true\nargs = { digest = "text", name = "text" }\n'
    assert errors(given) == []
    assert parse("x/lamp", given).actions["cut"].file
    assert not parse("x/lamp", LEAST + ACTION).actions["cut"].file


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_schema_and_parser_refuse_the_same(wrong: Callable[[], str]) -> None:
    given = wrong()
    assert given != LEAST
    assert errors(given)
    with pytest.raises(ProfileError, match="x/lamp"):
        parse("x/lamp", given)


def test_profile_of_another_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.toml").write_text(LEAST)
    (tmp_path / "profiles").mkdir()
    with pytest.raises(ProfileError, match="vendor/model"):
        load("../secret", tmp_path / "profiles")
