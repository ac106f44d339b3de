"""Where lines must not break, and where long words may."""

import pytest

from controller.web.typography import NBSP, breakable, tidy


@pytest.mark.parametrize(
    "text",
    [
        "tiết_3–4",
        "Thứ_Tư_25/11",
        "phòng_206",
        "lớp_8A1",
        "12_phút",
        "26,1_°C",
        "62_%",
        "412 / 1.000_g",
        "{n}_thiết bị",
        "1_giờ 33_phút trước",
        "Máy in_· FabLab",
        "23/11_– 28/11",
        "Thứ_4",
    ],
)
def test_tidy_keeps_together_what_is_read_together(text: str) -> None:
    bound = text.replace("_", NBSP).replace("412 /", f"412{NBSP}/")
    assert tidy(bound.replace(NBSP, " ")) == bound


@pytest.mark.parametrize("text", ["Máy in 3D B", "Cần xử lý", "3 gói", "10 màu", "a/b", "P.201 STEM"])
def test_tidy_leaves_other_spaces(text: str) -> None:
    assert tidy(text) == text


def test_tidy_changes_nothing_twice() -> None:
    once = tidy("tiết 3–4, Thứ Tư 25/11 · 12 phút")
    assert tidy(once) == once


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("StandardFirmata.ino", ["StandardFirmata.", "ino"]),
        ("usb-serial/by_id", ["usb-", "serial/", "by_", "id"]),
        ("Marlin 2.1.2", ["Marlin 2.1.2"]),
        ("-1.000,5", ["-1.000,5"]),
        ("", [""]),
    ],
)
def test_long_word_may_break_after_a_stop_dash_or_slash_but_a_number_nowhere(text: str, pieces: list[str]) -> None:
    assert breakable(text) == pieces
