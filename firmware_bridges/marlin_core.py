"""Talk to a Marlin printer: bytes and times in, events and bytes out. Pure; the caller owns the port and the clock.

    events = core.receive(data, now_ms)      events = core.tick(now_ms)      port.write(core.to_send())

Lines go numbered and with a checksum, one at a time. Nothing is ever sent that heats or moves unless it is in an order
or a job that the caller gave.
"""

from collections import deque
from dataclasses import dataclass, replace
from typing import Final

from firmware_bridges import line_core, marlin_lines
from firmware_bridges.machine_events import Confirmed, Ended, Fault, JobEnded, NotNow, Rejected
from firmware_bridges.marlin_replies import (
    Action,
    Busy,
    Capability,
    Failed,
    Firmware,
    Garbage,
    Heater,
    Ok,
    Reply,
    Resend,
    Started,
    Temperatures,
    Trouble,
    Unknown,
    parse,
)
from firmware_bridges.marlin_state import TRANSITIONS, State, Trigger, after
from firmware_bridges.marlin_view import Changed, Event, Job, Settings, View

_HELLO: Final = b"\n" + marlin_lines.encode(0, "M110 N0")
_HELLO_MS: Final = 2_000
_TRIES: Final = 3
_PATIENT: Final = frozenset(
    (
        *("G4", "G28", "G29", "G33", "G34", "G76", "G80", "M0", "M1", "M109", "M116", "M190", "M191", "M226"),
        *("M303", "M400", "M600", "M701", "M702"),
    )
)
"""Commands that may take minutes. Their ok is asked for seldom, as long as the printer shows life."""
_PATIENT_MS: Final = 120_000


@dataclass(slots=True)
class _Order:
    number: int
    lines: deque[str]
    settles: bool = False
    last_line: int = 0


