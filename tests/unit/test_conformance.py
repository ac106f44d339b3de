"""Conformance of every profile: a new model is one TOML file, and this is what it has to keep.

What its bridge tells and does is held against real far ends in hil/test_conformance.py.
"""

import json
import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

import pytest
from jsonschema import Draft202012Validator

from agent.profile_check import SOMEWHERE, check
from contract.model import Kind, pattern_for
from device_profiles import gcode
from device_profiles.gcode import cut
from device_profiles.profile import PROFILES, DeviceProfile, Enforces, Words, load, slugs
from firmware_bridges import BRIDGES, bridge_for, grbl_state, samsung_mdc_core
from firmware_bridges.base import LinkLost
from firmware_bridges.machine_events import Ended
from firmware_bridges.marlin_state import State
from firmware_bridges.pjlink_core import Level, Power
from firmware_bridges.printer_view import State as PrinterState
from hil import test_conformance as all_profiles
from hil import test_equipment as equipment
from hil import test_mqtt_device as brokers
from hil.farends.pins import PINS
from tests.vocabulary import undeclared, untold
from tools import devices

SLUGS = tuple(slugs())
OF_THIS_MACHINE = tuple(slug for slug in SLUGS if load(slug).bridge in ("host", "network"))
SIMULATED = tuple(slug for slug in SLUGS if load(slug).bridge == "simulated")
SCHEMA = Draft202012Validator(json.loads((PROFILES / "schema.json").read_text("utf-8")))
VERIFIED = {
    "arduino/machine-permit": "the permit's wiring, by Firmata",
    "arduino/mega": "StandardFirmata as built for the Mega",
    "arduino/nano": "StandardFirmata as built for the Nano",
    "arduino/uno": "StandardFirmata as built for the Uno",
    "bbc/microbit": "MicroPython",
    "benq/rp": "BenQ's boards",
    "benq/rs232-projector": "BenQ's projectors",
    "computer/classroom-pc": "this computer",
    "creality/ender-3": "Marlin",
    "epson/escvp21": "ESC/VP21",
    "esphome/air-sensor": "ESPHome",
    "grbl/laser": "GRBL 1.1",
    "klipper/printer": "Moonraker",
    "mqtt/device": "Home Assistant's discovery",
    "net-snmp/host": "SNMP of a computer",
    "network/uplink": "this computer's network",
    "octoprint/printer": "OctoPrint",
    "optoma/projector": "Optoma's projectors",
    "pjlink/projector": "PJLink",
    "prusa/mk3s": "Prusa-Firmware",
    "prusa/mk4": "PrusaLink",
    "samsung/flip": "Samsung MDC of the Flip",
    "samsung/qb": "Samsung MDC of signage",
    "shelly/plus-plug-s": "Shelly Gen2",
    "smart/board-mx": "SMART's boards",
    "tasmota/plug": "Tasmota's web requests",
    "ubiquiti/unifi-ap": "UniFi's MIB",
    "viewsonic/ifp": "ViewSonic's boards",
}
"""By the language (a firmware, a command set, a vendor's MIB, a board's own build) that its far end speaks."""
VERSION = re.compile(r"\b\d+(?:\.\d+)+\b")


class Rule(NamedTuple):
    """`guarded`: it heats, moves or lets somebody do so, and so needs a lease. `destructive`: cannot be undone."""

    guarded: bool
    destructive: bool


