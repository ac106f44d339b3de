"""The file of a backup: a ZIP archive with the database, the files beside it, and what it is.

`about.json` comes first, `database` holds a SQLite file or what pg_dump writes in its custom format, the rest lies in
the folders that it had in the controller's. Each part has its checksum, and a file that was cut short has no directory.
"""

import json
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, NamedTuple

from controller.backup.errors import BackupError
from controller.durable import PART, private

FORMAT: Final = 1
FOLDERS: Final = ("files", "archive")
"""What lies beside the database and belongs to it: files of print jobs by their digest, and archived days."""
_ABOUT, _DATABASE = "about.json", "database"
_DAMAGED: Final = ".damaged-"
"""How the name of a file goes on, before the time, that was not as the backup had it."""
_PORTION: Final = 1 << 20
_SQLITE: Final = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class About:
    """`kind` of database, and its newest migration (`schema`)."""

    kind: str
    schema: str
    at_ms: int
    format: int = FORMAT


def write(draft: Path, about: About, dump: Callable[[BinaryIO], None], folder: Path) -> None:
    """All of it. The files come after the database: what it names is there, unless it was just removed for good."""
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as bundle:
        bundle.writestr(_ABOUT, json.dumps(asdict(about)))
        member = zipfile.ZipInfo(_DATABASE)
        # What pg_dump writes is compressed already.
        member.compress_type = zipfile.ZIP_DEFLATED if about.kind == "sqlite" else zipfile.ZIP_STORED
        with bundle.open(member, "w", force_zip64=True) as into:
            dump(into)  # type: ignore[arg-type]  # it can be written to, which is all that is asked of it
        for file in _beside(folder):
            with suppress(FileNotFoundError):  # its job was removed meanwhile
                bundle.write(file, file.relative_to(folder).as_posix())


def _beside(folder: Path) -> Iterator[Path]:
    for name in FOLDERS:
        found = sorted((folder / name).rglob("*"))
        yield from (file for file in found if file.suffix != PART and _DAMAGED not in file.name and file.is_file())


class Placed(NamedTuple):
    """How many files were put back, and where those are that were there and damaged."""

    files: int
    aside: tuple[Path, ...]


class Bundle:
    """A backup to be restored. Made by `opened`."""

    def __init__(self, about: About, file: Path, members: Sequence[str]) -> None:
        self.about = about
        self._file = file
        self._members = members

    @contextmanager
    def database(self) -> Iterator[BinaryIO]:
        if not self._members:  # a SQLite file by itself
            with self._file.open("rb") as source:
                yield source
            return
        with zipfile.ZipFile(self._file) as bundle, bundle.open(_DATABASE) as source:
            yield source  # type: ignore[misc]  # it can be read, which is all that is asked of it

    def place_files(self, folder: Path, now_ms: int) -> Placed:
        """Put what is missing or damaged beside the database. Names never get another content, so a file that differs
        from the backup's is damaged; it is kept under a name of its own.
        """
        names = [name for name in self._members if PurePosixPath(name).parts[0] in FOLDERS]
        if not names:
            return Placed(0, ())
        placed, aside = 0, []
        with zipfile.ZipFile(self._file) as bundle:
            for name in names:
                target = folder / name
                if _is_whole(target, bundle.getinfo(name)):
                    continue
                if target.exists():
                    damaged = target.with_name(f"{target.name}{_DAMAGED}{now_ms}")
                    target.replace(damaged)
                    aside.append(damaged)
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with bundle.open(name) as source, private(target) as draft, draft.open("wb") as into:
                    shutil.copyfileobj(source, into)
                placed += 1
        return Placed(placed, tuple(aside))


def _is_whole(file: Path, member: zipfile.ZipInfo) -> bool:
    """Whether it has the length and the checksum of what the backup has."""
    try:
        if file.stat().st_size != member.file_size:
            return False
        with file.open("rb") as source:
            checksum = 0
            while portion := source.read(_PORTION):
                checksum = zlib.crc32(portion, checksum)
    except OSError:  # missing, or the disk cannot read it
        return False
    return checksum == member.CRC


def opened(file: Path) -> Bundle:
    """Look at a backup and check it from end to end. Raises BackupError."""
    try:
        with file.open("rb") as source:
            head = source.read(len(_SQLITE))
        if head == _SQLITE:
            return Bundle(About("sqlite", "", 0), file, ())
        with zipfile.ZipFile(file) as bundle:
            damaged = bundle.testzip()
            if damaged is not None:
                raise BackupError(f"{file}: the backup is damaged ({damaged})")
            about = About(**json.loads(bundle.read(_ABOUT)))
            members = bundle.namelist()
    except OSError as error:
        raise BackupError(f"{file}: {error.strerror or error}") from None
    except (zlib.error, struct.error, RuntimeError) as error:  # what zipfile says of spoiled content and headers
        raise BackupError(f"{file}: the backup is damaged ({error})") from None
    except (zipfile.BadZipFile, EOFError, KeyError, TypeError, ValueError) as error:
        raise BackupError(f"{file}: no backup of Fabfleet, or cut short ({error})") from None
    if about.format != FORMAT:
        raise BackupError(f"{file}: written by a newer release; install that one, then try again")
    for name in members:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise BackupError(f"{file}: {name!r} leads out of the folder")
    if _DATABASE not in members:
        raise BackupError(f"{file}: there is no database in it")
    return Bundle(about, file, members)
