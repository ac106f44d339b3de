"""What becomes of a found thing. A table. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class FoundState(StrEnum):
    WAITING = "waiting"
    ADOPTED = "adopted"
    IGNORED = "ignored"


class Word(StrEnum):
    """What a person says of it; `RETURN`: that its device was taken away again."""

    ADOPT = "adopt"
    IGNORE = "ignore"
    RESTORE = "restore"
    RETURN = "return"


_NEXT: Final[Mapping[tuple[FoundState, Word], FoundState]] = {
    (FoundState.WAITING, Word.ADOPT): FoundState.ADOPTED,
    (FoundState.WAITING, Word.IGNORE): FoundState.IGNORED,
    (FoundState.IGNORED, Word.RESTORE): FoundState.WAITING,
    (FoundState.ADOPTED, Word.RETURN): FoundState.WAITING,
}


def following(state: FoundState, word: Word) -> FoundState | None:
    """None: that cannot be said of it now."""
    return _NEXT.get((state, word))
