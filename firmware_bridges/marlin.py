"""3D printers with Marlin firmware, on a serial port or behind one that is shared over the network."""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from io import BufferedReader
from typing import Any, Final, TypeAlias

from contract.model import Value
from device_profiles import gcode
from firmware_bridges import job_file
from firmware_bridges.base import BadReply, BridgeError, Link, LinkLost, Refused
from firmware_bridges.job_file import JobFile
from firmware_bridges.links import BAUD, open_link, parse_stream
from firmware_bridges.marlin_core import MarlinCore
from firmware_bridges.marlin_state import JOB_STATES, NotNow, State
from firmware_bridges.marlin_view import Changed, Confirmed, Event, Fault, Job, Rejected, Settings, View
from firmware_bridges.options import Options
from firmware_bridges.preheat import targets

OPEN_S: Final = 12.0
"""A board that restarts when its port is opened runs its boot loader for some seconds first."""
CONFIRM_S: Final = 30.0
_TURN_S: Final = 0.1
_HEAT: Final = {"nozzle": "M104", "bed": "M140"}
_Task: TypeAlias = "Callable[[_Waiter], None]"
Opener: TypeAlias = Callable[[str], Link]


@dataclass(slots=True)
class _Waiter:
    """One action on its way through the conversation's thread. Done when `wanted` events have come."""

    task: _Task
    order: int = 0
    done: Callable[[View], bool] | None = None
    answer: "queue.SimpleQueue[BridgeError | None]" = field(default_factory=queue.SimpleQueue)


class MarlinBridge:
    """One printer. A thread of its own keeps the conversation going between polls, so that a job never waits for one.

    Options: `baud`; `report_s`, `ok_s`, `silence_s`, `open_s`, `confirm_s` in seconds; `cancel`, the commands that
    end a cancelled job; `[limits]`, what a job and preheating may ask for (device_profiles.gcode).

    Actions: `print` (`path`: a file on this computer, `digest`: its SHA-256, `name`) returns when the file was checked
    and the printer answers, right before the first command, which may heat for minutes; `pause` when the machine
    stands; `resume`; `stop` when heaters, fan and motors are off; `home`; `preheat` (`nozzle`, `bed`: degrees Celsius,
    0 is off).

    Nobody else feeds a printer whose job is cut off, so it is not left hot: closing in mid-job stops the job, and a
    printer that was lost in mid-job has its heaters switched off when it is back.
    """

    def __init__(
        self,
        endpoint: str,
        options: Mapping[str, Any],
        *,
        opener: Opener | None = None,
        now_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000,
    ) -> None:
        given = Options(options)
        baud = given.whole("baud", BAUD, 50, 4_000_000)
        parse_stream(endpoint, baud)
        self._endpoint = endpoint
        self._opener = opener or (lambda where: open_link(where, baud=baud))
        self._now_ms = now_ms
        limits = given.table("limits")
        self._limits = gcode.limits(limits) if limits else None
        self._open_s = given.number("open_s", OPEN_S, 0.1, 300)
        self._confirm_s = given.number("confirm_s", CONFIRM_S, 0.1, 3600)
        defaults = Settings()
        self._settings = Settings(
            report_s=given.whole("report_s", defaults.report_s, 1, 60),
            ok_ms=round(1000 * given.number("ok_s", defaults.ok_ms / 1000, 0.1, 3600)),
            silence_ms=round(1000 * given.number("silence_s", defaults.silence_ms / 1000, 0.1, 3600)),
            cancel=given.texts("cancel", defaults.cancel),
        )
        given.done()
        self._talk: _Talk | None = None
        self._cool = False
        self._polled: tuple[int, int] = (0, 0)

    def open(self) -> None:
        self.close()
        talk = _Talk(self._opener(self._endpoint), MarlinCore(self._settings), self._now_ms)
        try:
            talk.begin(self._open_s)
        except BaseException:
            talk.close()
            raise
        self._talk, self._polled = talk, (0, 0)
        if self._cool:
            talk.run(lambda waiter: _order(talk, waiter, self._settings.cancel), self._confirm_s)
            self._cool = False

    def poll(self) -> Mapping[str, Value | None]:
        talk = self._connected()
        view = talk.view
        heard, noise = view.heard - self._polled[0], view.noise - self._polled[1]
        self._polled = (view.heard, view.noise)
        if noise and not heard:
            raise BadReply(f"{noise} answers that are no text; is {self._endpoint} set to the printer's speed?")
        return _values(view)

    def execute(self, action: str, args: Mapping[str, Value]) -> None:
        talk = self._connected()
        if talk.view.state is State.HALTED:
            raise Refused(f"the printer stopped itself ({talk.view.fault}); switch it off and on")
        match action:
            case "print":
                self._print(talk, args)
            case "pause":
                self._pause(talk)
            case "resume":
                talk.run(lambda waiter: _at_once(talk.core.resume, waiter), self._confirm_s)
            case "stop":
                self._stop(talk)
            case "home":
                self._idle(talk)
                talk.run(lambda waiter: _order(talk, waiter, ("G28", "M400")), 4 * self._confirm_s)
            case "preheat":
                self._idle(talk)
                commands = self._preheat(args)
                talk.run(lambda waiter: _order(talk, waiter, commands), self._confirm_s)
            case _:
                raise Refused(f"a Marlin printer has no action {action!r}")

    def close(self) -> None:
        talk, self._talk = self._talk, None
        if talk is None:
            return
        self._cool = self._cool or talk.lost_job
        if talk.view.state in JOB_STATES and not talk.lost_job:
            try:
                self._stop(talk)
            except BridgeError:
                self._cool = True
        talk.close()

    def _connected(self) -> "_Talk":
        if self._talk is None:
            raise LinkLost("not open")
        self._talk.check()
        return self._talk

    def _idle(self, talk: "_Talk") -> None:
        if talk.view.state is not State.READY:
            raise Refused(f"the printer is {talk.view.state}")

    def _print(self, talk: "_Talk", args: Mapping[str, Value]) -> None:
        self._idle(talk)
        job = job_file.opened_print(args, self._limits)
        try:
            talk.run(lambda waiter: _begin(talk, waiter, job), self._confirm_s)
        except BaseException:
            if talk.job_file is not job.file:
                job.file.close()
            raise

    def _pause(self, talk: "_Talk") -> None:
        """A printer that is heating up cannot be stopped in between without cooling down: it goes on, and says so."""

        def pause(waiter: _Waiter) -> None:
            waiter.order = talk.core.pause()

        try:
            talk.run(pause, self._confirm_s)
        except Unconfirmed:
            with suppress(BridgeError):
                talk.run(lambda waiter: _at_once(talk.core.resume, waiter), self._confirm_s)
            raise Refused(
                "the printer did not come to a stand in time, probably it is heating; the job goes on"
            ) from None

    def _stop(self, talk: "_Talk") -> None:
        def stop(waiter: _Waiter) -> None:
            if talk.core.state is State.CANCELLING:
                waiter.done = lambda view: view.state is not State.CANCELLING
            elif talk.core.state in JOB_STATES:
                waiter.order = talk.core.cancel()
            else:
                _order(talk, waiter, self._settings.cancel)

        talk.run(stop, self._confirm_s)

    def _preheat(self, args: Mapping[str, Value]) -> tuple[str, ...]:
        return tuple(f"{_HEAT[name]} S{wanted:g}" for name, wanted in targets(args, self._limits).items())


