"""Names of metrics out of names that a system gives: mount points, sensors, interfaces, services."""

from collections.abc import Collection

LONGEST = 40


def slug(text: str) -> str:
    """Only a-z, 0-9 and single hyphens, at most LONGEST letters: slug("/home/lab") == "home-lab"; "x" for nothing."""
    if not text.isascii():
        import unicodedata

        text = unicodedata.normalize("NFKD", text.replace("đ", "d").replace("Đ", "D"))
        text = "".join(letter for letter in text if not unicodedata.combining(letter))
    kept = "".join(letter if letter.isascii() and letter.isalnum() else " " for letter in text.lower())
    return "-".join(kept.split())[:LONGEST].strip("-") or "x"


def unique_slug(text: str, taken: Collection[str]) -> str:
    """A slug that is not among `taken`, numbered from 2 if need be."""
    return numbered(slug(text), taken)


def numbered(first: str, taken: Collection[str]) -> str:
    """`first`, or with the lowest number from 2 with which it is not among `taken`."""
    number, candidate = 1, first
    while candidate in taken:
        number += 1
        candidate = f"{first}-{number}"
    return candidate
