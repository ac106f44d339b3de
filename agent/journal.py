"""What became of each command, on disk before and after it is carried out, so that none is ever carried out twice."""

import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from agent.errors import CannotWrite
from agent.files import replace_file
from contract.model import CommandStatus, ContractError, Outcome

KEPT = 5_000
"""Commands that are remembered at least."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The latest outcome of a command; `told`: it is in the outbox for good."""

    outcome: Outcome
    told: bool = False


class Journal:
    """One line of JSON a change, synced before the method returns. A line that a crash cut short is not there.

    Safe to use from any thread.
    """

    def __init__(self, path: Path) -> None:
        """Read what there is and write it anew without what is superseded. Raises CannotWrite."""
        self._path = path
        self._lock = threading.Lock()
        self._entries = _read(path)
        self._lines = 0
        self._compact()

    def find(self, command_id: str) -> Entry | None:
        return self._entries.get(command_id)

    def unfinished(self) -> list[Outcome]:
        """Those that were accepted or running when the agent ended."""
        return [entry.outcome for entry in self._entries.values() if not entry.outcome.status.final]

    def untold(self) -> list[Outcome]:
        """Final ones that may never have reached the outbox."""
        return [entry.outcome for entry in self._entries.values() if entry.outcome.status.final and not entry.told]

    def enter(self, outcome: Outcome) -> None:
        """Write down an outcome; on return it is on disk. Raises CannotWrite, and then it does not count."""
        self._write(outcome.command_id, Entry(outcome))

    def mark_told(self, command_id: str) -> None:
        """The latest outcome of the command is in the outbox. Raises CannotWrite."""
        self._write(command_id, Entry(self._entries[command_id].outcome, told=True))

    def _write(self, command_id: str, entry: Entry) -> None:
        with self._lock:
            try:
                if self._lines > 2 * KEPT:
                    self._compact()
                _append(self._path, _line(entry))
            except OSError as error:
                raise CannotWrite(f"{self._path}: {error.strerror}") from None
            self._lines += 1
            self._entries.pop(command_id, None)
            self._entries[command_id] = entry

    def _compact(self) -> None:
        final = [command_id for command_id, entry in self._entries.items() if entry.outcome.status.final]
        for command_id in final[: max(0, len(self._entries) - KEPT)]:
            del self._entries[command_id]
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._path, b"".join(_line(entry) for entry in self._entries.values()))
        except OSError as error:
            raise CannotWrite(f"{self._path}: {error.strerror}") from None
        self._lines = len(self._entries)


def _append(path: Path, line: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        if os.write(file, line) != len(line):
            raise OSError(28, "the disk is full")
        os.fsync(file)
    finally:
        os.close(file)


def _line(entry: Entry) -> bytes:
    outcome = entry.outcome
    record = [outcome.command_id, outcome.status, outcome.at_ms, outcome.detail, entry.told]
    return b"\n" + json.dumps(record).encode()  # the line end comes first: half a line before it spoils only itself


def _read(path: Path) -> dict[str, Entry]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return {}
    entries: dict[str, Entry] = {}
    for line in lines:
        entry = _parse(line)
        if entry:
            entries.pop(entry.outcome.command_id, None)
            entries[entry.outcome.command_id] = entry
    return entries


def _parse(line: bytes) -> Entry | None:
    try:
        command_id, status, at_ms, detail, told = json.loads(line)
        return Entry(Outcome(command_id, CommandStatus(status), at_ms, detail), told is True)
    except (ValueError, TypeError, ContractError):
        return None
