"""One request in the light of the facts: what speaks against it, who is in its way, what else would do. Reads only."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import cached_property
from itertools import chain
from typing import Final

from sqlalchemy import Connection

from controller.scheduling import search
from controller.scheduling.alternatives import Alternative, Sight, nearest, runs
from controller.scheduling.choice import Choice, Demand
from controller.scheduling.policy import (
    LASTING_RULES,
    MAINTENANCE,
    THING_RULES,
    WISH_RULES,
    Facts,
    Problem,
    Proposal,
    Rule,
    Thing,
    in_order,
    periods_of,
    problems,
    standing,
)
from controller.scheduling.reach import Reach
from controller.scheduling.request import Request
from controller.scheduling.school_time import TICK_MS, instant, ticks
from controller.scheduling.series import Occupant
from controller.scheduling.stock import Item, Serving, widened

_WEEK: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class _Week:
    """Periods of shared things that are held in it."""

    by_holder: int
    by_school: int


class Wish:
    """A request at its own time or another, on one connection that it does not close.

    `facts` come without `things`, `by_holder` and `by_school`: these are read here. What asks for units raises
    NothingOfThatKind.
    """

    def __init__(self, connection: Connection, request: Request, facts: Facts) -> None:
        self._connection = connection
        self._request = request
        self._facts = facts
        self._named = {item.resource_id for item in request.items if item.resource_id is not None}
        self._asked = self._reach(request.items)
        self._known: dict[tuple[object, ...], tuple[Problem, ...]] = {}
        self._cases: dict[range, tuple[Proposal, Facts]] = {}
        self._weeks: dict[date, _Week] = {}

    def problems(self, span_ms: range) -> tuple[Problem, ...]:
        """All that the rules say against it at that time, be it taken or not.

        Of a class it is enough that so many units are allowed as are wanted; else one tells for all of them what is
        against it, if it can be one for which everything may be overruled.
        """
        proposal, facts = self._case(span_ms)
        for stock in self._asked.stocks():
            against = {thing.id: self._against(span_ms, THING_RULES, thing) for thing in stock.things.values()}
            short = [each for each in stock.wanted.demands if _allowed(each, against) < each.count]
            if not short:
                break
        telling = self._named | {_mildest(each, against) for each in short}
        found = set(problems(proposal, replace(facts, things=tuple(stock.things.values())), WISH_RULES))
        return in_order(found.union(*(against[each] for each in telling)))

    def was_booked(self, at_ms: int) -> None:
        """By whoever wishes, in the week of that time: it is counted anew."""
        self._weeks.pop(self._monday(at_ms), None)

    def allowed(self, span_ms: range, reason: str) -> Callable[[Thing], bool]:
        """Whether a unit may be used at that time, by itself; with a `reason` also what the asker may overrule."""
        role = self._facts.asker.role
        return lambda thing: not standing(self._against(span_ms, THING_RULES, thing), role, reason)

    def had_by(self, span_ms: range) -> Serving | None:
        """What would serve it at that time, as things are now; None if nothing, or the rules are against it."""
        return self._asked.serving(span_ms)

    def used(self, at_ms: int) -> int:
        """How many periods of shared things the school holds in the week of that time."""
        return self._week_of(at_ms).by_school

    def taken_by(self, span_ms: range) -> tuple[Occupant, ...]:
        """Who has what it names, at that time."""
        window = next(self._asked.stocks()).window(ticks(span_ms.start, span_ms.stop))
        window_ms = range(window.start * TICK_MS, window.stop * TICK_MS)
        found = search.occupants(self._connection, self._named, window_ms, self._request.school_id)
        return tuple(dict.fromkeys(found[each] for each in sorted(found)))

    def nearest(self, span_ms: range) -> tuple[Alternative, ...]:
        """What else would do; all of it is free now and nothing speaks against it."""
        wider = self._wider.choice if self._wider else None
        return nearest(span_ms, Sight(self._facts.year, self._facts.now_ms, self._asked.choice, wider))

    def openings(self, count: int, days: Iterable[date]) -> Iterator[tuple[range, Choice]]:
        """The times (ms) on those days at which it can be had for so many periods in a row, and with what."""
        for span in chain.from_iterable(runs(self._facts.year, day, count) for day in days):
            choice = self._asked.choice(span) if span.start >= self._facts.now_ms else None
            if choice is not None:
                yield span, choice

    @cached_property
    def _wider(self) -> Reach | None:
        """The same with any of its class for what is named; None if nothing is."""
        items = widened(self._request.items, next(self._asked.stocks()))
        return self._reach(items) if items else None

    def _reach(self, items: Sequence[Item]) -> Reach:
        span_ms = self._request.span_ms
        return Reach(
            self._connection,
            items,
            self._request.school_id,
            self._facts,
            allowed=lambda thing: not self._against(span_ms, LASTING_RULES, thing),
            fits=self._fits,
            obstacles=self._request.kind != MAINTENANCE,
        )

    def _fits(self, span_ms: range, things: tuple[Thing, ...]) -> bool:
        """Whether no rule is against using these at that time."""
        proposal, facts = self._case(span_ms)
        return not problems(proposal, replace(facts, things=things))

    def _against(self, span_ms: range, rules: Sequence[Rule], thing: Thing) -> tuple[Problem, ...]:
        """What speaks against one thing by itself. If nothing does, then nothing against those that are like it."""
        hours, health = self._facts.hours.get(thing.id), self._facts.health.get(thing.id)
        kind = (thing.school_id, thing.shared, thing.hazard, thing.certificate)
        alike = (span_ms, rules, kind, id(hours), health, self._facts.resting.get(thing.id))
        if self._known.get(alike) != ():
            proposal, facts = self._case(span_ms)
            self._known[alike] = problems(proposal, replace(facts, things=(thing,)), rules)
        return self._known[alike]

    def _case(self, span_ms: range) -> tuple[Proposal, Facts]:
        """The request at that time, with what is held in its week."""
        if span_ms not in self._cases:
            request = self._request
            week = self._week_of(span_ms.start)
            self._cases[span_ms] = (
                Proposal(
                    request.school_id, request.holder, span_ms.start, span_ms.stop, request.head_count, request.kind
                ),
                replace(self._facts, by_holder=week.by_holder, by_school=week.by_school),
            )
        return self._cases[span_ms]

    def _monday(self, at_ms: int) -> date:
        day = datetime.fromtimestamp(at_ms / 1000, self._facts.year.zone).date()
        return day - timedelta(days=day.weekday())

    def _week_of(self, at_ms: int) -> _Week:
        year, monday = self._facts.year, self._monday(at_ms)
        if monday not in self._weeks:
            week = range(instant(monday, time(0), year.zone), instant(monday + _WEEK, time(0), year.zone))
            used = search.shared_uses(self._connection, self._request.school_id, self._request.holder, week)
            counts = periods_of([each.span_ms for each in used], year)
            self._weeks[monday] = _Week(
                sum(count * each.by_holder for count, each in zip(counts, used, strict=True)),
                sum(count * each.by_school for count, each in zip(counts, used, strict=True)),
            )
        return self._weeks[monday]


def _allowed(demand: Demand, against: Mapping[int, tuple[Problem, ...]]) -> int:
    return sum(not against[unit.id] for unit in demand.units)


def _mildest(demand: Demand, against: Mapping[int, tuple[Problem, ...]]) -> int:
    """Of the units that are not allowed the first with the fewest problems that nobody may overrule."""
    barred = (unit.id for unit in demand.units if against[unit.id])
    return min(barred, key=lambda each: sum(not problem.overridable for problem in against[each]))
