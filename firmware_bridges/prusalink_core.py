"""What PrusaLink says of a printer. Pure.

Source: Prusa-Link-Web, spec/openapi.yaml (version 1 of the interface). Temperatures in degrees Celsius, `progress` in
percent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from firmware_bridges.machine_events import Ended
from firmware_bridges.printer_view import COLD, Heat, PrinterView, State, job_name
from firmware_bridges.tree import Tree, parse

PORT: Final = 80
FOLDER: Final = "fabfleet"
"""Where jobs are kept: at most 8 letters, as printers want a folder's name."""
USER: Final = "maker"
"""The only user of a printer's own PrusaLink."""
_STATES: Final[Mapping[str, State]] = {
    "IDLE": State.READY,
    "READY": State.READY,
    "FINISHED": State.READY,
    "STOPPED": State.READY,
    "BUSY": State.BUSY,
    "PRINTING": State.PRINTING,
    "PAUSED": State.PAUSED,
    "ATTENTION": State.PAUSED,
    "ATTTENTION": State.PAUSED,  # as the specification spells it
    "ERROR": State.HALTED,
}
_ENDS: Final[Mapping[str, Ended]] = {
    "FINISHED": Ended.DONE,
    "STOPPED": Ended.CANCELLED,
    "ERROR": Ended.FAILED,
}
ATTENTION: Final = "ATTENTION"


@dataclass(frozen=True, slots=True)
class Status:
    """From `/api/v1/status`. `state` is PrusaLink's own word; `job` the number of the job, None if there is none."""

    state: str = ""
    nozzle: Heat = COLD
    bed: Heat = COLD
    fault: str = ""
    job: int | None = None
    progress: float | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job, by its number and its file; how it ended, None while it runs and where nobody saw its end."""

    number: int
    file: str
    ended: Ended | None = None


def status(content: bytes) -> Status:
    tree = parse(content)
    printer, job = tree.table("printer"), tree.table("job")
    told = printer.table("status_printer")
    number = job.number("id")
    return Status(
        state=printer.text("state").upper(),
        nozzle=_heat(printer, "nozzle"),
        bed=_heat(printer, "bed"),
        fault="" if told.yes("ok") else told.text("message"),
        job=None if number is None else int(number),
        progress=job.number("progress"),
    )


def job(content: bytes) -> Job | None:
    """From `/api/v1/job`; empty where there is none."""
    if not content.strip():
        return None
    tree = parse(content)
    number, file = tree.number("id"), tree.table("file")
    return None if number is None else Job(int(number), file.text("display_name") or file.text("name"))


def firmware(content: bytes) -> str:
    """From `/api/version`."""
    tree = parse(content)
    return tree.text("firmware") or tree.text("server") or tree.text("text")


def refusal(content: bytes) -> str:
    """Why it will not, in its own words; only for an answer that is an object."""
    tree = parse(content)
    return tree.text("message") or tree.text("title") or tree.text("text")


def listed(content: bytes) -> list[str]:
    """The files in a folder, by the name that the printer itself has for them."""
    children = [each for each in parse(content).tables("children") if each.text("type").upper() != "FOLDER"]
    return [name for each in children if (name := each.text("name"))]


def folder_address(storage: str) -> str:
    return f"/api/v1/files/{quote(storage, safe='')}/{FOLDER}"


def file_address(storage: str, name: str) -> str:
    return f"{folder_address(storage)}/{quote(name, safe='')}"


def followed(before: Job | None, now: Job | None, told: Status) -> Job | None:
    """The job as it stands: the one that there is, else the last one, with its end once the printer has told it."""
    known = now or before
    if known is None:
        return None
    if told.state in _ENDS:
        return Job(known.number, known.file, _ENDS[told.state])
    return Job(known.number, known.file, None if now else known.ended)


def state(told: Status) -> State:
    """A word that nobody knows, of a newer printer, is BUSY: nothing is begun then."""
    return _STATES.get(told.state, State.BUSY)


def view(told: Status, job: Job | None, version: str) -> PrinterView:
    ended = job.ended if job else None
    return PrinterView(
        state=state(told),
        nozzle=told.nozzle,
        bed=told.bed,
        job=job_name(job.file) if job else "",
        progress=100.0 if ended is Ended.DONE else told.progress,
        ended=ended,
        fault=told.fault if told.state in ("ERROR", ATTENTION) else "",
        waits_for_user=told.state == ATTENTION,
        firmware=version or None,
    )


def _heat(printer: Tree, name: str) -> Heat:
    return Heat(printer.number(f"temp_{name}"), printer.number(f"target_{name}"))