HARMLESS, NEEDS_LEASE, ASKED_TWICE = Rule(False, False), Rule(True, False), Rule(False, True)
ACTIONS = {
    "clear-alarm": NEEDS_LEASE,
    "cut": NEEDS_LEASE,
    "emergency-stop": ASKED_TWICE,
    "home": NEEDS_LEASE,
    "identify": HARMLESS,
    "input": HARMLESS,
    "jog": NEEDS_LEASE,
    "led-off": HARMLESS,
    "led-on": HARMLESS,
    "lock": ASKED_TWICE,
    "mute": HARMLESS,
    "pause": NEEDS_LEASE,
    "power-off": ASKED_TWICE,
    "power-on": HARMLESS,
    "preheat": NEEDS_LEASE,
    "print": NEEDS_LEASE,
    "restart": ASKED_TWICE,
    "resume": NEEDS_LEASE,
    "run": NEEDS_LEASE,
    "self-test": NEEDS_LEASE,
    "set-volume": HARMLESS,
    "stop": ASKED_TWICE,
    "switch-off": ASKED_TWICE,
    "switch-on": NEEDS_LEASE,
    "unlock": NEEDS_LEASE,
}
"""Every action that any profile may offer. Whoever adds one says here what it may do."""
WORDS = {
    "cut": "Cắt",
    "emergency-stop": "Dừng khẩn cấp",
    "identify": "Nháy đèn",
    "lock": "Khóa quyền dùng",
    "pause": "Tạm dừng",
    "power-off": "Tắt nguồn",
    "preheat": "Làm nóng trước",
    "print": "In",
    "restart": "Khởi động lại",
    "resume": "Chạy tiếp",
    "stop": "Dừng",
    "switch-off": "Ngắt điện",
    "switch-on": "Cấp điện",
}
"""How the Vietnamese label of an action begins: one term, one word, on every page."""
FAMILIES = {
    "access-point": "Bộ phát Wi-Fi",
    "board": "Bảng tương tác",
    "computer": "",
    "kit": "",
    "laser": "Máy cắt laser",
    "network": "Đường lên",
    "permit": "Khóa quyền dùng",
    "plug": "Ổ cắm",
    "printer": "Máy in",
    "printer-3d": "Máy in 3D",
    "projector": "Máy chiếu",
    "robot": "",
    "sensor": "",
    "switch": "Switch",
}
"""How a family is called in Vietnamese; empty: each model has its own word."""
CODES: Mapping[tuple[str, str], type[StrEnum]] = {
    ("grbl", "state"): grbl_state.State,
    ("grbl", "job-result"): Ended,
    ("marlin", "state"): State,
    ("marlin", "job-result"): Ended,
    ("moonraker", "state"): PrinterState,
    ("moonraker", "job-result"): Ended,
    ("octoprint", "state"): PrinterState,
    ("octoprint", "job-result"): Ended,
    ("prusalink", "state"): PrinterState,
    ("prusalink", "job-result"): Ended,
    ("pjlink", "power"): Power,
    ("samsung_mdc", "power"): samsung_mdc_core.Power,
    **{("samsung_mdc", f"{part}-state"): samsung_mdc_core.Level for part in ("fan", "lamp", "temperature")},
    **{("pjlink", f"{part}-state"): Level for part in ("fan", "lamp", "temperature", "cover", "filter", "other")},
}
"""The texts of a bridge that are codes, by bridge and metric: a reader is told each in words."""
AVOIDED = ("bảo dưỡng", "bộ điều khiển", "hạm đội", "khoá", "huỷ", "ngoại tuyến", "sợi in", "thất bại", "vòi phun")
"""Words for which the glossary has another one."""


@pytest.fixture(params=SLUGS)
def profile(request: pytest.FixtureRequest) -> DeviceProfile:
    """Each profile in turn."""
    return load(request.param)


def labels(profile: DeviceProfile) -> Iterator[Words]:
    yield profile.label
    for group in (profile.metrics.values(), profile.actions.values(), profile.alerts):
        yield from (each.label for each in group)
    yield from (each.label for each in (*profile.consumables, *profile.services))
    for metric in profile.metrics.values():
        yield from metric.words.values()


def simulated(slug: str, **options: int) -> tuple[DeviceProfile, Any]:
    """An open bridge that never fails by itself."""
    profile = load(slug)
    bridge = bridge_for(profile.bridge, SOMEWHERE["simulated"], {**profile.options, "fault_every": 0, **options})
    bridge.open()
    return profile, bridge


def test_there_are_profiles_for_every_bridge() -> None:
    assert {load(slug).bridge for slug in SLUGS} == set(BRIDGES) == set(SOMEWHERE)


def test_profile_keeps_the_schema(profile: DeviceProfile) -> None:
    table = tomllib.loads((PROFILES / f"{profile.slug}.toml").read_text("utf-8"))
    assert [error.message for error in SCHEMA.iter_errors(table)] == []


def test_profile_passes_the_check_that_technicians_run(profile: DeviceProfile) -> None:
    """Its bridge takes its options, and nothing is doubted but what is not verified."""
    checked = check(profile.slug, (PROFILES / f"{profile.slug}.toml").read_text("utf-8"))
    assert checked.profile == profile
    assert [remark.key for remark in checked.remarks] == ([] if profile.verified else ["verified"])


