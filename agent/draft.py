"""What one report will hold, before the outbox numbers it; and how to make it smaller. Pure."""

import json
from dataclasses import dataclass, field, replace

from contract.messages import MAX_SPAN_MS, Point, Report, Series
from contract.model import CommandStatus, ContractError, Event, Gap, Outcome

MERGED_READINGS = 1_000
"""Readings that a merged draft holds at most; far below what one message may carry."""
MERGED_OTHERS = 20
"""Outcomes and events that a merged draft holds at most: their texts may be long."""


@dataclass(frozen=True, slots=True)
class Draft:
    """Readings, outcomes, events and gaps around one moment: `base_ms` by the wall, `mono_ms` since `boot`."""

    base_ms: int
    mono_ms: int = 0
    boot: str = ""
    series: Series = field(default_factory=dict)
    outcomes: tuple[Outcome, ...] = ()
    events: tuple[Event, ...] = ()
    gaps: tuple[Gap, ...] = ()

    @property
    def readings(self) -> int:
        return sum(len(points) for metrics in self.series.values() for points in metrics.values())

    @property
    def count(self) -> int:
        """Items that were produced for it, given up or not."""
        return self.readings + len(self.outcomes) + len(self.events) + sum(gap.count for gap in self.gaps)

    def numbered(self, epoch: str, first: int, number: int) -> Report:
        return Report(
            epoch=epoch,
            number=number,
            first=first,
            count=self.count,
            base_ms=self.base_ms,
            mono_ms=self.mono_ms,
            boot=self.boot,
            series=self.series,
            outcomes=self.outcomes,
            events=self.events,
            gaps=self.gaps,
        )


def read_draft(payload: bytes) -> Draft:
    """The draft of a report that this agent encoded. Raises ContractError for anything else.

    Many times faster than `contract.wire.decode`, which a full outbox would call all day.
    """
    try:
        tree = json.loads(payload)
        series = {
            device: {metric: tuple([(dt, value) for dt, value in points]) for metric, points in metrics.items()}
            for device, metrics in tree.get("series", {}).items()
        }
        return Draft(
            base_ms=tree["base_ms"],
            mono_ms=tree.get("mono_ms", 0),
            boot=tree.get("boot", ""),
            series=series,
            outcomes=tuple(
                Outcome(**{**each, "status": CommandStatus(each["status"])}) for each in tree.get("outcomes", ())
            ),
            events=tuple(Event(**each) for each in tree.get("events", ())),
            gaps=tuple(Gap(**each) for each in tree.get("gaps", ())),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ContractError(f"not a report of this agent: {error}") from None


def halved(draft: Draft, reason: str) -> Draft:
    """Every second point of each series, with the rest declared as a gap. A single point stays: it is the state."""
    dropped: list[int] = []
    series: dict[str, dict[str, tuple[Point, ...]]] = {}
    for device, metrics in draft.series.items():
        series[device] = {}
        for metric, points in metrics.items():
            kept = points[(len(points) + 1) % 2 :: 2]  # counted from the end, so that the last one always stays
            series[device][metric] = kept
            dropped += [dt for dt, _ in points[len(points) % 2 :: 2]]
    return replace(draft, series=series, gaps=joined((*draft.gaps, *_gap(draft.base_ms, dropped, reason))))


def given_up(draft: Draft, reason: str) -> Draft:
    """The draft without its readings, which become a gap. Outcomes and events stay."""
    times = [dt for metrics in draft.series.values() for points in metrics.values() for dt, _ in points]
    return replace(draft, series={}, gaps=joined((*draft.gaps, *_gap(draft.base_ms, times, reason))))


def merged(early: Draft, late: Draft) -> Draft | None:
    """Both in one, or None if they do not fit: another boot, times that do not rise, or too much for one."""
    shift_ms = late.base_ms - early.base_ms
    if early.boot != late.boot or abs(shift_ms) > MAX_SPAN_MS // 2:
        return None
    if early.readings + late.readings > MERGED_READINGS:
        return None
    others = len(early.outcomes) + len(early.events) + len(late.outcomes) + len(late.events)
    if others > MERGED_OTHERS:
        return None
    series: dict[str, dict[str, tuple[Point, ...]]] = {
        device: {metric: tuple((dt - shift_ms, value) for dt, value in points) for metric, points in metrics.items()}
        for device, metrics in early.series.items()
    }
    for device, metrics in late.series.items():
        mine = series.setdefault(device, {})
        for metric, points in metrics.items():
            before = mine.get(metric, ())
            if before and points and before[-1][0] >= points[0][0]:
                return None
            mine[metric] = (*before, *points)
    return replace(
        late,
        series=series,
        outcomes=(*early.outcomes, *late.outcomes),
        events=(*early.events, *late.events),
        gaps=joined((*early.gaps, *late.gaps)),
    )


def joined(gaps: tuple[Gap, ...]) -> tuple[Gap, ...]:
    """One gap a reason, as wide as all of them."""
    by_reason: dict[str, Gap] = {}
    for gap in gaps:
        known = by_reason.get(gap.reason)
        by_reason[gap.reason] = (
            gap
            if known is None
            else Gap(min(known.from_ms, gap.from_ms), max(known.to_ms, gap.to_ms), known.count + gap.count, gap.reason)
        )
    return tuple(by_reason.values())


def _gap(base_ms: int, times: list[int], reason: str) -> tuple[Gap, ...]:
    if not times:
        return ()
    return (Gap(max(0, base_ms + min(times)), max(0, base_ms + max(times)), len(times), reason),)
