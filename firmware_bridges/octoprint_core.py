"""What OctoPrint's web interface and its push updates say of a printer. Pure.

Source: OctoPrint's documentation (REST API: printer, job, files, login; push updates). Temperatures in degrees
Celsius, `completion` in percent.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from firmware_bridges.base import BadReply
from firmware_bridges.machine_events import Ended
from firmware_bridges.printer_view import COLD, Heat, PrinterView, State, job_name
from firmware_bridges.tree import Tree, parse

PORT: Final = 80
FOLDER: Final = "fabfleet"
"""Of OctoPrint's own disk: what we upload lies there."""
SUBSCRIBE: Final = json.dumps({"subscribe": {"state": False, "events": ["PrintDone", "PrintFailed"], "plugins": []}})
"""Of all that it pushes, only how jobs end: a request does not tell a cancelled one from one that failed."""
_FLAGS: Final[Mapping[str, State]] = {
    "error": State.HALTED,
    "closedOrError": State.DISCONNECTED,
    "cancelling": State.CANCELLING,
    "pausing": State.PAUSING,
    "paused": State.PAUSED,
    "finishing": State.FINISHING,
    "resuming": State.PRINTING,
    "printing": State.PRINTING,
    "ready": State.READY,
}
"""The first that is set counts."""
_STARTING: Final = ("Opening", "Detecting", "Connecting")


@dataclass(frozen=True, slots=True)
class Machine:
    """What it says of the printer, by `/api/printer`, or only by its words where there is none."""

    state: State
    nozzle: Heat = COLD
    bed: Heat = COLD
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Selected:
    """The file that is printed, or was last: its path on OctoPrint's disk. `words` is OctoPrint's own for the state."""

    path: str = ""
    name: str = ""
    completion: float | None = None
    words: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """A job ended: the path of its file."""

    path: str
    how: Ended


def machine(content: bytes) -> Machine:
    """From `/api/printer`, where there is one."""
    tree = parse(content)
    told, heat = tree.table("state"), tree.table("temperature")
    flags = told.table("flags")
    state = next((state for flag, state in _FLAGS.items() if flags.yes(flag)), State.BUSY)
    fault = told.text("error") if state is State.HALTED else ""
    return Machine(state, _heat(heat.table("tool0")), _heat(heat.table("bed")), fault)


def without_machine(selected: Selected) -> Machine:
    """Where `/api/printer` answers that there is none."""
    words = selected.words
    if words.startswith(_STARTING):
        return Machine(State.STARTING)
    if "error" in words.lower():
        return Machine(State.HALTED, fault=words)
    return Machine(State.DISCONNECTED)


def selected(content: bytes) -> Selected:
    """From `/api/job`."""
    tree = parse(content)
    file = tree.table("job").table("file")
    words = tree.text("error") or tree.text("state")
    return Selected(file.text("path"), file.text("display"), tree.table("progress").number("completion"), words)


def last_end(content: bytes, path: str) -> End | None:
    """How the file's last print ended, from `/api/files/local/PATH`; a cancelled one counts as failed there."""
    last = parse(content).table("prints").table("last")
    if "success" not in last:
        return None
    return End(path, Ended.DONE if last.yes("success") else Ended.FAILED)


def pushed(text: str | bytes) -> End | None:
    """What a push update says of a job's end, if it does."""
    tree = parse(text)
    if "event" not in tree:
        return None
    event = tree.table("event")
    payload = event.table("payload")
    match event.text("type"), payload.text("reason"):
        case "PrintDone", _:
            return End(payload.text("path"), Ended.DONE)
        case "PrintFailed", "cancelled":
            return End(payload.text("path"), Ended.CANCELLED)
        case "PrintFailed", _:
            return End(payload.text("path"), Ended.FAILED)
        case _:
            return None


def session(content: bytes) -> str:
    """The greeting for the push updates, from a passive login."""
    tree = parse(content)
    name, number = tree.text("name"), tree.text("session")
    if not name or not number:
        raise BadReply("a login without a session")
    return json.dumps({"auth": f"{name}:{number}"})


def uploaded(content: bytes) -> str:
    """The path that OctoPrint gave an uploaded file."""
    path = parse(content).table("files").table("local").text("path")
    if not path:
        raise BadReply("an upload without a path")
    return path


def listed(content: bytes) -> list[str]:
    """The paths in a folder."""
    return [path for each in parse(content).tables("children") if (path := each.text("path"))]


def file_address(path: str) -> str:
    """Where the file is asked for and told."""
    return f"/api/files/local/{quote(path)}"


def refusal(content: bytes) -> str:
    """Why it will not, in its own words; empty where there are none."""
    try:
        return parse(content).text("error")
    except BadReply:
        return ""


def view(machine: Machine, selected: Selected, end: End | None, firmware: str) -> PrinterView:
    path = selected.path or (end.path if end else "")  # without its printer it has no file selected any more
    ended = end.how if end and end.path == path else None
    return PrinterView(
        state=machine.state,
        nozzle=machine.nozzle,
        bed=machine.bed,
        job=job_name(selected.name or path),
        progress=100.0 if ended is Ended.DONE else selected.completion,
        ended=ended,
        fault=machine.fault,
        firmware=firmware or None,
        known=machine.state is not State.STARTING,
    )


def _heat(tree: Tree) -> Heat:
    return Heat(tree.number("actual"), tree.number("target"))