def test_profile_speaks_both_languages(profile: DeviceProfile) -> None:
    for label in labels(profile):
        assert label.en.strip() == label.en != ""
        assert label.vi.strip() == label.vi != ""
        assert unicodedata.is_normalized("NFC", label.vi)


def test_profile_keeps_to_the_words_of_the_glossary(profile: DeviceProfile) -> None:
    assert profile.label.vi.startswith(FAMILIES[profile.family])
    for name, action in profile.actions.items():
        assert action.label.vi.startswith(WORDS.get(name, "")), name
    assert [(label.vi, word) for label in labels(profile) for word in AVOIDED if word in label.vi.lower()] == []


def test_every_code_that_a_bridge_tells_has_words_for_a_reader(profile: DeviceProfile) -> None:
    for (bridge, metric), codes in CODES.items():
        if bridge == profile.bridge and metric in profile.metrics:
            assert profile.metrics[metric].words.keys() == set(codes), metric


def test_actions_that_heat_or_move_need_a_lease_and_a_stop_never_does(profile: DeviceProfile) -> None:
    offered = {name: Rule(action.guarded, action.destructive) for name, action in profile.actions.items()}
    assert offered == {name: ACTIONS[name] for name in offered}


def test_profile_that_guards_an_action_says_how_the_lease_is_enforced(profile: DeviceProfile) -> None:
    if any(action.guarded for action in profile.actions.values()):
        assert profile.enforces is not Enforces.NONE


def test_machine_that_works_through_a_job_can_be_stopped(profile: DeviceProfile) -> None:
    if {"print", "cut", "resume"} & profile.actions.keys():
        assert {"stop", "pause", "resume"} <= profile.actions.keys()


def test_profile_that_prints_limits_what_a_job_may_ask_for(profile: DeviceProfile) -> None:
    if "print" in profile.actions:
        allowed = gcode.limits(profile.options["limits"])
        assert 0 < allowed.bed_c < allowed.nozzle_c
        assert all(least < most for least, most in (allowed.x_mm, allowed.y_mm, allowed.z_mm))
        assert profile.actions["print"].file


def test_profile_that_cuts_limits_what_a_job_may_ask_for_and_is_stopped_when_its_lease_ends(
    profile: DeviceProfile,
) -> None:
    if "cut" in profile.actions:
        allowed = cut.limits(profile.options["limits"])
        assert 0 < allowed.most_power_s <= allowed.full_power_s
        assert all(least < most for least, most in (allowed.x_mm, allowed.y_mm))
        assert profile.actions["cut"].file
        assert (profile.booking.hazard, profile.booking.after_lease) == (3, "stop")
        assert allowed.laser
        assert not allowed.constant_power, "a beam that stays on while the machine stands"


def test_profile_has_a_number_for_its_tile(profile: DeviceProfile) -> None:
    charts = [each.metric for each in profile.metrics.values() if each.chart]
    assert charts
    assert "*" not in charts[0].name
    assert all(metric.kind in (Kind.INT, Kind.FLOAT) for metric in charts)


def test_profile_gives_numbers_only_a_unit_and_a_deadband(profile: DeviceProfile) -> None:
    for each in profile.metrics.values():
        if each.metric.kind in (Kind.BOOL, Kind.TEXT):
            assert (each.metric.unit, each.metric.deadband) == ("1", 0.0), each.metric.name


def test_profile_in_use_is_yes_or_no(profile: DeviceProfile) -> None:
    metric = profile.metric(profile.in_use) if profile.in_use else None
    assert metric is None or metric.kind is Kind.BOOL


def test_alerts_fit_their_metric_and_clear_on_the_right_side(profile: DeviceProfile) -> None:
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
    profile, bridge = simulated(slug)
    for _ in range(2000):
        values = bridge.poll()
        assert (undeclared(profile, values), untold(profile, values)) == ([], [])
        assert None not in values.values()


@pytest.mark.parametrize("slug", SIMULATED)
def test_simulated_model_works_and_rests(slug: str) -> None:
    profile, bridge = simulated(slug)
    busy = profile.in_use or profile.options.get("busy")
    assert busy, "a demonstration that never does anything"
    assert {bridge.poll()[busy] for _ in range(3000)} == {True, False}


