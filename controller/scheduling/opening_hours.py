"""When a room or machine may be used at all, lessons or not. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Final

from controller.scheduling.school_time import TICK_MS, Holiday, SchoolTimeError, instant

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Open:
    """Open on a weekday (0 is Monday) from `opens` to `closes`; midnight as `closes` is the end of the day."""

    weekday: int
    opens: time
    closes: time

    def __post_init__(self) -> None:
        if self.weekday not in range(7) or (self.closes != time(0) and self.opens >= self.closes):
            raise SchoolTimeError("opening hours have weekdays 0 to 6 and end after they begin")


@dataclass(frozen=True, slots=True)
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
        found: list[range] = []
        day = datetime.fromtimestamp(span_ms.start / 1000, self.zone).date() - _DAY
        while (midnight := instant(day, time(0), self.zone)) < span_ms.stop:
            for each in self._on(day):
                if found and each.start <= found[-1].stop:
                    found[-1] = range(found[-1].start, max(found[-1].stop, each.stop))
                elif each.stop > span_ms.start or each.stop == midnight:
                    found.append(each)
            day += _DAY
        return [each for each in found if each.start < span_ms.stop and span_ms.start < each.stop]

    def _on(self, day: date) -> list[range]:
        if any(day in each for each in self.closed):
            return []
        today = sorted((each for each in self.weekly if each.weekday == day.weekday()), key=lambda each: each.opens)
        return [
            range(
                instant(day, each.opens, self.zone),
                instant(day, each.closes, self.zone)
                if each.closes != time(0)
                else instant(day + _DAY, time(0), self.zone),
            )
            for each in today
        ]
