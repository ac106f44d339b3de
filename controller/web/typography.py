"""Where a long word may break, and where a Vietnamese line must not: a no-break space holds together what is read so.

Rules of the glossary: number and unit, "tiết 3-4", "Thứ Tư 25/11", "phòng 206", "lớp 8A1", and the space before
a middle dot, dash or slash. A `{place}` to be filled in later counts as a number.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

NBSP = "\u00a0"
_NUMBER = r"(?:[\d.,]*\d|\{[a-z_]+\})"
_UNITS = "|".join(
    (
        *(
            "giây",
            "phút",
            "giờ",
            "ngày",
            "tuần",
            "tháng",
            "tiết",
            "%",
            "°C",
            "W",
            "kWh",
            "kg",
            "g",
            "mm",
            "m",
            "ppm",
            "dBm",
        ),
        *("MB", "GB", "ms", "Mbit/s", "V", "A", "MHz", "vòng/phút", "thiết bị", "máy", "phòng", "trường", "đ"),
    )
)
_RULES = (
    (re.compile(rf"({_NUMBER}) (?=(?:{_UNITS})(?!\w))"), rf"\1{NBSP}"),
    (re.compile(rf"\b(tiết|Tiết|phòng|Phòng|lớp|Lớp|tầng|Tầng|tuần|Tuần) (?={_NUMBER}|[A-Z]?\d)"), rf"\1{NBSP}"),
    (re.compile(r"\b(Thứ|thứ) (?=Hai|Ba|Tư|Năm|Sáu|Bảy|\d)"), rf"\1{NBSP}"),
    (re.compile(r"(Hai|Ba|Tư|Năm|Sáu|Bảy|nhật) (?=\d{1,2}/\d)"), rf"\1{NBSP}"),
    (re.compile(r" (?=[·–/] )"), NBSP),
)

_INNER_BREAK = re.compile(r"(?<=[._/-])(?=[^\W\d_])")


def breakable(word: str) -> Sequence[str]:
    """The pieces between which a line may break, as in a file's name; never within a number."""
    return _INNER_BREAK.split(word)


@lru_cache(maxsize=16_384)
def tidy(text: str) -> str:
    """`text` with no-break spaces where the rules want them."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text
