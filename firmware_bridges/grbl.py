"""Laser cutters, engravers and mills with GRBL 1.1 firmware, on a serial port or behind one shared over the network."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, TypeAlias

from contract.model import Value
from device_profiles.gcode import cut
from firmware_bridges import job_file
from firmware_bridges.base import BadReply, BridgeError, Link, LinkLost, Refused
from firmware_bridges.conversation import Conversation, Wanted
from firmware_bridges.grbl_core import GrblCore
from firmware_bridges.grbl_state import BUSY, CONNECTED, State
from firmware_bridges.grbl_view import Job, Settings, View
from firmware_bridges.links import BAUD, open_link, parse_stream
from firmware_bridges.machine_events import NotNow
from firmware_bridges.options import Options

OPEN_S: Final = 8.0
"""A board that restarts when its port is opened runs its boot loader first."""
CONFIRM_S: Final = 20.0
HOME_S: Final = 120.0
JOG_MM_MIN: Final = 1500.0
_FULL_POWER, _LASER_MODE = 30, 32
Opener: TypeAlias = Callable[[str], Link]
Talk: TypeAlias = Conversation[GrblCore, View]


class GrblBridge:
    """One machine. The conversation has a thread of its own (conversation.py).

    Options: `baud`; `silence_s`, `answer_s`, `brake_s`, `open_s`, `confirm_s`, `home_s` in seconds; `jog_mm`, the
    furthest jog in millimetres, 0 for none; `[limits]`, what a job may ask for (device_profiles.gcode.cut).

    Actions: `cut` (`path`: a file on this computer, `digest`: its SHA-256, `name`) returns when the file was checked
    and the machine is set up for it, right before the first command; `pause` when the machine stands, laser off;
    `resume`; `stop` when it was reset after it stood, in any state; `home`; `clear-alarm`; `jog` (`x`, `y`:
    millimetres from here, laser off) when it is planned.

    Nobody else feeds a machine whose job is cut off: closing in mid-job stops it, and the first contact always resets.
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
        self._limits = cut.limits(limits) if limits else None
        self._open_s = given.number("open_s", OPEN_S, 0.1, 300)
        self._confirm_s = given.number("confirm_s", CONFIRM_S, 0.1, 3600)
        self._home_s = given.number("home_s", HOME_S, 0.1, 3600)
        self._jog_mm = given.number("jog_mm", 50.0, 0, 1000)
        defaults = Settings()
        self._settings = Settings(
            silence_ms=round(1000 * given.number("silence_s", defaults.silence_ms / 1000, 0.5, 3600)),
            answer_ms=round(1000 * given.number("answer_s", defaults.answer_ms / 1000, 0.1, 3600)),
            brake_ms=round(1000 * given.number("brake_s", defaults.brake_ms / 1000, 0.1, 60)),
        )
        given.done()
        self._talk: Talk | None = None
        self._polled: tuple[int, int] = (0, 0)

    def open(self) -> None:
        self.close()
        core = GrblCore(self._settings)
        talk = Conversation(self._opener(self._endpoint), core, core.view, State.LOST, self._now_ms)
        try:
            talk.begin(self._open_s, lambda view: view.state in CONNECTED, "no machine with GRBL answers")
        except BaseException:
            talk.close()
            raise
        self._talk, self._polled = talk, (0, 0)

    def poll(self) -> Mapping[str, Value | None]:
        talk = self._connected()
        view = talk.view
        heard, noise = view.heard - self._polled[0], view.noise - self._polled[1]
        self._polled = (view.heard, view.noise)
        if noise and not heard:
            raise BadReply(f"{noise} answers that are no text; is {self._endpoint} set to the machine's speed?")
        return _values(view)

    def execute(self, action: str, args: Mapping[str, Value]) -> None:
        talk = self._connected()
        if action != "stop":
            talk.run(_settled, self._confirm_s)
        match action:
            case "cut":
                self._cut(talk, args)
            case "pause":
                talk.run(_pause, self._confirm_s)
            case "resume":
                talk.run(_resume, self._confirm_s)
            case "stop":
                talk.run(_stop, self._confirm_s)
            case "home":
                _idle(talk.view, State.ALARM)
                self._tell(talk, "$H", self._home_s)
            case "clear-alarm":
                if talk.view.state is not State.ALARM:
                    raise Refused("there is no alarm")
                self._tell(talk, "$X", self._confirm_s)
            case "jog":
                self._jog(talk, args)
            case _:
                raise Refused(f"a GRBL machine has no action {action!r}")

    def close(self) -> None:
        talk, self._talk = self._talk, None
        if talk is None:
            return
        if talk.view.state in BUSY:
            with suppress(BridgeError):
                talk.run(_stop, self._confirm_s)
        talk.close()

    def _connected(self) -> Talk:
        if self._talk is None:
            raise LinkLost("not open")
        self._talk.check()
        return self._talk

    def _jog(self, talk: Talk, args: Mapping[str, Value]) -> None:
        _idle(talk.view)
        words = ""
        for axis in ("x", "y"):
            by = args.get(axis, 0.0)
            if isinstance(by, bool | str) or not -self._jog_mm <= by <= self._jog_mm:
                raise Refused(f"{axis}: at most {self._jog_mm:g} mm at once")
            words += f" {axis.upper()}{by:.3f}" if by else ""
        if not words:
            raise Refused("jog wants x, y or both")
        self._tell(talk, f"$J=G91 G21{words} F{JOG_MM_MIN:g}", self._confirm_s)

    def _tell(self, talk: Talk, line: str, timeout_s: float) -> None:
        """One line; on return the machine has taken it, and its state is one of after that."""
        talk.run(lambda core: Wanted(core.order((line,))), timeout_s)
        talk.run(_seen, self._confirm_s)

    def _cut(self, talk: Talk, args: Mapping[str, Value]) -> None:
        _idle(talk.view)
        if self._limits is None:
            raise Refused("the profile does not say what a job may ask for")
        _set_up(talk.view, self._limits)
        limits = self._limits
        given = job_file.opened(args, lambda lines: cut.review(lines, limits))
        file = given.file
        try:
            job = Job(given.name, cut.commands(given.lines()), given.count)

            def begin(core: GrblCore) -> Wanted[View]:
                order = core.run_job(job)
                talk.job_file = file
                return Wanted(order)

            talk.run(begin, self._confirm_s)
        except BaseException:
            if talk.job_file is not file:
                file.close()
            raise


