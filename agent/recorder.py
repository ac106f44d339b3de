"""Gathers what the workers tell into drafts, and appends one to the outbox every flush."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from agent.clock import Clock
from agent.draft import Draft
from agent.outbox import Outbox
from contract.messages import MAX_PAYLOAD, MAX_SPAN_MS, Point
from contract.model import ContractError, Event, Gap, Outcome, Value

MAX_PENDING = 20_000
"""Readings that wait for the outbox at most; what comes on top is given up and declared as a gap."""
_DRAFT_BYTES = MAX_PAYLOAD // 2
_DRAFT_READINGS = 2_000
_SOON_S = 0.05
_AGAIN_S = 5.0
_STAMP_AGE_MS = 60_000
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Pending:
    """A draft in the making."""

    base_ms: int
    mono_ms: int
    series: dict[str, dict[str, list[Point]]] = field(default_factory=dict)
    readings: int = 0
    bytes: int = 0
    outcomes: list[Outcome] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def fits(self, device: str, at_ms: int, values: Mapping[str, Value | None], size: int) -> bool:
        """Whether the values may join: room, and every series' times keep rising."""
        dt_ms = at_ms - self.base_ms
        if self.readings + len(values) > _DRAFT_READINGS or self.bytes + size > _DRAFT_BYTES:
            return False
        if abs(dt_ms) > MAX_SPAN_MS // 2:
            return False
        known = self.series.get(device, {})
        return all(name not in known or known[name][-1][0] < dt_ms for name in values)

    def add(self, device: str, at_ms: int, values: Mapping[str, Value | None], size: int) -> None:
        metrics = self.series.setdefault(device, {})
        for name, value in values.items():
            metrics.setdefault(name, []).append((at_ms - self.base_ms, value))
        self.readings += len(values)
        self.bytes += size

    def draft(self, boot: str, gaps: tuple[Gap, ...]) -> Draft:
        series = {
            device: {name: tuple(points) for name, points in metrics.items()} for device, metrics in self.series.items()
        }
        return Draft(self.base_ms, self.mono_ms, boot, series, tuple(self.outcomes), tuple(self.events), gaps)


class Recorder:
    """Takes readings, events and outcomes from any thread and never blocks them.

    `appended` is called after each append. With `start` it flushes by itself, `flush_s` after the first reading that
    waits and at once for events and outcomes; without, the owner calls `flush`.
    """

    def __init__(
        self, outbox: Outbox, clock: Clock, flush_s: float = 1.0, appended: Callable[[], None] = lambda: None
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self.flush_s = flush_s
        """May be changed at any time."""
        self._appended = appended
        self._waiting = threading.Condition()
        self._flushing = threading.Lock()
        self._pending: list[_Pending] = []
        self._readings = 0
        self._lost: Gap | None = None
        self._urgent = False
        self._stopping = False
        self._thread: threading.Thread | None = None

    def offer(self, device: str, at_ms: int, values: Mapping[str, Value | None]) -> None:
        """Values of one device at one time."""
        if not values:
            return
        size = 2 * len(device) + sum([len(name) + _size(value) for name, value in values.items()])
        with self._waiting:
            if self._readings + len(values) > MAX_PENDING:
                self._lose(at_ms, len(values))
                return
            if not self._pending or not self._pending[-1].fits(device, at_ms, values, size):
                self._open(at_ms)
            self._pending[-1].add(device, at_ms, values, size)
            if not self._readings:
                self._waiting.notify()  # the others of this flush wake nobody
            self._readings += len(values)

    def tell(self, item: Event | Outcome) -> None:
        """Something that happened. It is written within moments and never given up."""
        size = 200 + 6 * len(item.detail)
        with self._waiting:
            if not self._pending or self._pending[-1].bytes + size > _DRAFT_BYTES:
                self._open(item.at_ms)
            pending = self._pending[-1]
            pending.bytes += size
            if isinstance(item, Event):
                pending.events.append(item)
            else:
                pending.outcomes.append(item)
            self._urgent = True
            self._waiting.notify()

    def flush(self) -> int | None:
        """Append all that waits. The last number that is on disk by now, None if there was none or the disk is full."""
        with self._flushing:
            return self._flush()

    def keep(self) -> bool:
        """Flush. Whether all that was told before is on disk now, whoever brought it there."""
        self.flush()
        return not self._outbox.stalled

    def _flush(self) -> int | None:
        with self._waiting:
            ready, self._pending = self._pending, []
            lost, self._lost = self._lost, None
            self._readings, self._urgent = 0, False
        if lost and not ready:
            ready = [_Pending(max(0, self._clock.now_ms()), self._clock.mono_ms())]
        number = None
        for pending in ready:
            gaps, lost = ((lost,), None) if lost else ((), None)
            try:
                number = self._outbox.append(pending.draft(self._clock.boot, gaps))
            except ContractError as error:
                _log.error("gave up %d readings that no report may hold: %s", pending.readings, error)
                if pending.readings:
                    with self._waiting:
                        self._lose(pending.base_ms, pending.readings)
        if not ready:
            number = self._outbox.settle()
        if ready or number:
            self._appended()
        return number

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Flush and end."""
        with self._waiting:
            self._stopping = True
            self._waiting.notify()
        if self._thread:
            self._thread.join(timeout=5.0)
        self.flush()

    def _run(self) -> None:
        while not self._stopping:
            with self._waiting:
                # while the disk takes nothing, it is asked again although nothing new came
                self._waiting.wait_for(self._due, _AGAIN_S if self._outbox.stalled else None)
                self._waiting.wait_for(lambda: self._urgent or self._stopping, self.flush_s)
            if self._urgent:
                time.sleep(_SOON_S)  # what belongs together comes within moments
            try:
                self.flush()
            except Exception:  # noqa: BLE001 - outermost loop: the next flush may do better
                _log.exception("flush failed")

    def _due(self) -> bool:
        return bool(self._pending or self._lost or self._stopping)

    def _open(self, at_ms: int) -> None:
        ago_ms = self._clock.now_ms() - at_ms
        mono_ms = self._clock.mono_ms()
        if 0 <= ago_ms < _STAMP_AGE_MS:  # else the clock jumped since the stamp
            mono_ms -= ago_ms
        self._pending.append(_Pending(max(0, at_ms), max(0, mono_ms)))

    def _lose(self, at_ms: int, count: int) -> None:
        at_ms = max(0, at_ms)
        lost = self._lost or Gap(at_ms, at_ms, count, "agent")
        if self._lost:
            lost = Gap(min(lost.from_ms, at_ms), max(lost.to_ms, at_ms), lost.count + count, lost.reason)
        self._lost = lost


def _size(value: Value | None) -> int:
    """About the bytes of one point, never fewer than it takes."""
    return 50 + (6 * len(value) if isinstance(value, str) else 0)
