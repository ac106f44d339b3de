"""The files of print jobs, each under the SHA-256 of its content: the same content lies there once.

What has its name is whole and on disk. What is still coming in has another name until then, and goes at the next start.
"""

import hashlib
import os
import re
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final

from controller.durable import PART, sync_folder
from controller.jobs import content
from controller.jobs.errors import NoRoom, WrongFile
from controller.jobs.work import Work
from device_profiles import program

READ: Final = 1 << 18
_DIGEST = re.compile(r"[0-9a-f]{64}")


def free_bytes(folder: Path) -> int:
    """What is left of the disk."""
    return shutil.disk_usage(folder).free


class Incoming:
    """A file on its way in. Used by one thread at a time; leaving its block without `place` removes it."""

    def __init__(self, folder: Path, work: Work, *, max_bytes: int, check_room: Callable[[], None]) -> None:
        self._folder = folder
        self._work = work
        self._max_bytes = max_bytes
        self._check_room = check_room
        self._hash = hashlib.sha256()
        self._head = b""
        self._path = folder / f"{secrets.token_hex(16)}{PART}"
        self._file = os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self.size = 0

    def __enter__(self) -> "Incoming":
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.discard()

    @property
    def digest(self) -> str:
        """Of what was written so far."""
        return self._hash.hexdigest()

    def write(self, data: bytes) -> None:
        """Raises WrongFile as soon as it is too large or no text, NoRoom when the disk has none to spare."""
        if self.size + len(data) > self._max_bytes:
            raise WrongFile("size", f"the file is larger than {_size(self._max_bytes)}")
        if len(self._head) < content.HEAD and data:
            self._head += data[: content.HEAD - len(self._head)]
            content.check_head(self._head, self._work)
        self._check_room()
        try:
            self._file.write(data)
        except OSError as error:
            raise NoRoom("disk", f"the file cannot be written: {error.strerror}") from None
        self._hash.update(data)
        self.size += len(data)

    def read(self, source: BinaryIO) -> None:
        """Write all of `source`. Raises as `write`."""
        while data := source.read(READ):
            self.write(data)

    def seal(self) -> None:
        """On disk, whole. Raises WrongFile if nothing came, NoRoom."""
        if not self.size:
            raise WrongFile("empty", "the file is empty")
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise NoRoom("disk", f"the file cannot be written: {error.strerror}") from None

    def place(self) -> None:
        """Under its digest for good; what lay there had the same content. Call `seal` before. Raises NoRoom."""
        try:
            self._path.replace(self._folder / self.digest)
            sync_folder(self._folder)
        except OSError as error:
            raise NoRoom("disk", f"the file cannot be written: {error.strerror}") from None

    def discard(self) -> None:
        """May be called twice, and after `place`."""
        with suppress(OSError):  # what could not be written any more is not wanted
            self._file.close()
        self._path.unlink(missing_ok=True)


class FileStore:
    """One folder of files. Who needs which, the tables say.

    `placing` is held from placing a file until its row is committed, and while rows and files that no job needs are
    removed: so none is removed that is just being sent again.
    """

    def __init__(
        self, folder: Path, *, max_bytes: int, min_free_bytes: int, free: Callable[[Path], int] = free_bytes
    ) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._min_free_bytes = min_free_bytes
        self._free = free
        self.placing = threading.Lock()

    def prepare(self) -> None:
        """Make the folder, and remove what a crash left behind. Nothing may be coming in."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for part in self._folder.glob(f"*{PART}"):
            part.unlink(missing_ok=True)

    def most_bytes(self, work: Work) -> int:
        """The largest file that is taken for such work."""
        return min(self._max_bytes, program.MOST_BYTES) if work is Work.RUN else self._max_bytes

    def incoming(self, work: Work = Work.PRINT) -> Incoming:
        """A place for a new file. Raises NoRoom."""
        self._check_room()
        return Incoming(self._folder, work, max_bytes=self.most_bytes(work), check_room=self._check_room)

    def path(self, digest: str) -> Path | None:
        """The file of that digest, None if there is none."""
        path = self._folder / digest
        return path if _DIGEST.fullmatch(digest) and path.is_file() else None

    def digests(self) -> Iterator[str]:
        """Of every file there is."""
        return (path.name for path in self._folder.iterdir() if _DIGEST.fullmatch(path.name))

    def remove(self, digest: str) -> None:
        if path := self.path(digest):
            path.unlink(missing_ok=True)

    def _check_room(self) -> None:
        if self._free(self._folder) < self._min_free_bytes:
            raise NoRoom("disk", "the controller's disk is nearly full")


def _size(count: int) -> str:
    return f"{count // 1_000_000} MB" if count >= 1_000_000 else f"{count // 1_000} kB"
