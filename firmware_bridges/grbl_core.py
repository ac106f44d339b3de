"""Talk to a machine with GRBL 1.1: bytes and times in, events and bytes out. Pure; the caller owns port and clock.

    events = core.receive(data, now_ms)      events = core.tick(now_ms)      port.write(core.to_send())

Lines are streamed by character counting, what is urgent goes as a single byte past them. GRBL forgets nothing on its
own and nobody else feeds it, so the first contact is a reset: what ran before is stopped and the laser is off. Nothing
is ever sent that moves or switches the laser on unless it is in an order or a job that the caller gave.
Source: gnea/grbl, doc/markdown/interface.md and commands.md; grbl/protocol.c for what each state lets through.
"""

from collections import deque
from dataclasses import replace
from typing import Final

from firmware_bridges import line_core
from firmware_bridges.grbl_replies import (
    SETTINGS_LOST,
    Alarm,
    Build,
    Error,
    Garbage,
    Ok,
    Reply,
    Report,
    Setting,
    Started,
    parse,
)
from firmware_bridges.grbl_state import CONNECTED, TRANSITIONS, State, Trigger, after
from firmware_bridges.grbl_stream import ASK, BEGINNING, END, HOLD, RESET, RESUME, Order, Stream
from firmware_bridges.grbl_view import Changed, Event, Job, Settings, View
from firmware_bridges.machine_events import Confirmed, Ended, Fault, JobEnded, NotNow, Rejected

_AGAIN_MS: Final = 1_000
_MOST_SETTINGS: Final = 200
_BRAKES: Final = frozenset({"Run", "Jog", "Hold", "Door"})
"""What a feed hold, or the door, brings to a stand without losing the position."""
_STANDS: Final = frozenset({("Hold", 0), ("Door", 0), ("Door", 1)})  # else it slows down, and a reset is an alarm