class _Talk:
    """The conversation with one printer, in its thread. `view` is replaced as a whole, so any thread may read it."""

    def __init__(self, link: Link, core: MarlinCore, now_ms: Callable[[], int]) -> None:
        self.core = core
        self.view = core.view()
        self.job_file: BufferedReader | None = None
        self.lost_job = False
        self._link = link
        self._now_ms = now_ms
        self._tasks: queue.SimpleQueue[_Waiter] = queue.SimpleQueue()
        self._waiters: deque[_Waiter] = deque()
        self._error: BridgeError | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="marlin", daemon=True)

    def begin(self, timeout_s: float) -> None:
        """Greet the printer and wait until it has said who it is. Raises BridgeError."""
        self.core.start(self._now_ms())
        deadline = self._now_ms() + round(timeout_s * 1000)
        while self.core.state is not State.READY:
            if self.core.state is State.HALTED:
                raise LinkLost(f"the printer stopped itself: {self.core.view().fault}")
            if self.core.state is State.LOST or self._now_ms() >= deadline:
                if self.core.view().noise and not self.core.view().heard:
                    raise BadReply("answers that are no text; is the speed right?")
                raise LinkLost("no printer answers")
            self._turn()
        self._thread.start()

    def check(self) -> None:
        """Raises what ended the conversation, if anything has."""
        if self._error:
            raise type(self._error)(*self._error.args)

    def run(self, task: _Task, timeout_s: float) -> None:
        """Run `task` in the conversation's thread and wait for what it waits for. Raises BridgeError."""
        waiter = _Waiter(task)
        self._tasks.put(waiter)
        self.check()  # after that: who ends the conversation answers what waits then, and nobody what comes later
        try:
            error = waiter.answer.get(timeout=timeout_s)
        except queue.Empty:
            self.check()
            raise Unconfirmed(f"the printer did not confirm within {timeout_s:g} s") from None
        if error:
            raise error

    def close(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5)
        self._link.close()
        self._let_file_go()

    def _run(self) -> None:
        try:
            while not self._stop.is_set() and self.core.state is not State.LOST:
                self._turn()
            if self.core.state is State.LOST:
                self._end(LinkLost(self._why))
        except BridgeError as error:
            self._end(error)
        except Exception as error:  # noqa: BLE001 - a defect of ours must not look like a printer that is well
            self._end(BadReply(f"{type(error).__name__}: {error}"))

    _why = "the printer fell silent"

    def _end(self, error: BridgeError) -> None:
        self.lost_job = self.core.view().state in JOB_STATES or self.lost_job
        self._error = error
        for waiter in self._waiters:
            waiter.answer.put(error)
        self._waiters.clear()
        with suppress(queue.Empty):
            while True:
                self._tasks.get_nowait().answer.put(error)

    def _turn(self) -> None:
        if data := self.core.to_send():
            self._link.write(data)
        data = self._link.read(_TURN_S)
        now_ms = self._now_ms()
        events = (self.core.receive(data, now_ms) if data else []) + self.core.tick(now_ms)
        self.view = self.core.view()  # before anybody is answered who looks at it next
        self._hear(events)
        self._take_tasks()
        self.view = self.core.view()
        for waiter in [each for each in self._waiters if each.done and each.done(self.view)]:
            self._answer(waiter, None)

    def _take_tasks(self) -> None:
        while not self._tasks.empty():
            waiter = self._tasks.get()
            self._waiters.append(waiter)
            try:
                waiter.task(waiter)
            except NotNow as error:
                self._answer(waiter, Refused(str(error)))

    def _answer(self, waiter: _Waiter, error: BridgeError | None) -> None:
        self._waiters.remove(waiter)
        waiter.answer.put(error)

    def _hear(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Confirmed | Rejected):
                for waiter in [each for each in self._waiters if each.order == event.order]:
                    self._answer(waiter, self._rejection(event.text) if isinstance(event, Rejected) else None)
            elif isinstance(event, Fault):
                self._why = event.text
                for waiter in [each for each in self._waiters if each.done]:
                    self._answer(waiter, self._rejection(event.text))
            elif isinstance(event, Changed) and event.before in JOB_STATES and event.state not in JOB_STATES:
                self.lost_job = self.lost_job or event.state in (State.LOST, State.CONNECTING)
                self._let_file_go()

    def _rejection(self, text: str) -> BridgeError:
        return LinkLost(text) if self.core.state is State.LOST else Refused(text)

    def _let_file_go(self) -> None:
        file, self.job_file = self.job_file, None
        if file:
            file.close()


