import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.gcode import CODES, MOST_PROBLEMS, Limits, Review, command, commands, inspect, limits, review
from device_profiles.gcode.words import kind_of, told_duration_s
from device_profiles.profile import load, slugs
from tests.sliced import Slicer, sliced

PRINTER = Limits(nozzle_c=250, bed_c=100, x_mm=(0, 235), y_mm=(0, 235), z_mm=(0, 250))

REFUSED = [
    ("M104 S251", "too-hot"),
    ("m109 r300", "too-hot"),
    ("M0104 S300", "too-hot"),
    ("N7 M104 S300*33", "too-hot"),
    ("M104S300", "too-hot"),
    ("M104 S200 T1", "forbidden"),
    ("M140 S101", "too-hot"),
    ("M190 R101", "too-hot"),
    ("M141 S30", "too-hot"),
    ("M145 S0 H300 B60", "forbidden"),
    ("G1 X236", "outside"),
    ("G0 Z-0.1", "outside"),
    ("G1 X100 Y--5", "unreadable"),
    ("G20\nG1 X10", "outside"),
    ("G91\nG1 X200\nG1 X100", "outside"),
    ("G92 X100\nG1 X340", "outside"),
    ("G92 Z5\nG1 Z4", "outside"),
    ("G1 X230 Y100\nG3 X230 Y140 I0 J20", "outside"),
    ("G1 X100 Y100\nG2 X140 Y100 R-130", "outside"),
    ("G1 X20 Y10\nG2 X60 Y10 J-20", "outside"),
    ("M500", "forbidden"),
    ("M302 S0", "forbidden"),
    ("M110 N0", "forbidden"),
    ("T1", "forbidden"),
    ("hello", "unreadable"),
    ("G1 X1 X2", "unreadable"),
    ("M104 S$300", "unreadable"),
    ("G2 X10 Y10", "unreadable"),
    ("G92", "unreadable"),
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
    'M862.3 P "MK3S"',
    "M862.1 P0.4",
    "M115 U3.14.1",
    "M84 X Y E",
    "M106 S255 ; fan",
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
    way_mm = math.hypot(150, 100) + 2 * math.pi * 50
    assert review(moves, PRINTER).duration_s == pytest.approx(way_mm / 50, rel=0.05)


def test_pause_counts_and_a_slicers_own_figure_is_taken_before_ours() -> None:
    assert review(["G4 P1500", "G4 S2"], PRINTER).duration_s == 3.5
    told = review([";TIME:7054", "G4 S5000"], PRINTER)
    assert (told.duration_s, told.estimate_s, told.sliced) == (7054.0, 5000.0, True)


@pytest.mark.parametrize("told_s", [60, 5_000_000])
def test_slicers_figure_that_the_moves_do_not_bear_out_is_not_believed(told_s: int) -> None:
    found = review([f";TIME:{told_s}", "G4 S7000"], PRINTER)
    assert (found.duration_s, found.sliced) == (7000.0, False)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("TIME:7054", 7054.0),
        ("estimated printing time (normal mode) = 1h 23m 4s", 4984.0),
        ("estimated printing time (normal mode) = 2d 1h 0m 0s", 176400.0),
        ("estimated printing time (silent mode) = 9h", 0.0),
        ("TIME_ELAPSED:12", 0.0),
    ],
)
def test_slicers_comment_of_the_time_is_read(text: str, seconds: float) -> None:
    assert told_duration_s(text) == seconds


