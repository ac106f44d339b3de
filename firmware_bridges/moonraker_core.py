"""Moonraker's JSON-RPC: requests and what comes back, and what they say of a printer with Klipper. Pure.

Source: Moonraker's documentation (External API: JSON-RPC, printer, history, file manager) and Klipper's
docs/Status_Reference.md. Temperatures in degrees Celsius, `progress` from 0 to 1, times in seconds, filament in mm.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from firmware_bridges.base import BadReply
from firmware_bridges.machine_events import Ended
from firmware_bridges.printer_view import COLD, Heat, PrinterView, State, job_name
from firmware_bridges.tree import Tree, parse

PORT: Final = 7125
FOLDER: Final = "fabfleet"
"""Of Moonraker's root `gcodes`: what we upload lies there."""
OBJECTS: Final[Mapping[str, None]] = dict.fromkeys(
    ("webhooks", "print_stats", "virtual_sdcard", "extruder", "heater_bed")
)


class Klippy(StrEnum):
    """The Klipper host, as Moonraker's server.info tells it."""

    DISCONNECTED = "disconnected"
    STARTUP = "startup"
    READY = "ready"
    SHUTDOWN = "shutdown"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to request number `number`."""

    number: int
    value: object


@dataclass(frozen=True, slots=True)
class Trouble:
    """Request number `number` was not carried out; `code` is HTTP's or JSON-RPC's."""

    number: int
    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What it tells unasked."""

    method: str


Message: TypeAlias = Result | Trouble | Notice


@dataclass(frozen=True, slots=True)
class LastJob:
    """The newest entry of the history; `status` as Moonraker names it."""

    file: str = ""
    status: str = ""

    @property
    def runs(self) -> bool:
        return self.status == "in_progress"

    @property
    def ended(self) -> Ended | None:
        if not self.status or self.runs:
            return None
        return {"completed": Ended.DONE, "cancelled": Ended.CANCELLED}.get(self.status, Ended.FAILED)


@dataclass(frozen=True, slots=True)
class Totals:
    """Since the history was begun: hours printed, metres of filament; None where it keeps no history."""

    hours: float | None = None
    metres: float | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """What server.info says."""

    klippy: Klippy
    version: str


@dataclass(frozen=True, slots=True)
class Print:
    """print_stats and virtual_sdcard: `state` is Klipper's word, `file` is empty where nothing was begun."""

    state: str = ""
    file: str = ""
    message: str = ""
    progress: float | None = None


NOTHING: Final = Print()


@dataclass(frozen=True, slots=True)
class Printer:
    """What the Klipper host says of the machine."""

    fault: str = ""
    nozzle: Heat = COLD
    bed: Heat = COLD
    print: Print = NOTHING


def request(number: int, method: str, params: Mapping[str, object] | None = None) -> str:
    told: dict[str, object] = {"jsonrpc": "2.0", "method": method, "id": number}
    return json.dumps(told | ({"params": dict(params)} if params else {}))


def read(text: bytes | str) -> Message:
    """Raises BadReply for what is no message of JSON-RPC 2.0."""
    tree = parse(text)
    if "method" in tree:
        return Notice(tree.text("method"))
    number = tree.number("id")
    if "error" in tree:
        error = tree.table("error")
        return Trouble(int(number or 0), int(error.number("code") or 0), error.text("message"))
    if number is None or "result" not in tree:
        raise BadReply("neither an answer nor a notice")
    return Result(int(number), json.loads(text)["result"])


def server(result: object) -> Server:
    tree = Tree(result, "server.info")
    told = tree.text("klippy_state")
    try:
        klippy = Klippy(told)
    except ValueError:
        raise BadReply(f"klippy_state {told[:40]!r}") from None
    return Server(klippy, tree.text("moonraker_version"))


def printer(result: object) -> Printer:
    """From printer.objects.query of OBJECTS."""
    tree = Tree(result, "printer.objects.query").table("status")
    hooks, stats = tree.table("webhooks"), tree.table("print_stats")
    stopped = hooks.text("state") in (Klippy.SHUTDOWN, Klippy.ERROR)
    return Printer(
        fault=first_line(hooks.text("state_message")) if stopped else "",
        nozzle=_heat(tree.table("extruder")),
        bed=_heat(tree.table("heater_bed")),
        print=Print(
            stats.text("state"),
            stats.text("filename"),
            first_line(stats.text("message")),
            tree.table("virtual_sdcard").number("progress"),
        ),
    )


def _heat(tree: Tree) -> Heat:
    return Heat(tree.number("temperature"), tree.number("target"))


def last_job(result: object) -> LastJob:
    """From server.history.list."""
    jobs = Tree(result, "server.history.list").tables("jobs")
    return LastJob(jobs[0].text("filename"), jobs[0].text("status")) if jobs else LastJob()


def totals(result: object) -> Totals:
    """From server.history.totals."""
    told = Tree(result, "server.history.totals").table("job_totals")
    seconds, millimetres = told.number("total_print_time"), told.number("total_filament_used")
    return Totals(None if seconds is None else seconds / 3600, None if millimetres is None else millimetres / 1000)


def first_line(text: str) -> str:
    """Klipper explains at length; the first line is the cause."""
    return text.partition("\n")[0].strip()


_AT_WORK: Final[Mapping[str, State]] = {"printing": State.PRINTING, "paused": State.PAUSED}
HAS_TOLD: Final = (Klippy.READY, Klippy.SHUTDOWN)
"""When Klipper answers what it prints. A Moonraker that has just begun says otherwise of a Klipper that prints."""
_NOT_READY: Final[Mapping[Klippy, State]] = {
    Klippy.DISCONNECTED: State.DISCONNECTED,
    Klippy.STARTUP: State.STARTING,
    Klippy.SHUTDOWN: State.HALTED,
    Klippy.ERROR: State.HALTED,
}
_ENDS: Final[Mapping[str, Ended]] = {
    "complete": Ended.DONE,
    "cancelled": Ended.CANCELLED,
    "error": Ended.FAILED,
}


def view(klippy: Klippy, told: Printer, last: LastJob, firmware: str) -> PrinterView:
    """All of it together. The history tells of a job that Klipper itself has forgotten in a restart."""
    state = _NOT_READY.get(klippy) or _AT_WORK.get(told.print.state, State.READY)
    works = state in (State.PRINTING, State.PAUSED)
    file = told.print.file or last.file
    ended = None if works else _ENDS.get(told.print.state) or last.ended
    if state in (State.HALTED, State.DISCONNECTED) and told.print.state in _AT_WORK:
        ended = Ended.FAILED
    progress = 100.0 if ended is Ended.DONE else _percent(told.print.progress)
    return PrinterView(
        state=state,
        nozzle=told.nozzle,
        bed=told.bed,
        job=job_name(file),
        progress=progress,
        ended=ended,
        fault=told.fault or (told.print.message if told.print.state == "error" else ""),
        firmware=firmware or None,
        known=klippy in HAS_TOLD,
    )


def _percent(progress: float | None) -> float | None:
    return None if progress is None else 100 * progress