def _idle(view: View, *also: State) -> None:
    if view.state not in (State.READY, *also):
        raise Refused(f"the machine is {view.state}{f' ({view.fault})' if view.fault else ''}")


def _set_up(view: View, limits: cut.CutLimits) -> None:
    """The machine's own settings are those that a job is checked against. Raises Refused."""
    full, laser = view.settings.get(_FULL_POWER), view.settings.get(_LASER_MODE)
    if limits.laser and laser != 1:
        raise Refused("laser mode is off ($32); the beam would stay on while the machine stands")
    if full != limits.full_power_s:
        raise Refused(f"full power is S{full or 0:g} on the machine ($30), S{limits.full_power_s:g} in its profile")


def _settled(_core: GrblCore) -> Wanted[View]:
    """After an alarm or a reset by somebody at the machine it is asked for a moment who and how it is."""
    return Wanted(done=lambda view: view.state in CONNECTED and not view.resetting)


def _seen(core: GrblCore) -> Wanted[View]:
    """The next report may have been on its way already; the one after it was not."""
    wanted = core.view().reports + 2
    return Wanted(done=lambda view: view.reports >= wanted)


def _pause(core: GrblCore) -> Wanted[View]:
    core.pause()
    return Wanted(
        done=lambda view: view.state in (State.PAUSED, State.DOOR),
        never=lambda view: "" if view.state is State.PAUSING else f"the machine is {view.state}",
    )


def _resume(core: GrblCore) -> Wanted[View]:
    core.resume()
    return Wanted(
        done=lambda view: view.state in (State.CUTTING, State.MOVING, State.READY),
        never=lambda view: (
            "" if view.state in (State.PAUSED, State.DOOR, State.PAUSING) else f"the machine is {view.state}"
        ),
    )


def _stop(core: GrblCore) -> Wanted[View]:
    if core.state not in CONNECTED and core.state is not State.IDENTIFYING:
        raise NotNow(f"the machine is {core.state}")
    core.stop()
    return Wanted(done=lambda view: view.state in CONNECTED and view.state is not State.STOPPING)


def _values(view: View) -> dict[str, Value | None]:
    at = view.position
    full = view.settings.get(_FULL_POWER, 0.0)
    return {
        "state": str(view.state),
        "cutting": view.state in BUSY,
        "door-open": view.door_open or "D" in view.pins,
        "x": at[0] if at else None,
        "y": at[1] if at else None,
        "feed": view.feed,
        "laser-power": round(100 * view.speed / full, 1) if view.speed is not None and full > 0 else None,
        "job": view.job,
        "progress": round(100 * view.done / view.total, 1) if view.total else 0.0,
        "job-result": str(view.ended) if view.ended else "",
        "fault": view.fault,
        "firmware": view.firmware or None,
    }
