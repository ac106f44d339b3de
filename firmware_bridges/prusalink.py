"""Prusa's 3D printers, by the PrusaLink that runs in them."""

import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from contract.model import Value
from firmware_bridges import digest_core
from firmware_bridges import prusalink_core as core
from firmware_bridges.base import BadReply, LinkLost, Refused
from firmware_bridges.options import Options
from firmware_bridges.printer_server import expect, told
from firmware_bridges.printer_view import PrinterView, State, file_name, job_name
from firmware_bridges.rest import Answer, Patience, Rest
from firmware_bridges.secret import Secret
from firmware_bridges.websocket_link import UNAUTHORIZED

_SLOW: Final = Patience(connect_s=5.0, reply_s=10.0, upload_s=600.0)
"""A printer answers slowly while it prints, and takes a file at some hundred kilobytes a second."""
_Send = Callable[[Mapping[str, str]], Answer]


class PrusalinkBridge:
    """One printer at `http://host[:port]`.

    Options: `key` or `key_file`, its API key; or `password` or `password_file`, with `user` (by HTTP Digest);
    `storage`, where jobs go on the printer, in a folder of their own that keeps the last one; `ca_file` or
    `fingerprint`; `connect_s`, `reply_s`, `confirm_s`, `upload_s` in seconds; `[limits]`, what a job may ask for
    (device_profiles.gcode).

    Actions: `print` (`path`: a file on this computer, `digest`: its SHA-256, `name`) returns when the printer says
    that it prints this file; `pause` when it is paused; `resume`, of a paused job alone; `stop` when the job has
    ended. PrusaLink neither heats nor moves without a job.

    The printer goes on by itself when this bridge is closed or its computer is off.
    """

    def __init__(self, endpoint: str, options: Mapping[str, Any]) -> None:
        given = Options(options)
        self._server = told(endpoint, given, core.PORT, _SLOW)
        self._password = Secret(given, "password")
        self._user = given.text("user", core.USER)
        self._storage = given.text("storage", "usb")
        given.done()
        self._rest = Rest(self._server.site, self._server.patience)
        self._opened = False
        self._version = ""
        self._challenge: digest_core.Challenge | None = None
        self._count = 0
        self._job: core.Job | None = None

    def open(self) -> None:
        self.close()
        self._challenge = None
        self._version = core.firmware(self._ask("GET", "/api/version").content)
        self._opened = True

    def poll(self) -> Mapping[str, Value | None]:
        return self._view().values()

    def execute(self, action: str, args: Mapping[str, Value]) -> None:
        match action:
            case "print":
                self._print(args)
            case "pause":
                self._expect(State.PRINTING)
                self._ask("PUT", f"{self._job_address()}/pause")
                self._until(lambda view: view.state is State.PAUSED, "does not stand")
            case "resume":
                self._expect(State.PAUSED)
                self._ask("PUT", f"{self._job_address()}/resume")
                self._until(lambda view: view.state is not State.PAUSED, "stays paused")
            case "stop":
                if not self._view().at_work:
                    raise Refused("the printer has no job to stop")
                self._ask("DELETE", self._job_address())
                self._until(lambda view: not view.at_work, "does not stop")
            case _:
                raise Refused(f"a printer with PrusaLink has no action {action!r}")

    def close(self) -> None:
        self._opened = False

    def _print(self, args: Mapping[str, Value]) -> None:
        self._expect(State.READY)
        before = self._job
        job = self._server.job(args)
        with job.file:
            self._make_room()
            name = file_name(job.name)
            address = core.file_address(self._storage, name)
            wanted = {"Print-After-Upload": "?1", "Overwrite": "?1"}
            self._judged(self._known("PUT", address, lambda who: self._rest.put(address, {**wanted, **who}, job.file)))
        self._until(lambda view: view.job == job_name(name) and self._job != before, "does not begin the job")

    def _make_room(self) -> None:
        """Have a folder of our own, without earlier jobs, so that the printer's stick never fills up."""
        folder = core.folder_address(self._storage)
        with suppress(Refused, BadReply):  # it is there already
            self._ask("PUT", folder, {"Create-Folder": "?1"})
        with suppress(Refused, BadReply):
            for name in core.listed(self._ask("GET", folder).content):
                self._ask("DELETE", core.file_address(self._storage, name))

    def _job_address(self) -> str:
        if self._job is None:
            raise Refused("the printer has no job")
        return f"/api/v1/job/{self._job.number}"

    def _expect(self, state: State) -> None:
        expect(self._view(), state)

    def _until(self, reached: Callable[[PrinterView], bool], wrong: str) -> None:
        self._server.until(self._view, reached, wrong)

    def _view(self) -> PrinterView:
        if not self._opened:
            raise LinkLost("not open")
        status = core.status(self._ask("GET", "/api/v1/status").content)
        now = core.job(self._ask("GET", "/api/v1/job").content)
        self._job = core.followed(self._job, now, status)
        return core.view(status, self._job, self._version)

    def _ask(self, method: str, path: str, wishes: Mapping[str, str] | None = None) -> Answer:
        asked = self._known(method, path, lambda who: self._rest.ask(method, path, {**(wishes or {}), **who}))
        return self._judged(asked)

    def _known(self, method: str, path: str, send: _Send) -> Answer:
        """Say who asks: by key, or by Digest, whose challenge is asked for once and again when it is worn out."""
        if key := self._server.key.read():
            return send({"X-Api-Key": key})
        password = self._password.read()
        answer = send(self._proof(method, path, password)) if self._challenge or not password else Answer(401, b"")
        if answer.status != 401 or not password:
            return answer
        if not answer.challenge:
            answer = self._rest.ask("GET", "/api/version", {})
        self._challenge, self._count = digest_core.challenge(answer.challenge), 0
        return send(self._proof(method, path, password))

    def _proof(self, method: str, path: str, password: str) -> Mapping[str, str]:
        if self._challenge is None:
            return {}
        self._count += 1
        proof = digest_core.authorization(
            self._challenge, self._user, password, method, path, count=self._count, chosen=secrets.token_hex(8)
        )
        return {"Authorization": proof}

    def _judged(self, answer: Answer) -> Answer:
        """A good answer. Raises Refused and BadReply."""
        if answer.good:
            return answer
        if answer.status in UNAUTHORIZED:
            raise self._server.unknown()
        if answer.status >= 500 or answer.status < 400:
            raise BadReply(f"PrusaLink answers {answer.status}")
        why = ""
        with suppress(BadReply):
            why = core.refusal(answer.content)
        raise Refused(why or f"PrusaLink refuses ({answer.status})")
