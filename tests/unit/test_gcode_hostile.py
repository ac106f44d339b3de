"""Nobody gets beyond the limits by writing it so that the printer reads something else than we do."""

import io
import math
import re
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.gcode import LONGEST, Limits, command, commands, inspect, lines, review
from device_profiles.gcode.syntax import LINE, code_of, words_of

PRINTER = Limits(nozzle_c=250, bed_c=100, x_mm=(0, 235), y_mm=(0, 235), z_mm=(0, 250))

SLY = [
    "M104S400",
    "m104 s400",
    "M104 S 400",
    "M 104 S400",
    "M0104 S400",
    "M104.0 S400",
    "M104 S+400",
    "M104 S0400.00",
    "M104 S400 T0",
    "M104 T0 S400",
    "M104 F1 S400",
    "M104 S200 S400",
    "M104 S200\tS400",
    "M104\tS400",
    "\tM104 S400",
    "  M104 S400",
    "N1 M104 S400*12",
    "N1M104 S400*12",
    "N1 N2 M104 S400",
    "N-1 M104 S400",
    "M104 S200*5 S400",
    "M104 S4E2",
    "M104 S.4E3",
    "M104 S0X190",
    "M104 S400E-9",
    "M104 SINF",
    "M104 SNAN",
    "M104 S-65136",
    "M104 S65936",
    "M104 S" + "9" * 70,
    "M65640 S400",
    "M104 S٤٠٠",
    "Ｍ104 S400",
    "M104\u00a0S400",
    "M104 S400\u2028",
    "M104 ſ400",
    "M109 R400",
    "M109 S200 R400",
    "M190 S60 B400",
    "M190 R400",
    "M140 I1",
    "M104 I1",
    "M145 S0 H400",
    "M191 S60",
    "M303 E0 S400 C1",
    "M301 P1",
    "M305 P0",
    "M306 T",
    "G26 H400",
    "G53 M104 S400",
    "G53 G1 X999",
    "G1 X10 M104 S400",
    "T0 M104 S400",
    "G4 P1 M104 S400",
    "M105 M104 S400",
    "(x) M104 S400",
    "M104 (S200) S400",
    "M1(17 )04 S400",
    "M1\\04 S400",
    "M1 04 S400",
    "M105 \b\b\b04 S400",
    "G1 X1\rM104 S400",
    "G1 X1\nM104 S400",
    "G1 X1\x00M104 S400",
    "M105\x0bM104 S400",
    'M118 "\nM104 S400',
    'M862.3 P "PRUSA FR"',
    'M862.3 P "MK3S" M104 S400',
    "M862.3 G28",
    "M115 U3.1 M104 S400",
    "PRUSA FR",
    "^ M104 S400",
    "D3 Ax0000 C1",
    "G1E5",
    "G0X10",
    "G1 X1E2",
    "M83\nG1 X1 E1" + "0" * 60,
    "G1 X",
    "G92 X",
    "G92.1",
    "G90.1",
    "G5 X999",
    "G38.2 Z-50",
    "G18",
    "G61",
    "G2 X10 Y10 I5 K5",
    "G1 X10 A50",
    "X500",
    "M851 Z-5",
    "M290 Z-2",
    "M206 X-50",
    "M121",
    "M155 S0",
    "M110 N5",
    "M28 X.G",
    "M32 !/X#",
    "M810 M104 S400|G28",
    "M117" + "1 M104 S400",
    "%",
    "\x1b[31m",
]


def refused(source: list[str]) -> bool:
    """As it would travel: written to a file and read from it."""
    file = io.BytesIO("\n".join(source).encode("utf-8", "surrogatepass"))
    return bool(review(lines(file), PRINTER).problems)


@pytest.mark.parametrize("text", SLY)
def test_no_way_round_the_limits(text: str) -> None:
    assert refused([text])
    assert refused(["G28", "G1 X10", text, "G1 X20"])


@pytest.mark.parametrize(
    "text", ["M117 G28 M104 S400", "M117 PRUSA FR", "M118 //action:cancel", "M486 AGear", ";\rM117 x"]
)
def test_texts_for_others_are_let_through_and_never_sent(text: str) -> None:
    file = io.BytesIO(text.encode())
    assert review(lines(file), PRINTER).problems == ()
    file.seek(0)
    assert list(commands(lines(file))) == []


@given(st.lists(st.text(alphabet="GMTNSRXYZEF0123456789.-+ *;()\t\r\n\b\\\"'^%ßſ٣", max_size=40), max_size=20))
def test_what_is_sent_is_plain(source: list[str]) -> None:
    """If nothing is refused, each command is letters and numbers that begin with one code, and holds no other."""
    file = io.BytesIO("\n".join(source).encode())
    if review(lines(file), PRINTER).problems:
        return
    file.seek(0)
    for text in commands(lines(file)):
        assert re.fullmatch(r'[GMT] *\d+(\.\d)?( *[A-Z] *[-+.\d]*| *"[A-Z0-9.+]*")*', text)
        assert len(re.findall("[GMN]", text.partition('"')[0])) <= 1
        assert len(text) <= LONGEST