@pytest.mark.parametrize("slug", SIMULATED)
def test_simulated_model_carries_out_every_action_of_its_profile(slug: str) -> None:
    effects: Mapping[str, Any] = load(slug).options.get("effects", {})
    assert set(effects) == set(load(slug).actions)
    samples: dict[Kind, Any] = {Kind.INT: 40, Kind.FLOAT: 60.0, Kind.TEXT: "x", Kind.BOOL: True}
    for action in load(slug).actions.values():
        profile, bridge = simulated(slug)
        bridge.execute(action.name, {name: samples[kind] for name, kind in action.args.items()})
        effect = effects[action.name]
        seen = [bridge.poll()[effect["metric"]] for _ in range(effect.get("after", 1))]
        assert seen[-1] == (samples[next(iter(action.args.values()))] if action.args else effect["value"])
        assert undeclared(profile, {effect["metric"]: seen[-1]}) == []


@pytest.mark.parametrize("slug", SIMULATED)
def test_simulated_model_is_lost_seldom(slug: str) -> None:
    profile = load(slug)
    bridge = bridge_for(profile.bridge, "sim:faults", profile.options)
    bridge.open()
    lost = 0
    for _ in range(5000):
        try:
            bridge.poll()
        except LinkLost:
            lost += 1
    assert lost < 50
    assert profile.options["fault_every"] > 0


@pytest.mark.parametrize("slug", OF_THIS_MACHINE)
def test_profile_declares_everything_this_machine_tells(slug: str) -> None:
    profile = load(slug)
    probed = {"controller_host": "127.0.0.1", "controller_port": 9} if profile.bridge == "network" else {}
    bridge = bridge_for(profile.bridge, "", {**profile.options, **probed})
    bridge.open()
    for _ in range(2):
        assert undeclared(profile, bridge.poll()) == []
    bridge.close()


def test_what_a_profile_was_verified_with_is_what_is_pinned(profile: DeviceProfile) -> None:
    """Versions stand in hil/farends/pins.py; a reader is told the same ones, in both languages."""
    if profile.verified:
        pinned = {pin.version for pin in PINS[profile.bridge]}
        told = [set(VERSION.findall(text)) for text in (profile.verified.en, profile.verified.vi)]
        assert told[0] == told[1]
        assert told[0] <= pinned
        assert any(str(pin) in profile.verified.en for pin in PINS[profile.bridge]) or not told[0]


def cases(test: Callable[..., None]) -> set[str]:
    """The profiles that pytest calls a test with: those of its parameter `slug`, unless it runs on no CI."""
    marks: list[pytest.Mark] = getattr(test, "pytestmark", [])
    if {"skip", "skipif", "soak", "physical_only"} & {mark.name for mark in marks}:
        return set()
    return {slug for mark in marks if mark.name == "parametrize" and mark.args[0] == "slug" for slug in mark.args[1]}


def driven() -> set[str]:
    """The profiles that a test drives against a far end: each is loaded, all that it declares is read there, and all
    that it offers is carried out.
    """
    return set().union(
        cases(all_profiles.test_profile_says_what_its_bridge_tells_and_does),
        cases(equipment.test_profile_tells_what_it_declares_and_carries_out_what_it_offers),
        cases(brokers.test_profile_tells_what_it_declares_of_a_device_of_its_kind),
        cases(test_profile_declares_everything_this_machine_tells),
    )


def test_verified_is_one_model_of_each_language_and_a_test_drives_it() -> None:
    """The rule of docs/new-device.md, section 7."""
    verified = {slug for slug in SLUGS if load(slug).verified}
    assert verified == set(VERIFIED)
    assert len(set(VERIFIED.values())) == len(VERIFIED), "a far end proves a language once"
    assert verified <= driven()


def test_only_what_a_test_is_really_called_with_counts_as_driven() -> None:
    @pytest.mark.parametrize("slug", ["grbl/laser"])
    def runs(slug: str) -> None:
        assert slug != "creality/ender-5"  # named, and not driven

    @pytest.mark.soak
    @pytest.mark.parametrize("slug", ["grbl/laser"])
    def rarely(slug: str) -> None: ...

    assert (cases(runs), cases(rarely)) == ({"grbl/laser"}, set())
    assert not set(SIMULATED) & driven()


def test_there_are_enough_models_of_each_kind_of_proof() -> None:
    real = [load(slug) for slug in SLUGS if slug not in SIMULATED]
    assert sum(profile.verified is not None for profile in real) >= 12
    assert sum(profile.verified is None for profile in real) >= 20


def test_document_of_devices_is_that_of_the_profiles() -> None:
    assert devices.DOCUMENT.read_text("utf-8") == devices.document()
