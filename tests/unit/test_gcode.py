import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.gcode import FORBIDDEN, MOST_PROBLEMS, Limits, command, commands, limits, review, told_duration_s
from device_profiles.profile import load, slugs

PRINTER = Limits(nozzle_c=250, bed_c=100, x_mm=(0, 235), y_mm=(0, 235), z_mm=(0, 250))

REFUSED = [
    ("M104 S251", "too-hot"),
    ("m109 r300", "too-hot"),
    ("M0104 S300", "too-hot"),
    ("N7 M104 S300*33", "too-hot"),
    ("M104S300", "too-hot"),
    ("M104 S0x1F4", "too-hot"),
    ("M140 S101", "too-hot"),
    ("M190 R101", "too-hot"),
    ("M141 S30", "too-hot"),
    ("M145 S0 H300 B60", "too-hot"),
    ("G1 X236", "outside"),
    ("G0 Z-0.1", "outside"),
    ("G1 X100 Y--5", "unreadable"),
    ("G20\nG1 X10", "outside"),
    ("G91\nG1 X200\nG1 X100", "outside"),
    ("G92 X100\nG1 X340", "outside"),
    ("G1 X230 Y100\nG3 X230 Y140 I0 J20", "outside"),
    ("G1 X100 Y100\nG2 X140 Y100 R-130", "outside"),
    ("M500", "forbidden"),
    ("M302 S0", "forbidden"),
    ("M110 N0", "forbidden"),
    ("T1", "forbidden"),
    ("hello", "unreadable"),
    ("G1 X1 X2", "unreadable"),
    ("M104 S$300", "unreadable"),
    ("G1 " + "X" * 100, "too-long"),
]
ALLOWED = [
    "M104 S250 ; hot",
    "M109 S200 T0",
    "G28\nG29\nG1 Z5",
    "G28 W",
    "G1 X0 Y0 Z0 E-2 F1800",
    "G1 X235 Y235 Z250",
    "G92 E0\nG1 E5",
    "G91\nG1 Z5\nG90\nG1 X235",
    "G1 X100 Y100\nG2 X140 Y100 I20 J0",
    "G1 X100 Y100\nG2 X140 Y100 R130",
    "M117 Xin chào M500",
    "M900 K30",
    "T0",
    "; M104 S400",
    "",
]


@pytest.mark.parametrize(("text", "code"), REFUSED)
def test_asking_for_too_much_is_refused_with_the_line(text: str, code: str) -> None:
    lines = ["G21", *text.splitlines()]
    problem = review(lines, PRINTER).problems[0]
    assert (problem.code, problem.line) == (code, len(lines))
    assert str(problem).startswith(f"line {len(lines)}: ")


@pytest.mark.parametrize("text", ALLOWED)
def test_what_the_machine_may_do_is_let_through(text: str) -> None:
    assert review(text.splitlines(), PRINTER).problems == ()


def test_clockwise_arc_of_three_quarters_that_leaves_the_plate_is_refused() -> None:
    inside = review(["G1 X200 Y200", "G2 X230 Y230 I30 J0"], PRINTER)
    outside = review(["G1 X200 Y200", "G3 X230 Y230 I30 J0"], PRINTER)
    assert (inside.problems == (), outside.problems[0].code) == (True, "outside")


@given(st.lists(st.text(max_size=60), max_size=20))
def test_any_file_can_be_reviewed(lines: list[str]) -> None:
    found = review(lines, PRINTER)
    assert found.duration_s >= 0
    assert math.isfinite(found.duration_s)
    assert len(found.problems) <= MOST_PROBLEMS


@given(st.floats(250.01, 9999), st.sampled_from(["M104", "M109"]), st.sampled_from("SR"), st.booleans())
def test_no_way_of_writing_it_heats_beyond_the_limit(wanted: float, code: str, letter: str, small: bool) -> None:
    line = f"{code} {letter}{wanted:.2f}"
    assert review([line.lower() if small else line], PRINTER).problems


