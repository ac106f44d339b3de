"""The journal of bookings: a file beside the database that tells, when an older database is put back, what it lacks.

One JSON object a line, only ever appended to. A booking's line is on disk before its commit, and a line `kept` follows
the commit; what has none was under way when its process ended. It holds no names of people: holders by opaque id.
"""

import json
import logging
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Table, select

from controller.durable import private, sync_folder
from controller.scheduling.tables import Assignment, Booking, Resource

_log = logging.getLogger(__name__)

FILE: Final = "bookings.journal"
KEEP_MS: Final = 180 * 86_400_000
"""A backup that is older than this lists what was booked in the last so many days alone."""
_PENDING: Final = "fabfleet-journal"
_BOOKING: Table = Booking.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_ASSIGNMENT: Table = Assignment.__table__  # type: ignore[attr-defined]
_RESOURCE: Table = Resource.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Entry:
    """A booking as it was written at `changed_ms`. `kept` is False if nobody saw its commit end."""

    id: str
    school_id: str
    holder: str
    state: str
    start_ms: int
    end_ms: int
    things: tuple[str, ...]
    title: str
    changed_ms: int
    kept: bool = False


class Journal:
    """Safe to use from any thread; each controller has its own, in its state folder."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._lock = threading.Lock()
        self._failed = False

    @contextmanager
    def around(self, connection: Connection) -> Iterator[None]:
        """Write down what was noted on this connection, let its commit happen, and write that it did.

        A journal that cannot be written is told in the log and stops no booking: the database has it.
        """
        entries: Sequence[Entry] = connection.info.pop(_PENDING, ())
        if not entries:
            yield
            return
        self._append([_line(each) for each in entries], durable=True)
        yield
        self._append([{"kept": each.id, "changed_ms": each.changed_ms} for each in entries])

    def restored(self, generation: int) -> None:
        """Remember the generation of a database that is put back."""
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._append([{"generation": generation}], durable=True)

    def exists(self) -> bool:
        """Whether anything was ever written here."""
        return self._file.is_file()

    def generation(self) -> int:
        """The highest that was ever put back here."""
        return max((int(line.get("generation", 0)) for line in self._lines()), default=0)

    def entries(self) -> Mapping[str, Entry]:
        """The last entry of each booking."""
        last: dict[str, Entry] = {}
        for line in self._lines():
            if "booking" in line:
                entry = Entry(**{**line["booking"], "things": tuple(line["booking"]["things"])})
                last[entry.id] = entry
            elif line.get("kept") in last and last[line["kept"]].changed_ms == line["changed_ms"]:
                last[line["kept"]] = replace(last[line["kept"]], kept=True)
        return last

    def trim(self, now_ms: int) -> None:
        """Leave out what is older than KEEP_MS. Only while nobody books."""
        kept = [
            line for line in self._lines() if line.get("booking", line).get("changed_ms", now_ms) > now_ms - KEEP_MS
        ]
        if not self._file.is_file() or len(kept) == sum(1 for _ in self._lines()):
            return
        with private(self._file) as draft, draft.open("wb") as file:
            file.writelines(_encoded(line) for line in kept)

    def _append(self, lines: Sequence[Mapping[str, Any]], *, durable: bool = False) -> None:
        try:
            with self._lock:
                is_new = not self._file.exists()
                descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
                try:
                    _write_all(descriptor, b"".join(_encoded(line) for line in lines))
                    if durable:
                        os.fsync(descriptor)
                finally:
                    os.close(descriptor)
                if is_new:
                    sync_folder(self._file.parent)
        except OSError as error:
            if not self._failed:
                _log.error("%s cannot be written (%s): a restore will not know of bookings made now", self._file, error)
            self._failed = True
        else:
            self._failed = False

    def _lines(self) -> Iterator[dict[str, Any]]:
        """All whole lines. A power cut may leave a part of one, which the next is appended to."""
        try:
            file = self._file.open("rb")
        except FileNotFoundError:
            return
        with file:
            for raw in file:
                try:
                    line = json.loads(raw)
                except ValueError:
                    continue
                if isinstance(line, dict):
                    yield line


def _write_all(descriptor: int, data: bytes) -> None:
    """Raises OSError. A disk that is nearly full takes a part, and says only of the rest that it is full."""
    while data:
        data = data[os.write(descriptor, data) :]


def note(connection: Connection, booking_id: str) -> None:
    """The transaction on this connection has made or changed a booking: as it is now, with what it has."""
    row = connection.execute(select(_BOOKING).where(_BOOKING.c.id == booking_id)).one()
    names = (
        select(_RESOURCE.c.name)
        .join(_ASSIGNMENT, _ASSIGNMENT.c.resource_id == _RESOURCE.c.id)
        .where(_ASSIGNMENT.c.booking_id == booking_id)
    )
    things = tuple(sorted(connection.execute(names).scalars()))
    entry = Entry(
        *(row.id, row.school_id, row.holder, row.state, row.start_ms, row.end_ms),
        things=things,
        title=row.title,
        changed_ms=row.changed_ms,
    )
    connection.info.setdefault(_PENDING, []).append(entry)


def forget(connection: Connection) -> None:
    """What was noted on this connection did not happen."""
    connection.info.pop(_PENDING, None)


def _line(entry: Entry) -> dict[str, Any]:
    return {"booking": {name: value for name, value in asdict(entry).items() if name != "kept"}}


def _encoded(line: Mapping[str, Any]) -> bytes:
    """With a line's end before it too: so half a line of before spoils nothing."""
    return b"\n" + json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
