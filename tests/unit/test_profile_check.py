"""`fabfleet-agent profile check`: what it says of a file, and how it holds one against a device."""

import itertools
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.cli import main
from agent.findings import Verdict
from agent.profile_check import SOMEWHERE, Remark, check, line_of, options_of, report
from agent.profile_trial import Patience, trial
from agent.reason_words import vietnamese
from device_profiles.known import allowed
from device_profiles.profile import PROFILES, load, parse
from firmware_bridges import BRIDGES

LAMP = textwrap.dedent(
    """
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

    [actions.blink]
    label = { en = "Blink", vi = "Nháy" }

    [actions.stop]
    label = { en = "Stop", vi = "Dừng" }

    [[alerts]]
    metric = "power"
    level = "fault"
    above = 10.0
    clear = 8.0
    label = { en = "Hot", vi = "Nóng" }

    [options]
    fault_every = 0

    [options.simulate]
    power = { range = [4.0, 6.0], step = 0.5 }

    [options.effects]
    blink = { metric = "power", value = 6.0, after = 1, hold = 5 }
    stop = { metric = "power", value = 5.0, after = 1, hold = 5 }
    """
).lstrip()


@pytest.fixture
def lamp(tmp_path: Path) -> Callable[[str, str], Path]:
    """The lamp's file, with something else written in it."""

    def write(old: str = "", new: str = "") -> Path:
        path = tmp_path / "acme" / "lamp.toml"
        path.parent.mkdir(exist_ok=True)
        assert old in LAMP
        path.write_text(LAMP.replace(old, new, 1), "utf-8")
        return path

    return write


def only(text: str) -> Remark:
    checked = check("acme/lamp", text)
    assert checked.profile is None or not checked.good
    (found,) = [each for each in checked.remarks if each.verdict is Verdict.BAD]
    return found


def test_right_profile_is_loaded_and_called_unverified() -> None:
    checked = check("acme/lamp", LAMP)
    assert checked.good
    assert checked.profile == parse("acme/lamp", LAMP)
    assert [(each.verdict, each.key) for each in checked.remarks] == [(Verdict.DOUBTFUL, "verified")]


def test_what_was_verified_without_a_source_is_doubted_as_well() -> None:
    told = check("acme/lamp", LAMP.replace('source = "this test"', 'verified = "a lamp"'))
    assert [(each.verdict, each.key, each.line) for each in told.remarks] == [(Verdict.DOUBTFUL, "source", 6)]


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "says", "may"),
    [
        ('unit = "W"', 'unit = "watts"', 10, "metrics.power.unit", "UCUM", "kW.h"),
        ('kind = "float"', 'kind = "double"', 11, "metrics.power.kind", "none of", "text"),
        ('kind = "float"', 'kind = "float"\ncolour = 1', 12, "metrics.power.colour", "nobody knows", "heartbeat_s"),
        ('family = "lamp"', "family = 7", 3, "family", "a whole number, where a text is wanted", ""),
        ('enforces = "none"', 'enforces = "police"', 5, "enforces", "none of", "commands"),
        ('level = "fault"', 'level = "panic"', 21, "alerts.power.level", "none of", "warning"),
        ('bridge = "simulated"', 'bridge = "telnet"', 4, "bridge", "no bridge", "line_protocol"),
        ("fault_every = 0", "fault_every = -1", 27, "options.fault_every", "whole number", ""),
        ('name = "Lamp"', 'name = "Lamp', 1, "", "no TOML", ""),
        ('vi = "Đèn"', 'fr = "Lampe"', 2, "label.vi", "missing", ""),
        ('family = "lamp"', "", 0, "family", "missing", ""),
    ],
)
def test_mistake_is_told_with_its_line_its_key_and_what_is_allowed(
    old: str, new: str, line: int, key: str, says: str, may: str
) -> None:
    found = only(LAMP.replace(old, new, 1))
    assert (found.line, found.key) == (line, key)
    assert says in found.says.en
    assert may in found.allowed or not may
    assert found.says.vi


@pytest.mark.parametrize(
    ("bridge", "options", "english", "vietnamese"),
    [
        ("pjlink", "reply_s = -1", "-1 is no number from 0.1 to 60", "-1 không phải số từ 0.1 đến 60"),
        ("pjlink", "colour = 1", "nobody knows this option", "không có tùy chọn này"),
        ("line_protocol", 'end = ""', "something must end a line", "phải có gì đó kết thúc một dòng"),
    ],
)
def test_mistake_in_an_option_is_told_in_both_languages(
    bridge: str, options: str, english: str, vietnamese: str
) -> None:
    text = LAMP[: LAMP.index("[options]")].replace('"simulated"', f'"{bridge}"') + f"[options]\n{options}\n"
    says = only(text).says
    assert english in says.en
    assert vietnamese in says.vi


