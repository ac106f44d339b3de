"""Text as people search for it: "may in" finds "Máy in". Shared by pages and API. Pure."""

import unicodedata

_STROKES = str.maketrans({"đ": "d", "Đ": "d"})  # a letter of its own, which Unicode does not take apart


def fold(text: str) -> str:
    """`text` without case, accents and repeated blanks. Folding twice changes nothing."""
    apart = unicodedata.normalize("NFKD", text.casefold().translate(_STROKES))
    bare = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return " ".join(bare.casefold().translate(_STROKES).split())


def matches(query: str, *texts: str) -> bool:
    """Whether every word of `query` is found in one of `texts`."""
    folded = [fold(text) for text in texts]
    return all(any(word in text for text in folded) for word in fold(query).split())
