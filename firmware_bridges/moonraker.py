"""3D printers with Klipper, by Moonraker's websocket; files go by HTTP."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from contract.model import Value
from firmware_bridges import job_file
from firmware_bridges import moonraker_core as core
from firmware_bridges.base import BadReply, LinkLost, Refused
from firmware_bridges.options import Options
from firmware_bridges.preheat import targets
from firmware_bridges.printer_server import expect, not_now, told
from firmware_bridges.printer_view import PrinterView, State, file_name, job_name
from firmware_bridges.rest import Rest
from firmware_bridges.tree import Tree
from firmware_bridges.websocket_link import Overdue, WebsocketLink

_BEGINS_S = 0.25
"""So long after its answer a restart has begun for sure."""
_HEATERS = {"nozzle": "extruder", "bed": "heater_bed"}
_STOPPED = (State.HALTED, State.DISCONNECTED)


class MoonrakerBridge:
    """One printer at `http://host[:port]`, port 7125 if none is said, or `https://host[:port]`.

    Options: `key` or `key_file`, Moonraker's API key, where it wants one; `ca_file` or `fingerprint`;
    `connect_s`, `reply_s`, `confirm_s`, `upload_s` in seconds; `[limits]`, what a job and preheating may ask for
    (device_profiles.gcode).

    Actions: `print` (`path`: a file on this computer, `digest`: its SHA-256, `name`) returns when Klipper says that it
    prints this file; `pause` when it stands; `resume`; `stop` when the job has ended and the heaters are off, which
    Klipper does not begin while it waits for a heater; `home`; `preheat` (`nozzle`, `bed`: degrees Celsius, 0 is off);
    `emergency-stop` when Klipper has shut down; `restart` of Klipper and its micro-controllers when it is ready again.

    The printer goes on by itself when this bridge is closed or its computer is off.
    """

    def __init__(self, endpoint: str, options: Mapping[str, Any]) -> None:
        given = Options(options)
        self._server = told(endpoint, given, core.PORT)
        given.done()
        self._link: WebsocketLink | None = None
        self._number = 0
        self._last = core.LastJob()
        self._totals = core.Totals()
        self._recalled: core.Print | None = None
        self._spoiled = False
        """The connection was given up for what was said on it, so the next poll tries another."""

    def open(self) -> None:
        self.close()
        self._number, self._recalled = 0, None
        key = self._server.key.read()
        headers = [f"X-Api-Key: {key}"] if key else []
        self._link = WebsocketLink(
            self._server.site, "/websocket", headers, self._server.patience.connect_s, self._server.patience.reply_s
        )
        try:
            who = {"client_name": "fabfleet", "version": "1", "type": "other", "url": "fabfleet"}
            self._identify({**who, "api_key": key} if key else who)
        except BaseException:
            self.close()
            raise

    def _open_anew(self) -> None:
        try:
            self.open()
        except BadReply:
            self._spoiled = True
            raise

    def _identify(self, who: Mapping[str, object]) -> None:
        try:
            self._call("server.connection.identify", who)
        except Refused:
            raise self._server.unknown() from None

    def poll(self) -> Mapping[str, Value | None]:
        if self._spoiled:
            self._open_anew()
        view = self._view()
        return {**view.values(), "print-time": _rounded(self._totals.hours), "filament": _rounded(self._totals.metres)}

    def execute(self, action: str, args: Mapping[str, Value]) -> None:
        match action:
            case "print":
                self._print(args)
            case "pause":
                self._at_work()
                self._command("printer.print.pause")
                self._until(lambda view: view.state is State.PAUSED, "does not stand")
            case "resume":
                if self._at_work().state is not State.PAUSED:
                    raise Refused("the printer is printing, not paused")
                self._command("printer.print.resume")
                self._until(lambda view: view.state is not State.PAUSED, "stays paused")
            case "stop":
                self._stop()
            case "home":
                self._idle()
                self._script("G28")
            case "preheat":
                self._idle()
                self._heat(targets(args, self._server.limits))
            case "emergency-stop":
                self._command("printer.emergency_stop")
                self._until(lambda view: view.state in _STOPPED, "runs on")
            case "restart":
                self._restart()
            case _:
                raise Refused(f"a printer with Klipper has no action {action!r}")

    def close(self) -> None:
        self._spoiled = False
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def _print(self, args: Mapping[str, Value]) -> None:
        self._idle()
        job = self._server.job(args)
        with job.file:
            path = f"{core.FOLDER}/{file_name(job.name)}"
            self._upload(job, path)
            self._command("printer.print.start", {"filename": path})
        mine = job_name(path)
        self._until(
            lambda view: view.job == mine and (view.at_work or view.ended is not None), "does not begin the job"
        )
        self._tidy(path)

    def _upload(self, job: job_file.JobFile, path: str) -> None:
        key = self._server.key.read()
        folder, _, name = path.partition("/")
        answer = Rest(self._server.site, self._server.patience).upload(
            "/server/files/upload",
            {"X-Api-Key": key} if key else {},
            {"root": "gcodes", "path": folder, "checksum": job.digest, "print": "false"},
            name,
            job.file,
        )
        if not answer.good:
            raise Refused(f"Moonraker does not take the file ({answer.status})")

    def _tidy(self, kept: str) -> None:
        """Remove earlier jobs of ours, so that the printer's disk never fills up."""
        with suppress(Refused, BadReply):
            listed = self._ask("server.files.get_directory", {"path": f"gcodes/{core.FOLDER}"})
            for file in Tree(listed).tables("files"):
                path = f"{core.FOLDER}/{file.text('filename')}"
                if path != kept:
                    self._ask("server.files.delete_file", {"path": f"gcodes/{path}"})

    def _stop(self) -> None:
        view = self._view()
        if view.state in _STOPPED:
            raise not_now(view)
        if view.at_work:
            self._command("printer.print.cancel", late="Klipper waits for a heater and stops after that")
        self._script("TURN_OFF_HEATERS")
        self._until(lambda view: not view.at_work and not view.nozzle.target and not view.bed.target, "does not stop")

    def _heat(self, wanted: Mapping[str, float]) -> None:
        for name, celsius in wanted.items():
            self._script(f"SET_HEATER_TEMPERATURE HEATER={_HEATERS[name]} TARGET={celsius:g}")
        self._until(
            lambda view: all(getattr(view, name).target == celsius for name, celsius in wanted.items()),
            "does not take the temperature",
        )

    def _restart(self) -> None:
        if self._view().state is State.DISCONNECTED:
            raise Refused("Klipper does not run on the printer's computer")
        self._command("printer.firmware_restart")
        self._server.pause(_BEGINS_S)
        self._until(lambda view: view.state is State.READY, "does not come back")

    def _idle(self) -> None:
        expect(self._view(), State.READY)

    def _at_work(self) -> PrinterView:
        view = self._view()
        if not view.at_work:
            raise not_now(view)
        return view

    def _script(self, line: str) -> None:
        self._command("printer.gcode.script", {"script": line})

    def _until(self, reached: Callable[[PrinterView], bool], wrong: str) -> None:
        self._server.until(self._view, reached, wrong)

    def _view(self) -> PrinterView:
        server = core.server(self._ask("server.info"))
        klippy, printer = server.klippy, core.Printer()
        try:
            if klippy in core.HAS_TOLD:
                printer = core.printer(self._ask("printer.objects.query", {"objects": core.OBJECTS}))
                self._recall(printer.print)
            elif klippy is not core.Klippy.DISCONNECTED:
                info = Tree(self._ask("printer.info"))
                printer = core.Printer(fault=core.first_line(info.text("state_message")))
        except Refused:  # it went away in between, or has not come back in full
            klippy = core.Klippy.STARTUP
        return core.view(klippy, printer, self._last, server.version)

    def _recall(self, now: core.Print) -> None:
        """Ask the history again when a job has begun or ended."""
        mark = core.Print(now.state, now.file)
        if mark == self._recalled and not (self._last.runs and now.state not in ("printing", "paused")):
            return
        with suppress(Refused):  # without history Klipper's own word must do
            self._last = core.last_job(self._ask("server.history.list", {"limit": 1, "order": "desc"}))
            self._totals = core.totals(self._ask("server.history.totals"))
        self._recalled = mark

    def _command(self, method: str, params: Mapping[str, object] | None = None, late: str = "") -> None:
        """Have something carried out, which Moonraker answers afterwards."""
        try:
            self._ask(method, params, self._server.confirm_s)
        except Overdue:
            raise BadReply(late or f"the printer has not carried it out within {self._server.confirm_s:g} s") from None

    def _ask(self, method: str, params: Mapping[str, object] | None = None, reply_s: float | None = None) -> object:
        """The result. Raises Refused for an error; after any other the connection is of no more use."""
        try:
            return self._call(method, params, reply_s)
        except (LinkLost, BadReply) as error:
            self.close()
            self._spoiled = isinstance(error, BadReply)
            raise

    def _call(self, method: str, params: Mapping[str, object] | None = None, reply_s: float | None = None) -> object:
        if self._link is None:
            raise LinkLost("not open")
        self._number += 1
        self._link.send(core.request(self._number, method, params), reply_s or self._server.patience.reply_s)
        while True:
            message = core.read(self._link.receive())
            if isinstance(message, core.Notice) or message.number != self._number:
                continue
            if isinstance(message, core.Result):
                return message.value
            raise Refused(core.first_line(message.text) or f"Moonraker refuses ({message.code})")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