class GrblCore:
    """One machine's conversation. Not shared between threads."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        self._view = View()
        self._input = line_core.Lines(512)
        self._stream = Stream()
        self._output = bytearray()
        self._events: list[Event] = []
        self._orders: deque[Order] = deque()
        self._number = self._sent = 0
        self._job: Job | None = None
        self._next: str | None = None
        """The job's next line, which did not fit yet."""
        self._closing = 0
        """The order that ends the job, 0 before its lines are through."""
        self._identity = 0
        self._ending, self._why = Ended.CANCELLED, ""
        self._braking = False
        self._reset_ms: int | None = None
        """When a reset was sent that is not confirmed yet."""
        self._now_ms = self._heard_ms = self._asked_ms = self._stop_ms = 0
        self._busy_ms = 0  # when the machine last answered a line, or was not idle
        self._report: Report | None = None

    @property
    def state(self) -> State:
        return self._view.state

    def view(self) -> View:
        stream, resetting = self._stream, self._reset_ms is not None
        return replace(self._view, in_flight=stream.in_flight, most_in_flight=stream.most, resetting=resetting)

    def start(self, now_ms: int) -> None:
        """Begin to talk. Call once, on a link that was just opened."""
        self._now_ms = self._heard_ms = self._stop_ms = now_ms
        self._braking = True
        self._output += HOLD
        self._ask()

    def to_send(self) -> bytes:
        """The bytes to write now. Each is given out once."""
        data = bytes(self._output)
        self._output.clear()
        return data

    def receive(self, data: bytes, now_ms: int) -> list[Event]:
        """Take what the machine said. Never raises, whatever it is."""
        self._now_ms = now_ms
        dropped = self._input.dropped
        for line in self._input.feed(data):
            self._take(parse(line))
        self._view = replace(self._view, noise=self._view.noise + self._input.dropped - dropped)
        self._pump()
        return self._told()

    def tick(self, now_ms: int) -> list[Event]:
        """Let time pass: questions that are due, time-outs. Call several times a second."""
        self._now_ms = now_ms
        if self.state is not State.LOST:
            self._watch()
            self._pump()
        return self._told()

    def order(self, lines: tuple[str, ...]) -> int:
        """Send `lines` before what is left of a job. The number comes back in Confirmed or Rejected. Raises NotNow."""
        if self.state not in CONNECTED or self.state is State.STOPPING:
            raise NotNow(f"the machine is {self.state}")
        return self._queue(lines)

    def run_job(self, job: Job) -> int:
        """Begin a job; the order that comes back is confirmed when the machine is set up for it. Raises NotNow."""
        self._move(Trigger.START)
        self._job, self._next, self._sent, self._closing = job, None, 0, 0
        self._ending, self._why = Ended.CANCELLED, ""
        self._view = replace(self._view, job=job.name, done=0, total=job.total, ended=None)
        number = self._queue(BEGINNING)
        self._pump()
        return number

    def pause(self) -> None:
        """Slow down and stand; the laser goes off in laser mode. Done in state PAUSED. Raises NotNow."""
        self._move(Trigger.PAUSE)
        self._output += HOLD
        self._ask()

    def resume(self) -> None:
        """Go on. GRBL drops this while it still slows down or while its door is open, so it is refused. NotNow."""
        if self._view.door_open:
            raise NotNow("its door is open")
        if self.state not in (State.PAUSED, State.DOOR):
            raise NotNow(f"the machine is {self.state}")
        self._output += RESUME
        self._ask()

    def stop(self, ending: Ended = Ended.CANCELLED, why: str = "") -> None:
        """Stand, then reset: motion, laser and what was planned are over. Raises NotNow while nobody is there."""
        if self.state is State.STOPPING:
            return
        moving = self.state in (State.MOVING, State.CUTTING, State.PAUSING)
        self._move(Trigger.STOP)
        self._ending, self._why, self._stop_ms = ending, why, self._now_ms
        self._drop_orders(why or "stopped")
        if moving or (self._report and self._report.state in _BRAKES):
            self._braking, self._report = True, None
            self._output += HOLD
            self._ask()
        else:
            self._reset()

    def _told(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _move(self, trigger: Trigger) -> None:
        state = after(self.state, trigger)
        if state is not self.state:
            self._events.append(Changed(self.state, state))
        self._view = replace(self._view, state=state)

    def _ask(self) -> None:
        self._output += ASK
        self._asked_ms = self._now_ms

    def _reset(self) -> None:
        self._braking, self._reset_ms = False, self._now_ms
        self._output.clear()
        self._output += RESET
        self._stream.clear()

    def _queue(self, lines: tuple[str, ...]) -> int:
        self._number += 1
        self._orders.append(Order(self._number, deque(lines), len(lines)))
        self._pump()
        return self._number

    def _take(self, reply: Reply) -> None:
        if self.state is State.LOST:
            return
        if isinstance(reply, Garbage):
            self._view = replace(self._view, noise=self._view.noise + 1)
            return
        self._heard_ms = self._now_ms
        self._view = replace(self._view, heard=self._view.heard + 1)
        match reply:
            case Ok() | Error():
                self._answer(reply)
            case Report():
                self._reported(reply)
            case Started(version):
                self._started(version)
            case Alarm():
                self._alarmed(reply)
            case _:
                self._note(reply)

    def _note(self, reply: Reply) -> None:
        match reply:
            case Setting(number, value):
                if len(self._view.settings) < _MOST_SETTINGS:
                    self._view = replace(self._view, settings={**self._view.settings, number: value})
            case Build(version, name):
                self._view = replace(self._view, firmware=f"GRBL {version} {name}".rstrip())
            case _:
                pass

    def _answer(self, reply: Ok | Error) -> None:
        """To the oldest line that waits. One that nobody waits for is to what was sent before a reset."""
        if isinstance(reply, Error) and reply.code == SETTINGS_LOST:
            self._events.append(Fault("settings", str(reply)))
            return
        sent = None if self._reset_ms is not None else self._stream.answered()
        if sent is None:
            return
        self._busy_ms = self._now_ms
        if sent.order:
            self._order_answered(sent.order, str(reply) if isinstance(reply, Error) else "")
        elif isinstance(reply, Error):
            self._fail("refused", f"the machine refused command {sent.number} ({sent.text}): {reply}")
        else:
            self._view = replace(self._view, done=sent.number)

    def _order_answered(self, number: int, trouble: str) -> None:
        order = next((each for each in self._orders if each.number == number), None)
        if order is None:
            return
        order.open -= 1
        if trouble and number != self._identity:  # with its door open GRBL answers `$$` with error:8
            self._orders.remove(order)
            self._events.append(Rejected(number, trouble))
            if self._job and self.state is not State.STOPPING:
                self._fail("refused", trouble)
        elif not order.open:
            self._orders.remove(order)
            self._events.append(Confirmed(number))
            if number == self._closing:
                self._end_job(Ended.DONE)
                self._move(Trigger.STOOD)

    def _reported(self, report: Report) -> None:
        self._report = report
        if report.state != "Idle":
            self._busy_ms = self._now_ms
        offset = report.offset or self._view.offset
        position = report.machine
        if position is None and report.work and offset and len(offset) == len(report.work):
            position = tuple(at + by for at, by in zip(report.work, offset, strict=True))
        self._view = replace(
            self._view,
            told=report.state,
            reports=self._view.reports + 1,
            door_open=report.state == "Door" and report.sub in (1, 2),
            position=position or self._view.position,
            offset=offset,
            feed=self._view.feed if report.feed is None else report.feed,
            speed=self._view.speed if report.speed is None else report.speed,
            overrides=report.overrides or self._view.overrides,
            pins=report.pins,
        )
        if self._reset_ms is not None:  # said before the reset
            return
        if self._braking and (report.state not in _BRAKES or (report.state, report.sub) in _STANDS):
            self._reset()
        elif self.state is State.IDENTIFYING:
            self._identified()
        elif trigger := self._trigger(report):
            if trigger in TRANSITIONS[self.state]:
                self._move(trigger)
            if self.state is State.READY:
                self._view = replace(self._view, fault="")

    def _trigger(self, report: Report) -> Trigger | None:
        match report.state, report.sub:
            case "Alarm", _:
                return Trigger.ALARMED
            case "Sleep", _:
                return Trigger.DOZED
            case "Door", _:
                return Trigger.DOOR_OPENED
            case "Hold", 0:
                return Trigger.HELD
            case "Idle" | "Check", _:
                return Trigger.CUT if self._job else Trigger.STOOD
            case "Run" | "Jog" | "Home", _:
                return Trigger.CUT if self._job else Trigger.RAN
            case _:
                return None

    def _started(self, version: str) -> None:
        expected = self._reset_ms is not None or self.state in (State.CONNECTING, State.ALARM)
        first, stopping = self.state is State.CONNECTING, self.state is State.STOPPING
        if first and self._reset_ms is None:  # it has just booted, and is greeted as every other
            return
        self._reset_ms, self._braking, self._report = None, False, None
        self._stream.clear()
        self._output.clear()
        why = self._why if stopping else "the machine was reset"
        self._end_job(self._ending if stopping else Ended.FAILED, why)
        self._drop_orders(why or "stopped")
        if not expected:
            self._view = replace(self._view, fault=why)
            self._events.append(Fault("restarted", why))
        self._move(Trigger.GREETED if first else Trigger.RESTARTED)
        self._view = replace(self._view, firmware=f"GRBL {version}", settings={}, offset=None, position=None)
        self._busy_ms = self._now_ms
        self._identity = self._queue(("$I", "$$"))
        self._ask()

    def _identified(self) -> None:
        """Both answers and a report have come since the machine started."""
        asked = any(each.number == self._identity for each in self._orders)
        if asked or self._report is None:
            return
        self._move(Trigger.IDENTIFIED)
        self._reported(self._report)

    def _alarmed(self, alarm: Alarm) -> None:
        """After some alarms GRBL is deaf but for a reset, after others it resets itself; reset, all go on alike."""
        if self.state is State.CONNECTING:
            return
        if self._reset_ms is None:
            self._view = replace(self._view, fault=str(alarm))
            self._events.append(Fault("alarm", str(alarm)))
            self._end_job(Ended.FAILED, str(alarm))
            self._drop_orders(str(alarm))
            self._move(Trigger.ALARMED)
            self._reset()
        else:  # the price of a reset while it moves
            self._view = replace(self._view, fault=str(alarm))

    def _fail(self, kind: str, why: str) -> None:
        self._events.append(Fault(kind, why))
        self._view = replace(self._view, fault=why)
        if self.state is not State.STOPPING:
            self.stop(Ended.FAILED, why)

    def _lose(self, why: str) -> None:
        self._move(Trigger.SILENCE)
        self._events.append(Fault("silent", why))
        self._end_job(Ended.FAILED, why)
        self._drop_orders(why)
        self._output.clear()

    def _end_job(self, ended: Ended, text: str = "") -> None:
        if self._job:
            self._events.append(JobEnded(self._job.name, ended, text))
            self._view = replace(self._view, ended=ended)
            self._job = None

    def _drop_orders(self, why: str) -> None:
        self._events += [Rejected(order.number, why) for order in self._orders]
        self._orders.clear()

    def _watch(self) -> None:
        now_ms, settings = self._now_ms, self._settings
        if now_ms - self._heard_ms >= settings.silence_ms:
            self._lose(f"nothing heard for {settings.silence_ms / 1000:g} s")
            return
        braked = self._braking and now_ms - self._stop_ms >= settings.brake_ms
        if braked or (self._reset_ms is not None and now_ms - self._reset_ms >= _AGAIN_MS):
            self._reset()
        if self._stream.waiting and now_ms - self._busy_ms >= settings.answer_ms + self._stream.dwell_ms:
            self._stream.clear()
            self._fail("stuck", "a line or its answer was lost on the way")
        if now_ms - self._asked_ms >= settings.report_ms:
            self._ask()

    def _pump(self) -> None:
        """Send what fits now: orders, then the job."""
        if self._reset_ms is not None or self.state in (State.CONNECTING, State.STOPPING, State.LOST):
            return
        for order in self._orders:
            while order.lines:
                if not self._stream.fits(order.lines[0]):
                    return
                self._send(order.lines.popleft(), order.number)
        if self.state is State.CUTTING and self._job and not self._closing:
            self._pump_job(self._job)

    def _pump_job(self, job: Job) -> None:
        if self._orders:  # its beginning is not confirmed yet
            return
        while self._sent < job.total:
            if self._next is None:
                self._next = next(job.lines, None)
                if self._next is None:
                    self._fail("refused", "the file ended before its end")
                    return
            if not self._stream.fits(self._next):
                return
            self._sent += 1
            self._send(self._next, 0, self._sent)
            self._next = None
        self._closing = self._number + 1
        self._queue(END)

    def _send(self, line: str, order: int, number: int = 0) -> None:
        if not self._stream.waiting:
            self._busy_ms = self._now_ms
        self._output += self._stream.send(line, order, number)
