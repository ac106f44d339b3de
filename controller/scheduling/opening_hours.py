"""When a room or machine may be used at all, lessons or not. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from functools import cached_property
from itertools import chain
from typing import Final

from controller.scheduling.school_time import TICK_MS, Flaw, Holiday, SchoolTimeError, instant

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Open:
    """Open on a weekday (0 is Monday) from `opens` to `closes`; midnight as `closes` is the end of the day."""

    weekday: int
    opens: time
    closes: time

    def __post_init__(self) -> None:
        if self.weekday not in range(7):
            raise SchoolTimeError("opening hours have weekdays 0 to 6", Flaw.WEEKDAY)
        if self.closes != time(0) and self.opens >= self.closes:
            raise SchoolTimeError("opening hours end after they begin", Flaw.HOURS_BACKWARDS)


@dataclass(frozen=True)
class OpeningHours:
    """What repeats every week, but on no day that is `closed`."""

    zone: tzinfo
    weekly: tuple[Open, ...]
    closed: tuple[Holiday, ...] = ()

    def cover(self, span_ms: range) -> bool:
        """Whether it is open all that time."""
        return any(each.start <= span_ms.start and span_ms.stop <= each.stop for each in self._open(span_ms))

    def shut(self, window: range) -> Iterator[range]:
        """The ticks of `window` in which it is closed, if only in part."""
        done = window.start
        for each in self._open(range(window.start * TICK_MS, window.stop * TICK_MS)):
            opens, closes = -(-each.start // TICK_MS), each.stop // TICK_MS
            if done < opens:
                yield range(done, min(opens, window.stop))
            done = max(done, closes)
        if done < window.stop:
            yield range(done, window.stop)

    def _open(self, span_ms: range) -> list[range]:
        """The times of opening that a span touches, joined where one begins as another ends. In their order."""
        first, last = (datetime.fromtimestamp(at / 1000, self.zone).date() for at in (span_ms.start, span_ms.stop))
        joined: list[range] = []
        for each in chain.from_iterable(self._on(day) for day in _days(first - _DAY, last)):
            if joined and each.start <= joined[-1].stop:
                joined[-1] = range(joined[-1].start, max(joined[-1].stop, each.stop))
            else:
                joined.append(each)
        return [each for each in joined if each.start < span_ms.stop and span_ms.start < each.stop]

    def _on(self, day: date) -> list[range]:
        if day not in self._known:
            closed = any(day in each for each in self.closed)
            today = () if closed else (each for each in self.weekly if each.weekday == day.weekday())
            self._known[day] = [self._span(day, each) for each in sorted(today, key=lambda each: each.opens)]
        return self._known[day]

    def _span(self, day: date, each: Open) -> range:
        ends = day if each.closes != time(0) else day + _DAY
        return range(instant(day, each.opens, self.zone), instant(ends, each.closes, self.zone))

    @cached_property
    def _known(self) -> dict[date, list[range]]:
        """Days that were asked for: many things keep the same hours."""
        return {}


def _days(first: date, last: date) -> Iterator[date]:
    return (first + number * _DAY for number in range((last - first).days + 1))
