"""Every profile, and every bridge that a profile may name."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from contract.units import UNITS
from device_profiles.profile import PROFILES, ProfileError, load, parse, slugs

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


def test_schema_is_a_schema_and_knows_the_units() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["$defs"]["metric"]["properties"]["unit"]["enum"]) == UNITS


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
