"""Search without marks."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.folding import fold, matches


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Máy in 3D B", "may in 3d b"),
        ("Đống Đa", "dong da"),
        ("đèn  trần ", "den tran"),
        ("Nguyễn Thị Ước", "nguyen thi uoc"),
        ("PHÒNG 305", "phong 305"),
        ("", ""),
    ],
)
def test_fold_takes_case_marks_and_blanks_away(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(st.text())
def test_fold_twice_is_fold_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text(alphabet="aăâeêioôơuưyđàảãáạằẳẵắặầẩẫấậ bcdghklmnpqrstvx", max_size=40))
def test_fold_does_not_depend_on_how_marks_are_written(text: str) -> None:
    assert fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text))


def test_matches_wants_every_word_in_any_order_and_in_any_text() -> None:
    assert matches("305 may in", "Máy in 3D", "Phòng 305")
    assert matches("MÁY", "may chieu")
    assert matches("", "anything")
    assert not matches("may quet", "Máy in 3D", "Phòng 305")
