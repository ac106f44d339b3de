"""What a file is, whatever it is called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.jobs.content import check_head, check_name, check_whole_name, clean_name
from controller.jobs.errors import WrongFile
from controller.jobs.work import Work


@pytest.mark.parametrize("name", ["robot.py", "ĐI THẲNG.PY"])
def test_name_of_a_program_is_taken_for_a_kit_alone(name: str) -> None:
    check_name(name, Work.RUN)
    check_head(b"solid = 1\nMZ = 2\n", Work.RUN)
    for work in (Work.PRINT, Work.CUT):
        with pytest.raises(WrongFile, match="only text G-code"):
            check_name(name, work)


@pytest.mark.parametrize(
    ("name", "told"),
    [("a.mpy", "compiled"), ("a.HEX", "compiled"), ("a.llsp3", "blocks"), ("a.gcode", "ends in .py"), ("", "ends in")],
)
def test_name_of_anything_else_is_refused_for_a_kit(name: str, told: str) -> None:
    with pytest.raises(WrongFile, match=told):
        check_name(name, Work.RUN)
    with pytest.raises(WrongFile, match=r"ends in \.py"):
        check_head(b"\x7fELF\x02\x01", Work.RUN)


@pytest.mark.parametrize("name", ["cầu-giàn-v3.gcode", "A.GCODE", "part.gco", "x.g", "two.dots.gcode"])
def test_name_of_text_gcode_is_taken(name: str) -> None:
    check_name(name, Work.CUT)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("a.bgcode", "export plain .gcode"),
        ("a.STL", "slice it"),
        ("a.3mf", "slice it"),
        ("a.zip", "unpack it"),
        ("a.exe", "a program"),
        ("a.pdf", "only text G-code is taken"),
        ("gcode", "only text G-code is taken"),
        ("a.gcode.exe", "a program"),
        ("", "only text G-code is taken"),
    ],
)
def test_name_of_anything_else_is_refused_with_what_to_do(name: str, told: str) -> None:
    with pytest.raises(WrongFile, match=told) as refused:
        check_name(name, Work.CUT)
    assert refused.value.code == "type"


@pytest.mark.parametrize(
    "head", [b"; sliced by X\r\nG28\nG1 X1\n", "; cầu giàn\n".encode(), b"\xef\xbb\xbfG28\n", b"G"]
)
def test_head_of_text_is_taken(head: bytes) -> None:
    check_head(head, Work.PRINT)


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (b"GCDE\x01\x00\x00\x00", "export plain .gcode"),
        (b"solid cube\nfacet normal", "slice it"),
        (b"PK\x03\x04\x14\x00", "unpack it"),
        (b"\x1f\x8b\x08", "unpack it"),
        (b"MZ\x90\x00", "a program"),
        (b"\x7fELF\x02", "a program"),
        (b"G28\n\x00\x00", "only text G-code"),
        ("G28\n".encode("utf-16"), "only text G-code"),
        (b"\x89PNG\r\n\x1a\n", "only text G-code"),
    ],
)
def test_head_of_anything_else_is_refused_with_what_to_do(head: bytes, told: str) -> None:
    with pytest.raises(WrongFile, match=told):
        check_head(head, Work.PRINT)


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("../../etc/passwd.gcode", "passwd.gcode"),
        ("C:\\Users\\Lan\\cầu.gcode", "cầu.gcode"),
        ("a\0b\n c\x1b[2J.gcode", "ab c[2J.gcode"),
        ("half\ud800.gcode", "half.gcode"),
        (" spaced .gcode ", "spaced .gcode"),
    ],
)
def test_clean_name_keeps_what_can_be_shown_of_the_last_part(given_name: str, kept: str) -> None:
    assert clean_name(given_name) == kept


@pytest.mark.parametrize("given_name", ["../x.gcode", "a\\..\\x.gcode", "/etc/x.gcode", "a\0.gcode", "..", "a/.."])
def test_name_that_leads_elsewhere_is_refused(given_name: str) -> None:
    with pytest.raises(WrongFile) as refused:
        check_whole_name(given_name)
    assert refused.value.code == "name"


@pytest.mark.parametrize("given_name", ["x.gcode", "C:\\Users\\Hoa\\x.gcode", "a..b.gcode", "", "...gcode"])
def test_name_with_a_folder_before_it_is_no_fault(given_name: str) -> None:
    check_whole_name(given_name)


def test_clean_name_cuts_the_stem_and_keeps_the_suffix() -> None:
    assert clean_name("x" * 300 + ".gcode") == "x" * 194 + ".gcode"


@given(st.text(max_size=600))
def test_clean_name_is_short_printable_and_stays_as_it_is(name: str) -> None:
    kept = clean_name(name)

    assert len(kept) <= 200
    assert kept.isprintable()
    assert "/" not in kept
    assert "\\" not in kept
    kept.encode()
