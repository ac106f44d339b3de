"""Files by content: durable when placed, bounded on the way, nothing left behind."""

import hashlib
import io
from pathlib import Path

import pytest

from controller.jobs.errors import NoRoom, WrongFile
from controller.jobs.files import FileStore

TEXT = b"G28\nG1 X10 Y10\n"
DIGEST = hashlib.sha256(TEXT).hexdigest()


class Disk:
    """How much is free, as a test says."""

    def __init__(self) -> None:
        self.free = 10_000

    def __call__(self, _folder: Path) -> int:
        return self.free


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def files(tmp_path: Path, disk: Disk) -> FileStore:
    made = FileStore(tmp_path / "files", max_bytes=1_000, min_free_bytes=5_000, free=disk)
    made.prepare()
    return made


def put(files: FileStore, content: bytes) -> str:
    with files.incoming() as incoming:
        incoming.read(io.BytesIO(content))
        incoming.seal()
        incoming.place()
        return incoming.digest


def names(files: FileStore) -> list[str]:
    return sorted(path.name for path in files._folder.iterdir())


def test_file_lies_under_its_digest(files: FileStore) -> None:
    assert put(files, TEXT) == DIGEST

    path = files.path(DIGEST)
    assert path is not None
    assert path.read_bytes() == TEXT
    assert path.stat().st_mode & 0o777 == 0o600


def test_same_content_lies_there_once(files: FileStore) -> None:
    put(files, TEXT)
    put(files, TEXT)

    assert names(files) == [DIGEST]


def test_file_that_is_not_placed_leaves_nothing(files: FileStore) -> None:
    with files.incoming() as incoming:
        incoming.write(TEXT)
        incoming.seal()

    assert names(files) == []


def test_file_is_refused_as_soon_as_it_is_too_large(files: FileStore) -> None:
    with files.incoming() as incoming:
        for _ in range(10):
            incoming.write(b"G28\n" * 25)
        with pytest.raises(WrongFile) as refused:
            incoming.write(b"G")

    assert refused.value.code == "size"
    assert names(files) == []


def test_file_is_refused_when_its_first_bytes_are_no_text_even_if_they_come_one_by_one(files: FileStore) -> None:
    with files.incoming() as incoming:
        for byte in (b"P", b"K", b"\t"):
            incoming.write(byte)
        with pytest.raises(WrongFile, match="only text G-code"):
            incoming.write(b"\x04")


def test_empty_file_is_refused(files: FileStore) -> None:
    with files.incoming() as incoming, pytest.raises(WrongFile) as refused:
        incoming.seal()

    assert refused.value.code == "empty"


def test_file_is_refused_when_the_disk_is_nearly_full_before_and_on_the_way(files: FileStore, disk: Disk) -> None:
    with files.incoming() as incoming:
        incoming.write(TEXT)
        disk.free = 4_999
        with pytest.raises(NoRoom) as refused:
            incoming.write(TEXT)
        assert refused.value.code == "disk"
    with pytest.raises(NoRoom):
        files.incoming()

    assert names(files) == []


def test_file_that_the_system_does_not_take_is_told_as_no_room(files: FileStore) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    with files.incoming() as incoming:
        incoming._file.close()
        incoming._file = full.open("wb")
        with pytest.raises(NoRoom, match="No space left"):  # noqa: PT012 - either of them may be told by the system
            incoming.write(TEXT)
            incoming.seal()

    assert names(files) == []


def test_prepare_removes_what_a_crash_left_and_keeps_files(files: FileStore) -> None:
    put(files, TEXT)
    (files._folder / f"{'ab' * 16}.part").write_bytes(TEXT)

    files.prepare()

    assert names(files) == [DIGEST]


@pytest.mark.parametrize("digest", ["", "..", "../secret", DIGEST.upper(), DIGEST[:-1], DIGEST + "\n"])
def test_path_is_of_digests_only(files: FileStore, digest: str) -> None:
    put(files, TEXT)

    assert files.path(digest) is None