NUMBERS = st.floats(-1e6, 1e6).map(lambda number: f"{number:.3f}")
WORDS = st.tuples(
    st.sampled_from("XYZEFSRTPIJ"), st.one_of(NUMBERS, st.just(""), st.text("0123456789.eE+-", max_size=6))
)
COMMANDS = st.builds(
    lambda code, words: " ".join([code, *(letter + number for letter, number in words)]),
    st.sampled_from(
        ["G0", "G1", "G2", "G3", "G4", "G20", "G21", "G28", "G90", "G91", "G92", "M82", "M83", "M104", "M204"]
    ),
    st.lists(WORDS, max_size=5),
)


@given(st.lists(st.one_of(COMMANDS, st.text(max_size=120)), max_size=30))
def test_any_file_can_be_inspected(source: list[str]) -> None:
    found = inspect(source, PRINTER)
    assert found.review == review(source, PRINTER)
    figures = (found.review.duration_s, found.review.filament_g, found.review.height_mm, found.preview.width_mm)
    assert all(math.isfinite(each) for each in figures)
    assert found.review.duration_s >= 0


@given(st.binary(max_size=3000))
def test_any_bytes_can_be_read(data: bytes) -> None:
    read = list(lines(io.BytesIO(data)))
    assert read == _slowly(data)
    inspect(read, PRINTER)


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b";" * 3000, b"G1 X1"]), max_size=40), st.integers(1, 9))
def test_lines_are_the_same_however_the_file_comes(parts: list[bytes], size: int) -> None:
    class Slow(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            return super().read(size)

    data = b"".join(parts)
    assert list(lines(Slow(data))) == _slowly(data)


def _slowly(data: bytes) -> list[str]:
    data = data.removeprefix(b"\xef\xbb\xbf")
    parts = re.split(rb"\r\n|\r|\n", data)
    return [part[:LINE].decode("utf-8", "replace") for part in (parts if parts[-1] else parts[:-1])]


def test_lines_that_end_in_a_carriage_return_alone_are_lines() -> None:
    file = io.BytesIO(b"G28\rG1 X10\rM104 S400\r")
    assert review(lines(file), PRINTER).problems[0].line == 3


@pytest.mark.parametrize(
    "text",
    ["G4 S" + "9" * 60, "G1 X10 F0." + "0" * 60 + "1", "M204 S0." + "0" * 60 + "1\nG1 X100", "M205 X0.0001\nG1 X9"],
)
def test_absurd_times_are_bounded(text: str) -> None:
    assert 0 < review(text.split("\n") * 40, PRINTER).duration_s <= 30 * 86_400


@pytest.mark.parametrize("text", ["G1 X1", "; a comment", " " * 5000])
def test_command_behind_a_very_long_line_start_is_not_lost_unseen(text: str) -> None:
    found = review(lines(io.BytesIO((" " * 5000 + text).encode())), PRINTER)
    assert [problem.code for problem in found.problems] == ["too-long"]


def test_huge_line_costs_no_memory() -> None:
    class Endless:
        left = 800

        def read(self, size: int, /) -> bytes:
            self.left -= 1
            return b";" * size if self.left > 0 else b""

    assert [len(line) for line in lines(Endless())] == [LINE]


@pytest.mark.parametrize(
    "text",
    [
        *("M" * 2000, "1" * 2000, "G1 " + "X1" * 1000, "G1 X" + "1" * 2000, "M862.3 P " * 200, "; generated by " * 150),
        "; estimated printing time (normal mode) = " + "1h" * 900,
        ";" + " " * 2000,
        "N1 " * 600,
        "G1 X1 " + " " * 60 + "!",
    ],
)
def test_no_line_takes_long(text: str) -> None:
    """Two thousand lines that a pattern going back and forth would never finish."""
    began = time.process_time()
    assert len(review([text] * 2000, PRINTER).problems) <= 20
    assert time.process_time() - began < 30


@given(st.lists(COMMANDS, max_size=30))
def test_usual_way_of_writing_is_read_as_any_other(source: list[str]) -> None:
    """What is read in one go, and what is read word by word, come to the same."""
    odd = [f"  {line.lower()}  " for line in source]
    assert inspect(source, PRINTER) == inspect(odd, PRINTER)


@given(st.lists(COMMANDS, max_size=30))
def test_forbidding_a_code_stops_its_usual_form_too(source: list[str]) -> None:
    without = replace(PRINTER, codes=PRINTER.codes - {"G1"})
    moves = [line for line in source if line.startswith("G1")]
    assert len(review(moves, without).problems) == min(len(moves), 20)


@given(st.text(alphabet="ABCXYZ0123456789.+-eE ", max_size=30))
def test_words_are_never_read_otherwise_than_strtod_would(text: str) -> None:
    words = words_of(text) or {}
    for letter, number in words.items():
        if number is not None:
            rest = text[text.index(letter) + 1 :]
            longest = re.match(r" *([-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?)", rest)
            assert longest
            assert float(longest[1]) == number


@given(st.text(max_size=20))
def test_code_is_told_only_where_it_is_certain(text: str) -> None:
    found = code_of(command(text))
    if found:
        assert re.fullmatch(r"[GMT]\d{1,4}", found[0])
