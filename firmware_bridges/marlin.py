"""3D printers with Marlin firmware, on a serial port or behind one that is shared over the network."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, TypeAlias

from contract.model import Value
from device_profiles import gcode
from firmware_bridges import job_file
from firmware_bridges.base import BadReply, BridgeError, Link, LinkLost, Refused
from firmware_bridges.conversation import Conversation, Unconfirmed, Wanted
from firmware_bridges.links import BAUD, open_link, parse_stream
from firmware_bridges.marlin_core import MarlinCore
from firmware_bridges.marlin_state import JOB_STATES, State
from firmware_bridges.marlin_view import Changed, Job, Settings, View
from firmware_bridges.options import Options
from firmware_bridges.preheat import targets

OPEN_S: Final = 12.0
"""A board that restarts when its port is opened runs its boot loader for some seconds first."""
CONFIRM_S: Final = 30.0
_HEAT: Final = {"nozzle": "M104", "bed": "M140"}
Opener: TypeAlias = Callable[[str], Link]


class Talk(Conversation[MarlinCore, View]):
    """`lost_job`: the printer was lost while it worked."""

    lost_job = False

    def _end(self, error: BridgeError) -> None:
        self.lost_job = self.lost_job or self.core.view().state in JOB_STATES
        super()._end(error)

    def _hear(self, event: object) -> None:
        super()._hear(event)
        if isinstance(event, Changed) and event.before in JOB_STATES:
            self.lost_job = self.lost_job or event.state in (State.LOST, State.CONNECTING)


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
        self._talk: Talk | None = None
        self._cool = False
        self._polled: tuple[int, int] = (0, 0)

    def open(self) -> None:
        self.close()
        core = MarlinCore(self._settings)
        talk = Talk(self._opener(self._endpoint), core, core.view, State.LOST, self._now_ms)
        try:
            talk.begin(self._open_s, _greeted, "no printer answers")
        except BaseException:
            talk.close()
            raise
        self._talk, self._polled = talk, (0, 0)
        if self._cool:
            talk.run(_order(self._settings.cancel), self._confirm_s)
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
                talk.run(_resume, self._confirm_s)
            case "stop":
                self._stop(talk)
            case "home":
                self._idle(talk)
                talk.run(_order(("G28", "M400")), 4 * self._confirm_s)
            case "preheat":
                self._idle(talk)
                commands = self._preheat(args)
                talk.run(_order(commands), self._confirm_s)
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

    def _connected(self) -> Talk:
        if self._talk is None:
            raise LinkLost("not open")
        self._talk.check()
        return self._talk

    def _idle(self, talk: Talk) -> None:
        if talk.view.state is not State.READY:
            raise Refused(f"the printer is {talk.view.state}")

    def _print(self, talk: Talk, args: Mapping[str, Value]) -> None:
        self._idle(talk)
        job = job_file.opened_print(args, self._limits)

        def begin(core: MarlinCore) -> Wanted[View]:
            order = core.print_job(Job(job.name, job.commands(), job.count))
            talk.job_file = job.file
            return Wanted(order)

        try:
            talk.run(begin, self._confirm_s)
        except BaseException:
            if talk.job_file is not job.file:
                job.file.close()
            raise

    def _pause(self, talk: Talk) -> None:
        """A printer that is heating up cannot be stopped in between without cooling down: it goes on, and says so."""
        try:
            talk.run(_pause, self._confirm_s)
        except Unconfirmed:
            with suppress(BridgeError):
                talk.run(_resume, self._confirm_s)
            raise Refused(
                "the printer did not come to a stand in time, probably it is heating; the job goes on"
            ) from None

    def _stop(self, talk: Talk) -> None:
        def stop(core: MarlinCore) -> Wanted[View]:
            if core.state is State.CANCELLING:
                return Wanted(done=lambda view: view.state is State.READY, never=_not_cancelling)
            return Wanted(core.cancel() if core.state in JOB_STATES else core.order(self._settings.cancel))

        talk.run(stop, self._confirm_s)

    def _preheat(self, args: Mapping[str, Value]) -> tuple[str, ...]:
        return tuple(f"{_HEAT[name]} S{wanted:g}" for name, wanted in targets(args, self._limits).items())


def _greeted(view: View) -> bool:
    if view.state is State.HALTED:
        raise LinkLost(f"the printer stopped itself: {view.fault}")
    return view.state is State.READY


def _not_cancelling(view: View) -> str:
    return "" if view.state is State.CANCELLING else view.fault or f"the printer is {view.state}"


def _order(lines: tuple[str, ...]) -> Callable[[MarlinCore], Wanted[View]]:
    return lambda core: Wanted(core.order(lines))


def _pause(core: MarlinCore) -> Wanted[View]:
    return Wanted(core.pause())


def _resume(core: MarlinCore) -> Wanted[View]:
    core.resume()
    return Wanted(done=lambda _view: True)


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