@pytest.mark.parametrize(
    ("comment", "field", "value"),
    [
        ("; generated by PrusaSlicer 2.7.4+linux-x64 on 2026-01-01", "slicer", "PrusaSlicer 2.7.4"),
        ("; generated by SuperSlicer 2.5.59 on 2026-01-01", "slicer", "SuperSlicer 2.5.59"),
        ("; generated by OrcaSlicer 2.1.1 on 2026-01-01", "slicer", "OrcaSlicer 2.1.1"),
        (";Generated with Cura_SteamEngine 5.6.0", "slicer", "Cura 5.6.0"),
        ("; filament_type = PETG;PETG", "material", "PETG"),
        ("; printer_model = MK3S", "sliced_for", "MK3S"),
        (";TARGET_MACHINE.NAME:Creality Ender-3", "sliced_for", "Creality Ender-3"),
        ("; printer_model = \x1b[31m" + "x" * 100, "sliced_for", "[31m" + "x" * 36),
    ],
)
def test_slicers_words_are_read(comment: str, field: str, value: str) -> None:
    assert getattr(review([comment], PRINTER), field) == value


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("WALL-OUTER", "wall"),
        ("External perimeter", "wall"),
        ("Overhang wall", "wall"),
        ("Outer wall", "wall"),
        ("WALL-INNER", "inside"),
        ("Internal infill", "inside"),
        ("SKIRT", "around"),
        ("Support material", "around"),
        ("Something new", ""),
    ],
)
def test_kinds_of_plastic_are_told_apart(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_comments_change_no_limit() -> None:
    hot = ["; printer_model = MK3S", ";MAXTEMP:400", "; temperature = 400", "M104 S251"]
    assert review(hot, PRINTER).problems[0].code == "too-hot"


@pytest.mark.parametrize("slicer", list(Slicer))
def test_facts_of_a_sliced_file_are_found(slicer: Slicer) -> None:
    found = review(sliced(slicer), PRINTER)
    assert found.problems == ()
    assert (found.layers, found.height_mm) == (200, 40.0)
    assert (found.hottest_nozzle_c, found.hottest_bed_c) == (215.0, 60.0)
    assert found.filament_mm == pytest.approx(4570, rel=0.01)
    assert not found.sliced


def test_layer_height_is_told_where_all_layers_have_it() -> None:
    assert review(sliced(layer_mm=0.28), PRINTER).layer_mm == 0.28
    uneven = ["M83", *(f"G1 Z{z}\nG1 X{10 + 50 * z} E1" for z in (0.2, 0.4, 0.9, 1.1))]
    found = review("\n".join(uneven).split("\n"), PRINTER)
    assert (found.layers, found.layer_mm, found.height_mm) == (4, 0.0, 1.1)


def test_spiral_of_a_vase_counts_a_layer_where_a_comment_says_so() -> None:
    turns = [line for turn in range(5) for line in (";LAYER_CHANGE", *_spiral(turn))]
    assert review(["M83", *turns], PRINTER).layers == 5


def _spiral(turn: int) -> list[str]:
    return [f"G1 X{100 + step} Y{100 + step % 2} Z{0.2 * (turn + step / 20):.3f} E0.1" for step in range(20)]


def test_objects_printed_one_after_the_other_count_their_heights_once() -> None:
    heights = [f"G1 Z{z:.1f}\nG1 X{x} E1\nG1 X{x + 5} E1" for x in (10, 60) for z in (0.2, 0.4, 0.6)]
    assert review("\n".join(["M83", *heights]).split("\n"), PRINTER).layers == 3


def test_material_weighs_what_its_kind_weighs() -> None:
    moves = ["M83", "G1 X10 E1000"]
    abs_g = review(["; filament_type = ABS", *moves], PRINTER).filament_g
    assert abs_g / review(moves, PRINTER).filament_g == pytest.approx(1.04 / 1.24, abs=0.01)


def test_review_is_the_same_with_a_drawing_and_without() -> None:
    assert inspect(sliced(), PRINTER).review == review(sliced(), PRINTER) != Review()


def test_material_is_what_is_pushed_and_not_what_is_drawn_back_and_forth() -> None:
    found = review(["M83", "G1 X10 E1000", "G1 E-5", "G1 E5", "G92 E0", "M82", "G1 X20 E1000"], PRINTER)
    assert found.filament_mm == 2000.0
    assert found.filament_g == pytest.approx(math.pi / 4 * 1.75**2 * 2000 / 1000 * 1.24, abs=0.01)


def test_only_commands_go_to_the_printer() -> None:
    lines = ["; a cube", "", "G28 ; home", "  g1 x1  ", "N5 G1 X2*33", "M117 Go PRUSA", "M118 ok", "M486 AGear"]
    assert list(commands(lines)) == ["G28", "G1 X1", "G1 X2"]


def test_as_many_commands_are_counted_as_are_sent() -> None:
    lines = [*sliced(), "M117 ready", "", "N7", "hello"]
    assert review(lines, PRINTER).commands == len(list(commands(lines)))


@given(st.text(max_size=80))
def test_command_is_never_a_comment_nor_a_line_end(line: str) -> None:
    text = command(line)
    assert ";" not in text
    assert text == text.strip()


def test_problems_are_bounded_and_commands_counted() -> None:
    found = review(["M500"] * 1000, PRINTER)
    assert (len(found.problems), found.commands) == (MOST_PROBLEMS, 1000)


def test_profile_may_forbid_codes_and_allow_more() -> None:
    table = {"nozzle_c": 250, "bed_c": 100, "x_mm": [0, 1], "y_mm": [0, 1], "z_mm": [0, 1]}
    allowed = limits({**table, "forbidden": ["m600"], "also": ["M851", "M907 E430"]})
    assert allowed.codes == CODES - {"M600"} | {"M851"}
    assert review(["M907 E430 ; motor current", "M851 Z0"], allowed).problems == ()
    assert [found.code for found in review(["M907 E999", "M600"], allowed).problems] == ["forbidden", "forbidden"]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"nozzle_c": "hot"}, "nozzle_c"),
        ({"x_mm": [1]}, "x_mm"),
        ({"forbidden": "M600"}, "forbidden"),
        ({"also": [1]}, "also"),
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


def test_arc_takes_its_way_over_its_speed() -> None:
    turns = ["G1 X100 Y80 F600", *["G3 X100 Y80 I0 J20"] * 10]
    way_mm = math.hypot(100, 80) + 10 * math.tau * 20
    assert review(turns, PRINTER).duration_s == pytest.approx(way_mm / 10, rel=0.02)


@pytest.mark.parametrize("words", ["I30 J0 R30", "R1", "", "I30 K1"])
def test_arc_that_is_none_for_certain_is_refused(words: str) -> None:
    assert review(["G1 X100 Y100", f"G2 X160 Y100 {words}"], PRINTER).problems[0].code == "unreadable"
