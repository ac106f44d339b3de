"""When a machine was at work, from what it said. Pure."""

from collections.abc import Iterable
from typing import NamedTuple


class Reading(NamedTuple):
    """Whether it was at work then; None: it could not say."""

    at_ms: int
    working: bool | None


class Use(NamedTuple):
    """From its first word to its last; open while `until_ms` is None."""

    from_ms: int
    until_ms: int | None


def uses(readings: Iterable[Reading], lasts_ms: int, now_ms: int) -> list[Use]:
    """`readings` in the order of time. Each is worth `lasts_ms`: a machine that then says nothing is not at work."""
    found: list[Use] = []
    since: int | None = None
    last = 0
    for at_ms, working in readings:
        if since is not None and at_ms - last > lasts_ms:
            found.append(Use(since, last + lasts_ms))
            since = None
        if working:
            since, last = (at_ms if since is None else since), at_ms
        elif working is False and since is not None:
            found.append(Use(since, at_ms))
            since = None
    if since is not None:
        found.append(Use(since, None if now_ms - last <= lasts_ms else last + lasts_ms))
    return found
