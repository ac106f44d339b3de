"""What a bridge says of why, in Vietnamese, by the templates of the pages (written by tools.agent_words)."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Final

TEMPLATES: Final = Path(__file__).with_name("reasons.vi.json")
FEWEST_LETTERS: Final = 8
"""A template with fewer letters of its own could have been said by anybody."""
_PLACE = re.compile(r"\{(\w+)\}")


def vietnamese(text: str) -> str:
    """Or the text as it is, where no template fits. What fills blanks, or stands before a colon, stays as it came."""
    head, rest = "", text
    while rest:
        for pattern, said in _templates():
            if found := pattern.fullmatch(rest):
                return head + _PLACE.sub(lambda place, found=found: found[place[1]], said)  # type: ignore[misc]
        name, colon, rest = rest.partition(": ")
        head += name + colon
    return text


@cache
def _templates() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Those with most of their own letters first."""
    known: dict[str, str] = json.loads(TEMPLATES.read_text("utf-8"))
    own = {english: sum(map(str.isalpha, _PLACE.sub("", english))) for english in known}
    return tuple(
        (_pattern(english), known[english])
        for english in sorted(known, key=lambda each: (-own[each], each))
        if own[english] >= FEWEST_LETTERS
    )


def _pattern(english: str) -> re.Pattern[str]:
    pieces = _PLACE.split(english)
    pieces[::2] = map(re.escape, pieces[::2])
    pieces[1::2] = (f"(?P<{name}>.+?)" for name in pieces[1::2])
    return re.compile("".join(pieces), re.DOTALL)