class MarlinCore:
    """One printer's conversation. Not shared between threads."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.capabilities: dict[str, bool] = {}
        self._settings = settings or Settings()
        self._view = View()
        self._input = line_core.Lines()
        self._lines = marlin_lines.Lines()
        self._output = bytearray()
        self._events: list[Event] = []
        self._orders: deque[_Order] = deque()
        self._current: _Order | None = None
        self._number = 0
        self._refused = False
        """The printer's next ok belongs to a line that it refused before we greeted it."""
        self._job: Job | None = None
        self._ending = Ended.DONE
        self._command = ""
        self._hello_ms = 0
        self._heard_ms = 0
        self._temperatures_ms = 0
        self._tries = 0
        self._now_ms = 0

    @property
    def state(self) -> State:
        return self._view.state

    def view(self) -> View:
        return replace(self._view, resends=self._lines.resends)

    def start(self, now_ms: int) -> None:
        """Begin to talk. Call once, on a link that was just opened."""
        self._now_ms = self._heard_ms = now_ms
        self._hello()

    def to_send(self) -> bytes:
        """The bytes to write now. Each is given out once."""
        data = bytes(self._output)
        self._output.clear()
        return data

    def receive(self, data: bytes, now_ms: int) -> list[Event]:
        """Take what the printer said. Never raises, whatever it is."""
        self._now_ms = now_ms
        dropped = self._input.dropped
        for line in self._input.feed(data):
            for reply in parse(line):
                self._take(reply)
            self._pump()
        self._view = replace(self._view, noise=self._view.noise + self._input.dropped - dropped)
        return self._told()

    def tick(self, now_ms: int) -> list[Event]:
        """Let time pass: time-outs, questions that are due. Call a few times a second."""
        self._now_ms = now_ms
        if self.state is State.CONNECTING and now_ms - self._hello_ms >= _HELLO_MS:
            self._hello()
        self._watch()
        self._pump()
        return self._told()

    def order(self, lines: tuple[str, ...], *, settles: bool = False) -> int:
        """Send `lines` before what is left of a job. The number comes back in Confirmed or Rejected. Raises NotNow."""
        if self.state in (State.CONNECTING, State.IDENTIFYING, State.HALTED, State.LOST):
            raise NotNow(f"the printer is {self.state}")
        self._number += 1
        self._orders.append(_Order(self._number, deque(lines), settles))
        self._pump()
        return self._number

    def print_job(self, job: Job) -> int:
        """Begin a job; the order that comes back is confirmed when the printer answers, before the first command.

        Raises NotNow.
        """
        self._move(Trigger.START)
        self._job = job
        self._view = replace(self._view, job=job.name, sent=0, total=job.total, ended=None)
        return self.order(("M105",))

    def pause(self) -> int:
        """Send no more of the job, and wait until the machine stands. Raises NotNow."""
        self._move(Trigger.PAUSE)
        return self.order(("M400",), settles=True)

    def resume(self) -> None:
        """Go on with the job; a pause that is still under way is dropped. Raises NotNow."""
        self._move(Trigger.RESUME)
        for order in [each for each in self._orders if each.settles]:
            self._orders.remove(order)
            self._events.append(Rejected(order.number, "resumed"))
        if self._current and self._current.settles:
            self._current.settles = False
        self._pump()

    def cancel(self, ending: Ended = Ended.CANCELLED) -> int:
        """End the job with `Settings.cancel`: heaters, fan and motors off. Raises NotNow if there is none."""
        self._move(Trigger.CANCEL)
        self._ending = ending
        if self.capabilities.get("EMERGENCY_PARSER"):
            self._output += b"M108\n"  # ends a wait for heat at once
        self._drop_orders("cancelled")
        return self.order(self._settings.cancel, settles=True)

    def _told(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _hello(self) -> None:
        self._hello_ms = self._now_ms
        self._output += _HELLO

    def _move(self, trigger: Trigger) -> None:
        state = after(self.state, trigger)
        if state is not self.state:
            self._events.append(Changed(self.state, state))
        self._view = replace(self._view, state=state)

    def _take(self, reply: Reply) -> None:
        if self.state is State.LOST or (self.state is State.HALTED and not isinstance(reply, Started)):
            return
        if isinstance(reply, Garbage):
            self._view = replace(self._view, noise=self._view.noise + 1)
            return
        self._heard_ms = self._now_ms
        self._view = replace(self._view, heard=self._view.heard + 1)
        match reply:
            case Ok(number):
                self._ok(number)
            case Resend(number):
                self._resend(number)
            case Started():
                self._restarted("the printer restarted")
            case Failed(trouble, text):
                self._halted(trouble, text)
            case Action(name):
                self._asked_at_display(name)
            case Unknown(text):
                self._unknown(text)
            case _:
                self._note(reply)

    def _note(self, reply: Reply) -> None:
        match reply:
            case Temperatures():
                self._temperatures_ms = self._now_ms
                self._view = replace(self._view, temperatures=_merged(self._view.temperatures, reply))
            case Busy(user):
                self._lines.sent_ms = self._now_ms
                self._view = replace(self._view, waits_for_user=user)
            case Firmware():
                self._view = replace(self._view, firmware=reply)
            case Capability(name, present):
                if len(self.capabilities) < 100:
                    self.capabilities[name] = present
            case _:
                pass

    def _ok(self, number: int | None) -> None:
        if self.state is State.CONNECTING:
            if self._refused:
                self._refused = False
                return
            self._move(Trigger.GREETED)
            self._view = replace(self._view, firmware=None)
            self._lines = _fresh(self._lines)
            self._send("M115")
            return
        if self.state is State.IDENTIFYING:
            if not self._view.firmware:  # an ok to an earlier greeting
                return
            self._lines.ok(self._now_ms, number)
            self._move(Trigger.IDENTIFIED)
            self._temperatures_ms = self._now_ms
            reports = self.capabilities.get("AUTOREPORT_TEMP", False)
            self.order((f"M155 S{self._settings.report_s}", "M105") if reports else ("M105",))
            return
        self._lines.ok(self._now_ms, number)
        self._tries = 0
        self._view = replace(self._view, waits_for_user=False)
        self._confirm()

    def _resend(self, number: int) -> None:
        if self.state is State.CONNECTING:  # about a line of an earlier conversation
            return
        try:
            self._lines.asked_again(number)
        except marlin_lines.OutOfStep as error:
            self._restarted(str(error))
            self._refused = True
        else:
            self._tries = 0
            self._confirm()

    def _confirm(self) -> None:
        order = self._current
        if order and not order.lines and order.last_line <= self._lines.acknowledged:
            self._current = None
            self._events.append(Confirmed(order.number))
            if order.settles and Trigger.SETTLED in TRANSITIONS[self.state]:
                before = self.state
                self._move(Trigger.SETTLED)
                if before is not State.PAUSING:
                    self._end_job(self._ending)

    def _unknown(self, text: str) -> None:
        if self._current and not self._current.lines:
            self._events.append(Rejected(self._current.number, text))

    def _asked_at_display(self, name: str) -> None:
        wanted = {"pause": self.pause, "paused": self.pause, "resume": self.resume, "resumed": self.resume}
        wanted["cancel"] = self.cancel
        try:
            if name in wanted:
                wanted[name]()
        except NotNow:
            pass

    def _restarted(self, why: str) -> None:
        was = self.state
        if was is State.CONNECTING:
            self._hello()
            return
        self._move(Trigger.RESTARTED)
        if was not in (State.IDENTIFYING, State.HALTED):
            self._events.append(Fault("restarted", why))
        self._end_job(Ended.FAILED, why)
        self._drop_orders(why)
        self._view = replace(self._view, fault="", temperatures=Temperatures())
        self._tries = 0
        self._hello()

    def _halted(self, trouble: Trouble, text: str) -> None:
        if self.state is State.HALTED:
            return
        self._move(Trigger.HALT)
        self._view = replace(self._view, fault=text, temperatures=Temperatures())
        self._events.append(Fault(trouble.value, text))
        self._end_job(Ended.FAILED, text)
        self._drop_orders(text)
        self._output.clear()

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
        if self._current:
            self._orders.appendleft(self._current)
        self._current = None
        self._events += [Rejected(order.number, why) for order in self._orders]
        self._orders.clear()

    def _watch(self) -> None:
        if self.state in (State.HALTED, State.LOST):
            return
        if self._now_ms - self._heard_ms >= self._settings.silence_ms:
            self._lose(f"nothing heard for {self._settings.silence_ms // 1000} s")
            return
        patient = self._command in _PATIENT
        patience_ms = _PATIENT_MS if patient else self._settings.ok_ms
        if not self._lines.waiting or self._now_ms - self._lines.sent_ms < patience_ms:
            return
        if self._tries == _TRIES and not patient:
            self._lose(f"no ok to {self._command} after {_TRIES} tries")
            return
        self._tries += 1
        self._output += self._lines.repeat(self._now_ms)

    def _pump(self) -> None:
        """Send what may go now: what was asked for again, then orders, then the job."""
        if self.state in (State.CONNECTING, State.IDENTIFYING, State.HALTED, State.LOST):
            return
        self._output += self._lines.replay(self._now_ms)
        if not self._lines.idle(self._now_ms):
            return
        self._ask_temperatures()
        if self._current is None and self._orders:
            self._current = self._orders.popleft()
        if self._current and self._current.lines:
            self._send(self._current.lines.popleft())
            self._current.last_line = self._lines.last
        elif self.state is State.PRINTING and self._current is None:
            self._next_of_job()

    def _next_of_job(self) -> None:
        line = next(self._job.lines, None) if self._job else None
        if line is not None:
            self._send(line)
            self._view = replace(self._view, sent=self._view.sent + 1)
        elif self._view.sent < self._view.total:
            self.cancel(Ended.FAILED)
        else:
            self._move(Trigger.EXHAUSTED)
            self._ending = Ended.DONE
            self.order(("M400",), settles=True)

    def _ask_temperatures(self) -> None:
        """Ask when no report came of itself: the printer has none, or one was lost."""
        patience = 3 if self.capabilities.get("AUTOREPORT_TEMP") else 1
        if self._now_ms - self._temperatures_ms >= self._settings.report_s * 1000 * patience:
            self._temperatures_ms = self._now_ms
            self._number += 1
            self._orders.append(_Order(self._number, deque(("M105",))))

    def _send(self, line: str) -> None:
        self._command = line.partition(" ")[0]
        self._output += self._lines.send(line, self._now_ms)


def _fresh(lines: marlin_lines.Lines) -> marlin_lines.Lines:
    fresh = marlin_lines.Lines()
    fresh.resends = lines.resends
    return fresh


def _merged(old: Temperatures, new: Temperatures) -> Temperatures:
    """While it waits for heat, Marlin tells one heater only, and no target."""
    return Temperatures(_warmer(old.nozzle, new.nozzle), _warmer(old.bed, new.bed))


def _warmer(old: Heater | None, new: Heater | None) -> Heater | None:
    if new and new.target is None and old:
        return Heater(new.actual, old.target)
    return new or old