@given(st.lists(st.tuples(st.floats(0, 235), st.floats(0, 235)), min_size=1, max_size=30))
def test_estimate_is_no_less_than_the_way_at_full_speed(points: list[tuple[float, float]]) -> None:
    points = [(round(x, 2), round(y, 2)) for x, y in points]
    found = review([f"G1 X{x:.2f} Y{y:.2f} F6000" for x, y in points], PRINTER)
    way = sum(math.dist(a, b) for a, b in zip([(0.0, 0.0), *points], points, strict=False))
    assert found.problems == ()
    assert found.duration_s >= math.floor(way / 100 * 10) / 10 - 0.1


def test_long_move_takes_its_way_over_its_speed() -> None:
    found = review(["G1 X200 F600"], PRINTER)
    assert found.duration_s == pytest.approx(20.0, abs=0.2)


def test_curve_of_short_moves_is_not_stopped_at_every_corner() -> None:
    circle = [(100 + 50 * math.cos(a / 50), 100 + 50 * math.sin(a / 50)) for a in range(315)]
    moves = [f"G1 X{x:.3f} Y{y:.3f} F3000" for x, y in circle]
    assert review(moves, PRINTER).duration_s == pytest.approx(2 * math.pi * 50 / 50, rel=0.6)


def test_pause_counts_and_a_slicers_own_figure_is_taken_before_ours() -> None:
    assert review(["G4 P1500", "G4 S2"], PRINTER).duration_s == 3.5
    told = review([";TIME:7054", "G1 X10"], PRINTER)
    assert (told.duration_s, told.sliced) == (7054.0, True)


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        (";TIME:7054", 7054.0),
        ("; estimated printing time (normal mode) = 1h 23m 4s", 4984.0),
        ("; estimated printing time (normal mode) = 2d 1h 0m 0s", 176400.0),
        ("; estimated printing time (silent mode) = 9h", 0.0),
        (";TIME_ELAPSED:12", 0.0),
    ],
)
def test_slicers_comment_is_read(line: str, seconds: float) -> None:
    assert told_duration_s(line) == seconds


def test_material_is_what_is_pushed_and_not_what_is_drawn_back_and_forth() -> None:
    found = review(["M83", "G1 X10 E1000", "G1 E-5", "G1 E5", "G92 E0", "M82", "G1 X20 E1000"], PRINTER)
    assert found.filament_mm == 2000.0
    assert found.filament_g == pytest.approx(math.pi / 4 * 1.75**2 * 2000 / 1000 * 1.24, abs=0.01)


def test_only_commands_go_to_the_printer() -> None:
    assert list(commands(["; a cube", "", "G28 ; home", "  G1 X1  ", "N5 G1 X2*33"])) == ["G28", "G1 X1", "G1 X2"]


@given(st.text(max_size=80))
def test_command_is_never_a_comment_nor_a_line_end(line: str) -> None:
    text = command(line)
    assert ";" not in text
    assert text == text.strip()


def test_problems_are_bounded_and_commands_counted() -> None:
    found = review(["M500"] * 1000, PRINTER)
    assert (len(found.problems), found.commands) == (MOST_PROBLEMS, 1000)


def test_profile_may_forbid_more_but_not_less() -> None:
    table = {"nozzle_c": 250, "bed_c": 100, "x_mm": [0, 1], "y_mm": [0, 1], "z_mm": [0, 1], "forbidden": ["m600"]}
    assert limits(table).forbidden == FORBIDDEN | {"M600"}


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"nozzle_c": "hot"}, "nozzle_c"),
        ({"x_mm": [1]}, "x_mm"),
        ({"forbidden": "M600"}, "forbidden"),
        ({"typo": 1}, "typo"),
    ],
)
def test_wrong_limits_name_their_key(change: dict[str, object], key: str) -> None:
    table = {"nozzle_c": 250, "bed_c": 100, "x_mm": [0, 1], "y_mm": [0, 1], "z_mm": [0, 1]}
    with pytest.raises(ValueError, match=key):
        limits({**table, **change})
    with pytest.raises(ValueError, match="bed_c"):
        limits({name: value for name, value in table.items() if name != "bed_c"})


def test_every_marlin_profile_says_what_a_job_may_ask_for() -> None:
    profiles = [load(slug) for slug in slugs()]
    for profile in [each for each in profiles if each.bridge == "marlin"]:
        allowed = limits(profile.options["limits"])
        assert all(least < most for least, most in (allowed.x_mm, allowed.y_mm, allowed.z_mm))
        assert dataclasses.replace(allowed, bed_c=0) != allowed
