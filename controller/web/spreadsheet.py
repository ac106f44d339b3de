"""Tables that people open in a spreadsheet."""

from typing import Final

MARK: Final = "\N{ZERO WIDTH NO-BREAK SPACE}"
"""At the beginning: by it spreadsheets know the letters."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def plain(text: str) -> str:
    """No spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
