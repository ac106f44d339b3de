import json
import math
import random
import re
from array import array
from collections.abc import Iterator
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.gcode import Limits, inspect
from device_profiles.gcode.preview import MOST_DATA, TONES, Preview
from device_profiles.gcode.strokes import thinned
from tests.sliced import HEIGHT_MM, LENGTH_MM, WIDTH_MM, Slicer, sliced

PRINTER = Limits(nozzle_c=250, bed_c=100, x_mm=(0, 235), y_mm=(0, 235), z_mm=(0, 250))


def drawn(source: list[str], allowed: Limits = PRINTER) -> Preview:
    return inspect(source, allowed).preview


def points(data: str) -> Iterator[tuple[int, int]]:
    """The absolute points of path data."""
    for part in data.replace("z", "").split("M")[1:]:
        start, _, steps = part.partition("l")
        x, y = (int(each) for each in start.split())
        yield x, y
        numbers = [int(each) for each in re.findall(r"-?\d+", steps)]
        for right, down in zip(numbers[::2], numbers[1::2], strict=True):
            x, y = x + right, y + down
            yield x, y


def size(preview: Preview) -> int:
    return sum(len(stroke.data) for stroke in preview.strokes)


def square(x: float, y: float, side: float) -> list[str]:
    corners = [(x, y), (x + side, y), (x + side, y + side), (x, y + side), (x, y)]
    return [f"G0 X{x} Y{y}", *(f"G1 X{to_x} Y{to_y} E1" for to_x, to_y in corners[1:])]


def tower(layers: int, x: float = 50.0) -> list[str]:
    lines = [[f"G0 Z{0.2 * number:.1f}", ";TYPE:WALL-OUTER", *square(x, 50, 40)] for number in range(1, layers + 1)]
    return ["M83", ";LAYER:0", *(line for layer in lines for line in layer)]


@pytest.mark.parametrize("slicer", [Slicer.PRUSA, Slicer.CURA])
def test_bridge_is_drawn_with_its_size(slicer: Slicer) -> None:
    preview = drawn(list(sliced(slicer)))
    assert preview.width_mm == pytest.approx(LENGTH_MM, abs=0.5)
    assert preview.depth_mm == pytest.approx(WIDTH_MM, abs=0.5)
    assert preview.height_mm == HEIGHT_MM
    assert {stroke.kind for stroke in preview.strokes} == {"wall", "around"}
    assert {stroke.tone for stroke in preview.strokes} == set(range(TONES))


def test_file_without_comments_is_drawn_by_its_lines() -> None:
    assert {stroke.kind for stroke in drawn(list(sliced(Slicer.PLAIN))).strokes} == {"line"}


def test_layers_are_drawn_from_the_bottom_up() -> None:
    strokes = drawn(tower(100)).strokes
    tones = [stroke.tone for stroke in strokes]
    assert tones == sorted(tones)
    tops = [min(y for _, y in points(stroke.data)) for stroke in strokes]
    assert tops == sorted(tops, reverse=True)


def test_objects_printed_one_after_the_other_are_both_drawn() -> None:
    first, second = drawn(tower(50)), drawn(tower(50) + tower(50, 150.0))
    assert len(second.strokes) >= len(first.strokes)
    assert all(stroke.data.count("M") == 2 for stroke in second.strokes)


def test_what_is_drawn_lies_within_the_view() -> None:
    for preview in (drawn(tower(1000)), drawn(tower(3)), drawn(list(sliced()))):
        left, top, width, height = (float(each) for each in preview.view_box.split())
        for stroke in (stroke for stroke in preview.strokes if stroke.kind == "wall"):
            for x, y in points(stroke.data):
                assert left <= x <= left + width
                assert top <= y <= top + height


def test_nothing_printed_shows_the_empty_bed() -> None:
    preview = drawn(["G28", "G1 X10 Y10", "M104 S200"])
    assert preview.strokes == ()
    assert preview.bed.startswith("M0 0l")
    assert preview.grid.count("M") == 8
    assert (preview.width_mm, preview.depth_mm, preview.height_mm) == (0, 0, 0)


SAME = [
    ["M83", "G1 Z1", *square(50, 50, 25.4)],
    ["M83", "G91", "M83", "G1 X50 Y50 Z1", "G1 X25.4 E1", "G1 Y25.4 E1", "G1 X-25.4 E1", "G1 Y-25.4 E1"],
    ["M83", "G1 X50 Y50 Z1", "G20", "G91", "M83", "G1 X1 E1", "G1 Y1 E1", "G1 X-1 E1", "G1 Y-1 E1"],
    ["M83", "G1 Z1", "G1 X40 Y40", "G92 X0 Y0", *square(10, 10, 25.4)],
    ["G1 Z1", "G92 E9", "G0 X50 Y50", "G1 X75.4 E10", "G1 Y75.4 E11", "G1 X50 E12", "G1 Y50 E13"],
    ["m83", "N1 g1 z1", *(f"N2 {line.lower()} " for line in square(50, 50, 25.4))],
]


