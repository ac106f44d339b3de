"""3D printers behind OctoPrint: by its web interface, and by its push updates for how jobs end."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from contract.model import Value
from firmware_bridges import octoprint_core as core
from firmware_bridges.base import BadReply, LinkLost, Refused
from firmware_bridges.options import Options
from firmware_bridges.preheat import targets
from firmware_bridges.printer_server import expect, not_now, told
from firmware_bridges.printer_view import PrinterView, State, file_name
from firmware_bridges.rest import Answer, Rest
from firmware_bridges.tree import parse
from firmware_bridges.websocket_link import UNAUTHORIZED, WebsocketLink

_CONFLICT = 409


class OctoprintBridge:
    """One printer at `http://host[:port]` or `https://host[:port]`: that of OctoPrint, as a browser has it.

    Options: `key` or `key_file`, the API key of an OctoPrint user of its own; `ca_file` or `fingerprint`;
    `connect_s`, `reply_s`, `confirm_s`, `upload_s` in seconds; `[limits]`, what a job and preheating may ask for
    (device_profiles.gcode).

    Actions: `print` (`path`: a file on this computer, `digest`: its SHA-256, `name`) returns when OctoPrint says that
    it prints this file; `pause` when it is paused; `resume`, of a paused job alone; `stop` when the job has ended and
    the heaters are off; `preheat` (`nozzle`, `bed`: degrees Celsius, 0 is off) when the printer names these targets.

    The printer goes on by itself when this bridge is closed or its computer is off.
    """

    def __init__(self, endpoint: str, options: Mapping[str, Any]) -> None:
        given = Options(options)
        self._server = told(endpoint, given, core.PORT)
        given.done()
        self._rest = Rest(self._server.site, self._server.patience)
        self._headers: Mapping[str, str] = {}
        self._push: WebsocketLink | None = None
        self._version = ""
        self._end: core.End | None = None

    def open(self) -> None:
        self.close()
        key = self._server.key.read()
        self._headers = {"X-Api-Key": key} if key else {}
        try:
            self._version = parse(self._ask("GET", "/api/version").content).text("server")
            greeting = core.session(self._ask("POST", "/api/login", {"passive": True}).content)
            wait_s = self._server.patience.reply_s
            self._push = WebsocketLink(
                self._server.site, "/sockjs/websocket", [], self._server.patience.connect_s, wait_s
            )
            self._push.send(greeting, wait_s)
            self._push.send(core.SUBSCRIBE, wait_s)
            self._remember()
        except BaseException:
            self.close()
            raise

    def poll(self) -> Mapping[str, Value | None]:
        return self._view().values()

    def execute(self, action: str, args: Mapping[str, Value]) -> None:
        match action:
            case "print":
                self._print(args)
            case "pause":
                expect(self._view(), State.PRINTING)
                self._tell("/api/job", {"command": "pause", "action": "pause"})
                self._until(lambda view: view.state is State.PAUSED, "does not stand")
            case "resume":
                expect(self._view(), State.PAUSED)
                self._tell("/api/job", {"command": "pause", "action": "resume"})
                self._until(lambda view: view.state is not State.PAUSED, "stays paused")
            case "stop":
                self._stop()
            case "preheat":
                wanted = targets(args, self._server.limits)
                expect(self._view(), State.READY)
                self._heat(wanted)
            case _:
                raise Refused(f"a printer behind OctoPrint has no action {action!r}")

    def close(self) -> None:
        push, self._push = self._push, None
        if push is not None:
            push.close()

    def _print(self, args: Mapping[str, Value]) -> None:
        expect(self._view(), State.READY)
        job = self._server.job(args)
        with job.file:
            name = file_name(job.name)
            fields = {"path": core.FOLDER, "select": "false", "print": "false"}
            answer = self._rest.upload("/api/files/local", self._headers, fields, name, job.file)
            path = core.uploaded(self._judged(answer).content)
        self._end = None
        self._tell(core.file_address(path), {"command": "select", "print": True})
        self._until(
            lambda view: self._prints(path) and (view.at_work or view.ended is not None), "does not begin the job"
        )
        self._tidy(path)

    def _prints(self, path: str) -> bool:
        return core.selected(self._ask("GET", "/api/job").content).path == path

    def _tidy(self, kept: str) -> None:
        """Remove earlier jobs of ours, so that OctoPrint's disk never fills up."""
        with suppress(Refused, BadReply):
            for path in core.listed(self._ask("GET", core.file_address(core.FOLDER)).content):
                if path != kept:
                    self._ask("DELETE", core.file_address(path))

    def _stop(self) -> None:
        view = self._view()
        if view.state in (State.DISCONNECTED, State.HALTED, State.STARTING):
            raise not_now(view)
        if view.at_work and view.state is not State.CANCELLING:
            with suppress(Refused):  # it has just ended by itself: what follows shows
                self._tell("/api/job", {"command": "cancel"})
            self._until(lambda view: not view.at_work, "does not stop")
        self._heat({"nozzle": 0.0, "bed": 0.0})

    def _heat(self, wanted: Mapping[str, float]) -> None:
        if "nozzle" in wanted:
            self._tell("/api/printer/tool", {"command": "target", "targets": {"tool0": wanted["nozzle"]}})
        if "bed" in wanted:
            self._tell("/api/printer/bed", {"command": "target", "target": wanted["bed"]})
        self._until(
            lambda view: all((getattr(view, name).target or 0.0) == celsius for name, celsius in wanted.items()),
            "does not take the temperature",
        )

    def _until(self, reached: Callable[[PrinterView], bool], wrong: str) -> None:
        self._server.until(self._view, reached, wrong)

    def _view(self) -> PrinterView:
        if self._push is None:
            raise LinkLost("not open")
        answer = self._exchange("GET", "/api/printer?exclude=sd")
        selected = core.selected(self._ask("GET", "/api/job").content)
        if answer.status == _CONFLICT:
            machine = core.without_machine(selected)
        else:
            machine = core.machine(self._judged(answer).content)
        self._hear(self._push)  # after the questions: an end that they show is not missed
        return core.view(machine, selected, self._end, self._version)

    def _hear(self, push: WebsocketLink) -> None:
        try:
            while push.pending():
                self._end = core.pushed(push.receive(self._server.patience.reply_s)) or self._end
        except (LinkLost, BadReply):
            self.close()
            raise

    def _remember(self) -> None:
        """How the job ended that was selected before we came."""
        if self._end is None and (path := core.selected(self._ask("GET", "/api/job").content).path):
            with suppress(Refused):
                self._end = core.last_end(self._ask("GET", core.file_address(path)).content, path)

    def _tell(self, path: str, body: Mapping[str, object]) -> None:
        self._ask("POST", path, body)

    def _ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Answer:
        return self._judged(self._exchange(method, path, body))

    def _exchange(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Answer:
        return self._rest.ask(method, path, self._headers, body)

    def _judged(self, answer: Answer) -> Answer:
        """A good answer. Raises Refused and BadReply."""
        if answer.good:
            return answer
        if answer.status in UNAUTHORIZED:
            raise self._server.unknown()
        if answer.status >= 500 or answer.status < 400:
            raise BadReply(f"OctoPrint answers {answer.status}")
        raise Refused(core.refusal(answer.content) or f"OctoPrint refuses ({answer.status})")
