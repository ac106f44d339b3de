"""What some items can be had by, at any time: read as it is asked for, and no more units than it takes. Reads only."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time
from typing import Final

from sqlalchemy import Connection

from controller.scheduling import search
from controller.scheduling.choice import Choice, Taken
from controller.scheduling.obstacles import besides
from controller.scheduling.policy import Facts, Thing
from controller.scheduling.school_time import instant, ticks
from controller.scheduling.stock import BREADTHS, Item, Serving, Stock, TooNarrow, read

_LONGEST: Final = 8
"""So many days are read at once at most. The first time it is one, then four: who wants one time needs no more, who
looks through a month asks seldom.
"""


class Reach:
    """On one connection that it does not close; what it has read counts as long as it lives.

    Units are chosen that are `allowed` at any time, and with `obstacles` none while it is closed, or ill and it is
    soon. What is chosen must fit, at that time (ms).
    """

    def __init__(
        self,
        connection: Connection,
        items: Sequence[Item],
        school_id: str,
        facts: Facts,
        *,
        allowed: Callable[[Thing], bool],
        fits: Callable[[range, tuple[Thing, ...]], bool],
        obstacles: bool,
    ) -> None:
        self._connection = connection
        self._items = items
        self._school_id = school_id
        self._facts = facts
        self._allowed = allowed
        self._fits = fits
        self._obstacles = obstacles
        self._all: dict[int | None, Stock] = {}
        self._some: dict[int | None, Stock] = {}
        self._taken: dict[int | None, list[tuple[range, Taken]]] = {breadth: [] for breadth in BREADTHS}

    def stocks(self) -> Iterator[Stock]:
        """All there is, allowed or not: of every breadth up to the first that is whole. Raises NothingOfThatKind."""
        for breadth in BREADTHS:
            yield self._stock(breadth)
            if self._stock(breadth).is_whole:
                return

    def choice(self, span_ms: range) -> Choice | None:
        """As `serving`, without the stock."""
        found = self.serving(span_ms)
        return found.choice if found else None

    def serving(self, span_ms: range) -> Serving | None:
        """What would serve then (ms), as things were when that day was first read. Raises NothingOfThatKind."""
        use = ticks(span_ms.start, span_ms.stop)
        for breadth in BREADTHS:
            stock = self._stock(breadth)
            if breadth not in self._some:
                self._some[breadth] = stock.where(self._allowed)
            try:
                found = self._some[breadth].choice(use, self._in_the_way(breadth, span_ms))
            except TooNarrow:
                continue
            return Serving(stock, found) if found is not None and self._fits(span_ms, stock.chosen(found)) else None
        return None

    def _stock(self, breadth: int | None) -> Stock:
        if breadth not in self._all:
            self._all[breadth] = read(self._connection, self._items, self._school_id, breadth)
        return self._all[breadth]

    def _in_the_way(self, breadth: int | None, span_ms: range) -> Taken:
        """At that time, and on some days around it."""
        zone = self._facts.year.zone
        first, last = (
            datetime.fromtimestamp(at_ms / 1000, zone).toordinal() for at_ms in (span_ms.start, span_ms.stop - 1)
        )
        known = self._taken[breadth]
        for days, taken in known:
            if first in days and last in days:
                return taken
        length = min(4 ** len(known), _LONGEST)
        start = first - first % length
        days = range(start, max(start + length, last + 1))
        taken = self._read(breadth, days)
        known.append((days, taken))
        return taken

    def _read(self, breadth: int | None, days: range) -> Taken:
        """What is in the way on those days, by their ordinals."""
        stock, zone = self._some[breadth], self._facts.year.zone
        first, end = (instant(date.fromordinal(day), time(0), zone) for day in (days.start, days.stop))
        window = stock.window(ticks(first, end))
        taken = search.taken(self._connection, stock, window)
        if self._obstacles:
            taken = besides(taken, window, stock.units, stock.wanted.counted, self._facts)
        return taken