def test_text_that_no_bridge_says_stays_as_it_came() -> None:
    assert vietnamese("metrics: power: the firmware's own words") == "metrics: power: the firmware's own words"
    assert vietnamese("metrics: power: nobody knows this option") == "metrics: power: không có tùy chọn này"


def test_words_for_a_person_name_file_line_key_and_cure_in_both_languages() -> None:
    remark = only(LAMP.replace('enforces = "none"', 'enforces = "police"'))
    said = report("acme/lamp.toml", remark)
    assert said.en == (
        "acme/lamp.toml:5: error: enforces: 'police' is none of commands, power, none; allowed: commands, power, none"
    )
    assert said.vi.startswith("acme/lamp.toml:5: lỗi: enforces: 'police' chưa phải một trong")


def test_every_bridge_has_an_endpoint_to_be_tried_with() -> None:
    assert set(SOMEWHERE) == set(BRIDGES)


def test_line_of_a_key_that_is_nowhere_is_that_of_its_table() -> None:
    assert line_of(LAMP, "metrics.power.chart") == 8
    assert line_of(LAMP, "booking.hazard") == 0
    assert line_of(LAMP, "options.simulate.power") == 30


def test_allowed_tells_values_or_keys_and_nothing_where_anything_may_stand() -> None:
    assert allowed("enforces") == ("commands", "power", "none")
    assert "deadband" in allowed("metrics.power.colour")
    assert allowed("name") == ()
    assert allowed("actions.cut.args.path") == ("bool", "int", "float", "text")


def test_printer_without_limits_is_warned_of() -> None:
    text = (PROFILES / "octoprint" / "printer.toml").read_text("utf-8")
    cut_off = text[: text.index("[options.limits]")]
    assert ("actions.print", Verdict.DOUBTFUL) in [(each.key, each.verdict) for each in check("a/b", cut_off).remarks]


def test_options_are_read_as_toml_or_as_they_stand() -> None:
    assert options_of(["port=4352", "password=panasonic", 'key="1"', "fast=true"]) == {
        "port": 4352,
        "password": "panasonic",
        "key": "1",
        "fast": True,
    }
    with pytest.raises(ValueError, match="NAME=VALUE"):
        options_of(["password"])


def test_command_line_tells_by_its_exit_code(
    lamp: Callable[..., Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FABFLEET_LANGUAGE", "vi")
    assert main(["profile", "check", str(lamp())]) == 0
    assert "agent nạp được" in capsys.readouterr().out
    assert main(["profile", "check", str(lamp('unit = "W"', 'unit = "x"'))]) == 1
    assert "lamp.toml:10: lỗi: metrics.power.unit" in capsys.readouterr().out
    assert main(["profile", "check", str(lamp()), "--commands"]) == 2
    assert main(["profile", "check", "/nowhere/x.toml"]) == 2
    assert "/nowhere/x.toml" in capsys.readouterr().err


def test_device_is_read_and_given_no_command_unless_that_is_said(
    lamp: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(lamp())
    assert main(["profile", "check", path, "--against", "sim:1"]) == 0
    told = capsys.readouterr().out
    assert "power:" in told
    assert "blink" not in told
    assert main(["profile", "check", path, "--against", "sim:1", "--commands"]) == 0
    told = capsys.readouterr().out
    assert told.index("action blink") < told.index("action stop"), "what ends something comes last"
    assert main(["profile", "check", path, "--against", "carrier pigeon"]) == 1


def test_value_that_no_profile_declares_fails_and_one_that_nobody_tells_is_doubted() -> None:
    text = LAMP.replace("[metrics.power]", "[metrics.watts]").replace(
        'metric = "power"\nlevel', 'metric = "watts"\nlevel'
    )
    hours = itertools.count()
    patience = Patience(0.0, lambda: 3600.0 * next(hours), lambda _: None)
    profile = parse("acme/lamp", text)
    found = [(each.code, each.what.en) for each in trial(profile, "sim:1", {}, patience=patience)]
    assert ("undeclared", "power") in found
    assert ("untold", "watts") in found


def test_silent_device_is_told_as_such() -> None:
    finding = list(trial(load("pjlink/projector"), "tcp://127.0.0.1:1", {}))
    assert [(each.code, each.verdict) for each in finding] == [("no-contact", Verdict.BAD)]


def test_check_loads_nothing_heavy(lamp: Callable[..., Path]) -> None:
    program = """
        import sys
        from agent.cli import main
        main(["profile", "check", sys.argv[1], "--against", "sim:1"])
        print([name for name in ("asyncio", "pydantic", "yaml", "ssl") if name in sys.modules])
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(lamp())]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ))
    assert done.stdout.splitlines()[-1] == "[]"
