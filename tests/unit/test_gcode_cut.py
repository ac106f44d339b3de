"""Jobs for laser cutters: what is let through, what is refused and why, what is sent."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles import gcode
from device_profiles.gcode import cut
from device_profiles.profile import load
from hil.farends.grbl_model import LINE

TABLE = load("grbl/laser").options["limits"]
ALLOWED = cut.limits(TABLE)
LIGHTBURN = """; LightBurn 1.7.08
; GRBL device profile, absolute coords
G00 G17 G40 G21 G54
G90
M4
; Cut @ 2400 mm/min, 60% power
M8
G0 X10Y10
; Layer C00
G1 X60S600F2400
G1Y40
G2 X50 Y50 I-10
G1 X10 Y10
M9
G1 S0
M5
G90
; return to user-defined finish pos
G0 X0 Y0
M2
"""


def problems(*lines: str, allowed: cut.CutLimits = ALLOWED) -> list[tuple[int, str, str]]:
    return [(each.line, each.code, each.detail) for each in cut.review(lines, allowed).problems]


def test_job_as_a_cutting_program_writes_it_is_let_through_measured_and_drawn() -> None:
    found = cut.inspect(gcode.lines(io.BytesIO(LIGHTBURN.encode())), ALLOWED)
    assert found.review.problems == ()
    assert (found.review.commands, found.review.power_percent) == (15, 60.0)
    assert found.review.cut_mm == pytest.approx(50 + 30 + 47.1 + 56.6, abs=0.5)
    assert 4.0 < found.review.duration_s < 8.0
    assert found.preview.strokes
    assert cut.review(LIGHTBURN.splitlines(), ALLOWED) == found.review


@pytest.mark.parametrize(
    ("line", "code", "detail"),
    [
        ("G1 X301 F600", "outside", "place"),
        ("G0 X-1", "outside", "place"),
        ("G0 Z5", "outside", "place"),
        ("G2 X20 Y10 I5 J300 F600", "outside", "place"),
        ("S1001", "too-strong", "power"),
        ("S-1", "too-strong", "power"),
        ("G1 X20 F6001", "outside", "speed"),
        ("M3 S100", "forbidden", "constant-power"),
        ("G92 X0", "forbidden", "not-allowed"),
        ("G10 L2 P1 X0", "unreadable", "no-gcode"),
        ("G53 X0", "forbidden", "not-allowed"),
        ("G55", "forbidden", "not-allowed"),
        ("G38.2 X1", "forbidden", "not-allowed"),
        ("M0", "forbidden", "not-allowed"),
        ("$32=0", "unreadable", "no-gcode"),
        ("$H", "unreadable", "no-gcode"),
        ("G1 X10 ~", "unreadable", "no-gcode"),
        ("?", "unreadable", "no-gcode"),
        ("G1 X1 X2", "unreadable", "no-gcode"),
        ("S4E2", "unreadable", "no-gcode"),
        ("G1 X10" + " Y1" * 40, "too-long", "letters"),
    ],
)
def test_line_is_refused_with_its_reason(line: str, code: str, detail: str) -> None:
    assert problems("G0 X10 Y10", line)[0] == (2, code, detail)


def test_job_that_moves_without_a_speed_or_from_nowhere_is_refused() -> None:
    assert problems("G0 X1 Y1", "G1 X5") == [(2, "unreadable", "no-speed")]
    assert problems("G91", "G0 X5") == [(2, "unreadable", "nowhere")]
    assert problems("G0 X1 Y1", "M2", "G0 X5") == [(3, "forbidden", "after-end")]


def test_inches_and_steps_from_here_are_held_against_the_same_area() -> None:
    assert problems("G20", "G0 X11 Y1") == []
    assert problems("G20", "G0 X12 Y1") == [(2, "outside", "place")]
    assert problems("G0 X290 Y1", "G91", "G0 X9", "G0 X9") == [(4, "outside", "place")]


def test_profile_may_allow_constant_power_and_a_mill_always_has_it() -> None:
    assert problems("M3 S10", allowed=cut.limits({**TABLE, "constant_power": True})) == []
    assert problems("M3 S10", allowed=cut.limits({**TABLE, "laser": False})) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("x_mm", [1]),
        ("full_power_s", 0),
        ("most_power_s", "1"),
        ("laser", 1),
        ("colour", "red"),
        ("fastest_mm_s", True),
    ],
)
def test_limits_that_cannot_be_are_named(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"limits\.{key}: "):
        cut.limits({**TABLE, key: value})


@given(st.lists(st.text(alphabet="GMXYZIJRFSP0123456789.-+ ;()!~?$\x18%\x85é", max_size=40), max_size=12))
def test_what_is_let_through_holds_nothing_that_grbl_obeys_at_once(lines: list[str]) -> None:
    if not cut.review(lines, ALLOWED).problems:
        for command in cut.commands(lines):
            assert set(command) <= set("GMXYZIJRFSP0123456789.-+")
            assert len(command) < LINE


def test_controller_reads_a_cut_job_in_a_process_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "sign.gcode"
    path.write_text(LIGHTBURN, "utf-8")
    table = '{"x_mm": [0, 300], "y_mm": [0, 200], "z_mm": [0, 0], "full_power_s": 1000, "most_power_s": 500,'
    limits = table + ' "fastest_mm_s": 100, "acceleration_mm_s2": 500}'
    command = [sys.executable, "-m", "controller.jobs.inspect", str(path)]
    asked = f'{{"work": "cut", "limits": {limits}}}'
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=True)
    assert "S600 is asked for, the laser may have S500" in done.stdout