@pytest.mark.parametrize("source", SAME)
def test_same_square_however_it_is_written(source: list[str]) -> None:
    wanted = [point for stroke in drawn(SAME[0]).strokes for point in points(stroke.data)]
    found = [point for stroke in drawn(source).strokes for point in points(stroke.data)]
    assert len(found) == len(wanted) == 5
    assert all(math.dist(a, b) <= 2 for a, b in zip(found, wanted, strict=True))


def test_arc_is_drawn_round() -> None:
    arc = drawn(["M83", "G1 X100 Y80 Z1", "G3 X100 Y80 I0 J20 E5"])
    straight = [f"G1 X{100 + 20 * math.sin(a / 50):.3f} Y{100 - 20 * math.cos(a / 50):.3f} E0.1" for a in range(1, 315)]
    other = drawn(["M83", "G1 X100 Y80 Z1", *straight])
    assert arc.width_mm == pytest.approx(40, abs=0.3)
    assert arc.depth_mm == pytest.approx(40, abs=0.3)
    round_points = [point for stroke in other.strokes for point in points(stroke.data)]
    for stroke in arc.strokes:
        for point in points(stroke.data):
            assert min(math.dist(point, each) for each in round_points) < 60


def test_same_file_gives_the_same_drawing_and_is_stored_as_json() -> None:
    first, second = drawn(list(sliced())), drawn(list(sliced()))
    assert first == second
    assert json.loads(json.dumps(asdict(first)))["strokes"][0].keys() == {"kind", "tone", "data"}


def test_paths_are_plain_path_data() -> None:
    preview = drawn(list(sliced()))
    for data in (preview.bed, preview.grid, *(stroke.data for stroke in preview.strokes)):
        assert re.fullmatch(r"(M-?\d+ -?\d+l-?\d+( |(?=-))-?\d+(( |(?=-))-?\d+( |(?=-))-?\d+)*z?)+", data)


def crowd(seed: int, layers: int, lines: int, kind: str) -> Iterator[str]:
    """Everything everywhere: nothing that could be thinned."""
    chance = random.Random(seed)
    yield "M83"
    for layer in range(layers):
        yield f"G1 Z{(layer + 1) * 250 / layers:.3f}"
        yield from (f";TYPE:{kind}",) * bool(kind)
        for _ in range(lines):
            yield f"G1 X{chance.uniform(0, 235):.3f} Y{chance.uniform(0, 235):.3f} E0.1"


@pytest.mark.parametrize("kind", ["", "WALL-OUTER", "SUPPORT", "SKIN"])
@pytest.mark.parametrize(("layers", "lines"), [(1, 40_000), (1000, 40), (20_000, 2)])
def test_drawing_is_bounded_whatever_the_file(kind: str, layers: int, lines: int) -> None:
    preview = drawn(list(crowd(1, layers, lines, kind)))
    assert size(preview) <= MOST_DATA
    assert len(preview.strokes) <= 300
    assert bool(preview.strokes) == (kind != "SKIN")


@given(
    st.lists(st.tuples(st.integers(-9999, 9999), st.integers(-9999, 9999)), min_size=1, max_size=50), st.floats(1, 9)
)
def test_thinned_line_keeps_its_ends_and_its_points_are_the_lines(
    line: list[tuple[int, int]], tolerance: float
) -> None:

    found = thinned(array("i", [number for point in line for number in point]), tolerance)
    pairs = list(zip(found[::2], found[1::2], strict=True))
    assert (pairs[0], pairs[-1]) == (line[0], line[-1])
    assert set(pairs) <= set(line)
    assert len(pairs) <= max(len(line), 2)


def test_straight_line_in_many_moves_is_one_step() -> None:
    moves = [
        "M83",
        "G1 X10 Y10 Z1",
        *(f"G1 X{10 + step / 10:.1f} Y{10 + step / 20:.2f} E0.1" for step in range(1, 500)),
    ]
    assert sum(len(list(points(stroke.data))) for stroke in drawn(moves).strokes) <= 5


@pytest.mark.parametrize("x_mm", [(-3.0, 235.0), (-100.0, 100.0), (0.0, 0.0), (0.0, 5000.0)])
def test_any_bed_can_be_drawn(x_mm: tuple[float, float]) -> None:
    preview = drawn(tower(3), replace(PRINTER, x_mm=x_mm))
    assert preview.bed.endswith("z")
    assert len(preview.grid) < 4000