class Unconfirmed(BadReply):
    """The printer lives, and has not confirmed in time what it was told."""


def _at_once(act: Callable[[], None], waiter: _Waiter) -> None:
    act()
    waiter.done = lambda _view: True


def _order(talk: _Talk, waiter: _Waiter, lines: tuple[str, ...]) -> None:
    waiter.order = talk.core.order(lines)


def _begin(talk: _Talk, waiter: _Waiter, job: JobFile) -> None:
    waiter.order = talk.core.print_job(Job(job.name, job.commands(), job.count))
    talk.job_file = job.file


def _values(view: View) -> dict[str, Value | None]:
    temperatures = view.temperatures
    printing = view.state in JOB_STATES
    done = view.sent - 1 if view.state is State.PRINTING else view.sent
    return {
        "state": str(view.state),
        "printing": printing,
        "nozzle-temperature": temperatures.nozzle.actual if temperatures.nozzle else None,
        "nozzle-target": temperatures.nozzle.target if temperatures.nozzle else None,
        "bed-temperature": temperatures.bed.actual if temperatures.bed else None,
        "bed-target": temperatures.bed.target if temperatures.bed else None,
        "job": view.job,
        "progress": round(100 * max(done, 0) / view.total, 1) if view.total else 0.0,
        "job-result": str(view.ended) if view.ended else "",
        "fault": view.fault,
        "waits-for-user": view.waits_for_user,
        "resends": view.resends,
        "firmware": view.firmware.name if view.firmware else None,
    }
