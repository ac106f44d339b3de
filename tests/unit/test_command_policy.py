"""Who may have which machine do what."""

import pytest

from controller.commands.policy import Rule, Rules, may_command, may_try, needs_trial
from controller.identity.policy import Principal, Role
from device_profiles.profile import DeviceProfile, load, slugs

PROFILES = {slug: load(slug) for slug in slugs()}
ASKS = {role: Principal("1", "x", "X", role, "an-phu" if role is Role.TEACHER else None) for role in Role}
TEACHERS_MAY = {
    "anycubic/i3-mega": {"print", "pause", "resume", "stop"},
    "arduino/machine-permit": set(),
    "arduino/mega": {"led-on", "led-off"},
    "arduino/nano": {"led-on", "led-off"},
    "arduino/uno": {"led-on", "led-off"},
    "creality/ender-3": {"print", "pause", "resume", "stop"},
    "demo/access-point": set(),
    "demo/arduino-kit": {"identify", "stop"},
    "demo/classroom-pc": set(),
    "demo/interactive-board": {"power-on", "power-off", "set-volume"},
    "demo/laser-cutter": {"stop"},
    "demo/printer-3d": {"pause", "resume", "stop"},
    "demo/projector": {"power-on", "power-off", "mute"},
    "demo/robot-kit": {"identify", "stop"},
    "bbc/microbit": {"run", "self-test", "stop"},
    "benq/rp": {"power-on", "power-off", "mute", "set-volume"},
    "benq/rs232-projector": {"power-on", "power-off", "input", "mute"},
    "epson/escvp21": {"power-on", "power-off", "input", "mute"},
    "grbl/laser": {"cut", "pause", "resume", "stop"},
    "klipper/printer": {"print", "pause", "resume", "stop"},
    "mqtt/device": set(),
    "octoprint/printer": {"print", "pause", "resume", "stop"},
    "optoma/projector": {"power-on", "power-off"},
    "pjlink/projector": {"power-on", "power-off", "input", "mute"},
    "prusa/mk3s": {"print", "pause", "resume", "stop"},
    "prusa/mk4": {"print", "pause", "resume", "stop"},
    "samsung/flip": {"power-on", "power-off", "input", "mute", "set-volume"},
    "samsung/qb": {"power-on", "power-off", "input", "mute", "set-volume"},
    "shelly/plus-plug-s": set(),
    "smart/board-mx": {"power-on", "power-off", "input", "set-volume"},
    "tasmota/plug": set(),
    "viewsonic/ifp": {"power-on", "power-off", "input", "mute", "set-volume"},
}
"""What teachers may ask of every machine that has actions and whose profile was verified, or that is simulated."""
ACTING = sorted(slug for slug, profile in PROFILES.items() if profile.actions)


def may(role: Role, profile: DeviceProfile) -> set[str]:
    return {name for name, action in profile.actions.items() if may_command(ASKS[role], profile, action)}


def verified(slug: str) -> bool:
    return PROFILES[slug].verified is not None or PROFILES[slug].bridge == "simulated"


@pytest.mark.parametrize("slug", [slug for slug in ACTING if verified(slug)])
def test_teacher_may_ask_of_each_model_what_the_table_says(slug: str) -> None:
    assert may(Role.TEACHER, PROFILES[slug]) == TEACHERS_MAY[slug] & PROFILES[slug].actions.keys()


@pytest.mark.parametrize("slug", ACTING)
def test_commands_of_a_profile_that_nobody_verified_are_tried_first_all_but_the_stop(slug: str) -> None:
    profile = PROFILES[slug]
    waiting = {name for name, action in profile.actions.items() if needs_trial(profile, action)}
    assert waiting == (set() if verified(slug) else profile.actions.keys() - {"stop"})


def test_who_teaches_at_a_machine_does_not_try_its_commands() -> None:
    assert {role for role in Role if may_try(ASKS[role])} == {Role.TECHNICIAN, Role.ADMINISTRATOR}


def test_table_names_every_model_that_a_teacher_might_use() -> None:
    known = {slug for slug in ACTING if PROFILES[slug].verified or PROFILES[slug].bridge == "simulated"}

    assert TEACHERS_MAY.keys() >= known


@pytest.mark.parametrize("role", [Role.TECHNICIAN, Role.ADMINISTRATOR])
@pytest.mark.parametrize("slug", ACTING)
def test_technicians_may_ask_everything_of_every_model(role: Role, slug: str) -> None:
    assert may(role, PROFILES[slug]) == PROFILES[slug].actions.keys()


@pytest.mark.parametrize("slug", ACTING)
def test_coordinator_may_ask_what_a_teacher_may(slug: str) -> None:
    assert may(Role.COORDINATOR, PROFILES[slug]) == may(Role.TEACHER, PROFILES[slug])


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.AUDITOR])
def test_everybody_may_stop_what_they_see(role: Role) -> None:
    stoppable = [profile for profile in PROFILES.values() if "stop" in profile.actions]

    assert stoppable
    assert all("stop" in may(role, profile) for profile in stoppable)


@pytest.mark.parametrize("slug", ACTING)
def test_auditor_commands_nothing(slug: str) -> None:
    assert may(Role.AUDITOR, PROFILES[slug]) == set()


def under(rules: dict[Rule, bool], role: Role, slug: str) -> set[str]:
    profile = PROFILES[slug]
    made = Rules(rules)
    return {name for name, action in profile.actions.items() if may_command(ASKS[role], profile, action, made)}


def test_rules_narrow_and_widen_what_is_free() -> None:
    narrowed = {Rule(Role.TEACHER, "projector", "mute"): False, Rule(Role.TECHNICIAN, "printer-3d", "preheat"): False}
    widened = {Rule(Role.TEACHER, "computer", "restart"): True}

    assert under(narrowed, Role.TEACHER, "demo/projector") == {"power-on", "power-off"}
    assert "preheat" not in under(narrowed, Role.TECHNICIAN, "demo/printer-3d")
    assert under(widened, Role.TEACHER, "demo/classroom-pc") == {"restart"}
    assert under(widened, Role.COORDINATOR, "demo/classroom-pc") == set()


def test_rules_reach_no_further_than_their_bounds() -> None:
    everything = {
        Rule(role, profile.family, action): True
        for profile in PROFILES.values()
        for action in profile.actions
        for role in Role
    }
    nothing = dict.fromkeys(everything, False)

    assert "preheat" not in under(everything, Role.TEACHER, "creality/ender-3")
    assert "home" not in under(everything, Role.COORDINATOR, "prusa/mk3s")
    assert under(everything, Role.TEACHER, "arduino/machine-permit") == set()
    for slug in ACTING:
        assert under(everything, Role.AUDITOR, slug) == set()
        assert under(nothing, Role.ADMINISTRATOR, slug) == PROFILES[slug].actions.keys()
        for role in (Role.TEACHER, Role.COORDINATOR, Role.TECHNICIAN):
            assert under(nothing, role, slug) == {"stop"} & PROFILES[slug].actions.keys()
