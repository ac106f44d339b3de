"""Job files on this computer's disk: by their SHA-256, checked, within a budget.

One file `STATE/files/<digest>` each, readable by the agent alone. What a crash left half written ends in `.part`.
"""

import contextlib
import errno
import hashlib
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.download import Source, opened
from agent.errors import NoFile, NoFileYet
from agent.files import sync_folder

FOLDER = "files"
LONGEST_S = 300.0
"""How long a file may take to come."""
AWAY_S = 60.0
"""How long a server that is away, or breaks off, is asked again: it may have been restarted."""
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 8.0
_CHUNK = 65_536
_LOOK_S = 0.2
_PART = ".part"
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Room:
    """In bytes: what all files may take together, and the largest one."""

    budget: int
    largest: int


class JobFiles:
    """The cache, filled from the controller. Safe to use from any thread.

    The last file that each device was given is in use and stays; of the others, the one that was not used for the
    longest time goes first.
    """

    def __init__(
        self, folder: Path, source: Source, room: Room, *, longest_s: float = LONGEST_S, away_s: float = AWAY_S
    ) -> None:
        """Removes what a crash left half written."""
        self._folder = folder
        self.source = source
        """Where files come from; may be replaced at any time."""
        self.room = room
        """May be changed at any time."""
        self._longest_s = longest_s
        self._away_s = away_s
        self._changed = threading.Condition()
        self._coming: set[str] = set()
        self._in_use: dict[str, str] = {}
        for part in folder.glob(f"*{_PART}"):
            with contextlib.suppress(OSError):
                part.unlink()

    def fetch(self, digest: str, device: str, over: Callable[[], str] = lambda: "") -> Path:
        """The file for a device, checked: from the disk if it is there, else from the controller.

        May take as long as LONGEST_S; `over` tells why to end it sooner, empty to go on. Raises NoFile.
        """
        if not _DIGEST.fullmatch(digest):
            raise NoFile("its digest is no SHA-256 in 64 small letters")
        path = self._folder / digest
        until_s = time.monotonic() + self._longest_s
        slow = f"it did not come within {self._longest_s:g} s"

        def done_with() -> str:
            return over() or (slow if time.monotonic() >= until_s else "")

        try:
            with self._alone(digest, device, done_with):
                if not _is_whole(path):
                    self._download(path, done_with)
                os.utime(path)
                self._make_room(0)
        except OSError as error:
            raise NoFile(_words(error)) from None
        return path

    @contextlib.contextmanager
    def _alone(self, digest: str, device: str, over: Callable[[], str]) -> Iterator[None]:
        """One download serves all devices that wait for the file. Raises NoFile."""
        with self._changed:
            self._in_use[device] = digest
            while digest in self._coming:
                if why := over():
                    raise NoFile(why)
                self._changed.wait(_LOOK_S)
            self._coming.add(digest)
        try:
            yield
        finally:
            with self._changed:
                self._coming.remove(digest)
                self._changed.notify_all()

    def _download(self, path: Path, over: Callable[[], str]) -> None:
        """From its start each time: what was cut off was not checked. Raises NoFile."""
        pause_s, until_s = _FIRST_PAUSE_S, 0.0
        while True:
            try:
                return self._download_once(path, over)
            except NoFileYet:
                now_s = time.monotonic()
                until_s = until_s or now_s + self._away_s
                if now_s + pause_s >= until_s:
                    raise
            _wait(pause_s, over)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _download_once(self, path: Path, over: Callable[[], str]) -> None:
        with opened(self.source, path.name, self.room.largest, over) as download:
            self._make_room(download.size)
            store(self._folder, download.pieces(), path.name)

    def _make_room(self, size: int) -> None:
        """Evict until `size` bytes more fit. Raises NoFile if they cannot."""
        with self._changed:
            found = sorted(_found(self._folder), key=lambda each: each[1].st_mtime_ns)
            over = sum(stat.st_size for _, stat in found) + size - self.room.budget
            for path, stat in found:
                if over > 0 and path.suffix != _PART and path.name not in self._in_use.values():
                    with contextlib.suppress(OSError):  # Windows keeps what is open
                        path.unlink()
                        over -= stat.st_size
        if size and over > 0:
            raise NoFile(f"no room beside the files in use (files.budget_mb = {self.room.budget >> 20})")


def _wait(pause_s: float, over: Callable[[], str]) -> None:
    """Raises NoFile as soon as `over` says why."""
    until_s = time.monotonic() + pause_s
    while (left_s := until_s - time.monotonic()) > 0:
        if why := over():
            raise NoFile(why)
        time.sleep(min(_LOOK_S, left_s))


def bring(folder: Path, source: Path) -> str:
    """Put a file of this computer into the cache; its digest. Raises NoFile."""
    try:
        with source.open("rb") as file:
            return store(folder, iter(lambda: file.read(_CHUNK), b"")).name
    except OSError as error:
        raise NoFile(f"{error.filename or folder}: {_words(error)}") from None


def store(folder: Path, pieces: Iterable[bytes], digest: str = "") -> Path:
    """Write a file into the cache: checked, synced, whole or not at all. Without `digest` it is called by its own.

    Raises NoFile, OSError.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = folder / f"{secrets.token_hex(8)}{_PART}"
    try:
        found = _write(part, pieces, digest)
        _leave_to_owner(folder, part)
        path = part.replace(folder / found)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    sync_folder(folder)
    return path


def _write(part: Path, pieces: Iterable[bytes], digest: str) -> str:
    """The digest of what is on disk on return. Raises NoFile if another was wanted, OSError."""
    found = hashlib.sha256()
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o600), "wb") as file:
        for piece in pieces:
            found.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    if digest and found.hexdigest() != digest:
        raise NoFile(f"what the server sent is not the file that was released (digest {found.hexdigest()[:12]})")
    return found.hexdigest()


_BINARY = getattr(os, "O_BINARY", 0)


def _leave_to_owner(*paths: Path) -> None:
    """What root brings is the agent's: who owns the state folder."""
    if os.name == "posix" and os.geteuid() == 0:
        owner = paths[0].parent.stat()
        for path in paths:
            os.chown(path, owner.st_uid, owner.st_gid)


def _is_whole(path: Path) -> bool:
    """Whether the file is there and nothing has become of it since."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == path.name
    except FileNotFoundError:
        return False


def _found(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for path in folder.glob("*"):
        with contextlib.suppress(FileNotFoundError):
            yield path, path.stat()


def _words(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "the disk is full"
    return error.strerror or str(error)
