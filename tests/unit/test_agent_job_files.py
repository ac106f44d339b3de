"""Job files: what is on the disk under a digest is the file of that digest, whatever server, disk and network do."""

import errno
import hashlib
import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.download import Source, authorization
from agent.errors import NoFile
from agent.job_files import JobFiles, Room, bring, store
from contract.topics import Address
from tests.fakes import JobServer

ADDRESS = Address("chu-van-an", "b203")
KEY = bytes(range(32))
WAIT_S = 20.0


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def server() -> Iterator[JobServer]:
    server = JobServer()
    yield server
    server.stop()


class Shelf:
    """A cache at a true server."""

    def __init__(self, folder: Path, url: str, longest_s: float = 60.0, away_s: float = 0.0) -> None:
        self.folder = folder
        source = Source(url, ADDRESS, KEY)
        self.files = JobFiles(folder, source, Room(budget=1000, largest=600), longest_s=longest_s, away_s=away_s)

    def kept(self) -> set[str]:
        return {path.name for path in self.folder.glob("*")}


@pytest.fixture
def shelf(tmp_path: Path, server: JobServer) -> Shelf:
    return Shelf(tmp_path / "files", server.url)


def test_job_file_is_fetched_once_checked_and_readable_by_its_owner_alone(server: JobServer, shelf: Shelf) -> None:
    digest = server.offer(b"G28\n")
    path = shelf.files.fetch(digest, "printer")
    assert path.read_bytes() == b"G28\n"
    assert os.name != "posix" or stat.S_IMODE(path.stat().st_mode) == 0o600
    assert shelf.files.fetch(digest, "printer") == path
    assert server.asked == [f"/api/v1/files/{digest}"]
    assert shelf.kept() == {digest}


def test_agent_proves_who_it_is_without_its_key(server: JobServer, shelf: Shelf) -> None:
    digest = server.offer(b"G28\n")
    shelf.files.fetch(digest, "printer")
    path = f"/api/v1/files/{digest}"
    # RFC 2104 written out: the other side is another program
    padded = KEY.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(each ^ 0x36 for each in padded) + f"GET {path}".encode()).digest()
    proof = hashlib.sha256(bytes(each ^ 0x5C for each in padded) + inner).hexdigest()
    assert server.headers[0]["Authorization"] == f"Fabfleet chu-van-an.b203 {proof}"
    assert authorization(ADDRESS, KEY, path) == server.headers[0]["Authorization"]
    assert KEY.hex() not in str(server.headers)
    assert KEY.hex() not in repr(Source(server.url, ADDRESS, KEY))


def test_proxy_of_the_environment_is_not_asked(
    server: JobServer, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert shelf.files.fetch(server.offer(b"G28\n"), "printer").read_bytes() == b"G28\n"


def test_address_may_have_a_path_before_it_that_is_not_signed(server: JobServer, tmp_path: Path) -> None:
    digest = server.offer(b"G28\n", at="/fabfleet")
    Shelf(tmp_path / "files", f"{server.url}/fabfleet/").files.fetch(digest, "printer")
    expected = authorization(ADDRESS, KEY, f"/api/v1/files/{digest}")
    assert server.headers[0]["Authorization"] == expected


def test_cached_file_is_had_with_the_server_away(server: JobServer, tmp_path: Path) -> None:
    digest = server.offer(b"G28\n")
    Shelf(tmp_path / "files", server.url).files.fetch(digest, "printer")
    later = Shelf(tmp_path / "files", "http://127.0.0.1:1")
    assert later.files.fetch(digest, "printer").read_bytes() == b"G28\n"


def test_cached_file_that_was_damaged_is_fetched_again(server: JobServer, shelf: Shelf) -> None:
    digest = server.offer(b"G28\n")
    path = shelf.files.fetch(digest, "printer")
    path.write_bytes(b"G29\n")
    assert shelf.files.fetch(digest, "printer").read_bytes() == b"G28\n"
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((401, b"", {}), "enrol it again"),
        ((403, b"", {}), "does not let this agent have it"),
        ((404, b"", {}), "does not have it"),
        ((500, b"", {}), "the server answers 500"),
        ((302, b"", {"Location": "http://127.0.0.1:1/"}), "points elsewhere"),
        ((200, b"G29\n", {}), "not the file that was released"),
        ((200, b"G2", {"Content-Length": "4"}), "broke off, 2 bytes before the end"),
        ((200, b"", {"Content-Length": "601"}), "601 bytes, at most 600 are taken"),
        ((200, b"G28\n", {"Transfer-Encoding": "chunked"}), "does not say how large it is"),
        ((200, b"G28\n", {"Content-Length": "0"}), "not the file that was released"),
    ],
)
def test_anything_but_the_file_is_refused_in_words_and_leaves_nothing(
    server: JobServer, shelf: Shelf, answer: tuple[int, bytes, dict[str, str]], said: str
) -> None:
    digest = digest_of(b"G28\n")
    server.answers[f"/api/v1/files/{digest}"] = answer
    with pytest.raises(NoFile, match=said):
        shelf.files.fetch(digest, "printer")
    assert shelf.kept() == set()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "controller.url in agent.toml does not say"),
        ("ftp://server", "controller.url in agent.toml does not say"),
        ("http://server:99999", "controller.url in agent.toml does not say"),
        ("http://127.0.0.1:1", "cannot be reached: .*refused"),
    ],
)
def test_server_that_is_not_there_is_told_in_words(tmp_path: Path, url: str, said: str) -> None:
    with pytest.raises(NoFile, match=said):
        Shelf(tmp_path / "files", url).files.fetch("0" * 64, "printer")


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_what_is_no_digest_touches_no_file(shelf: Shelf, digest: str) -> None:
    with pytest.raises(NoFile, match="no SHA-256"):
        shelf.files.fetch(digest, "printer")


def test_file_is_fetched_although_the_server_breaks_off_now_and_then(tmp_path: Path, server: JobServer) -> None:
    shelf = Shelf(tmp_path / "files", server.url, away_s=60.0)
    digest = server.offer(b"x" * 500)
    server.cut_short = 2
    assert shelf.files.fetch(digest, "printer").read_bytes() == b"x" * 500
    assert (len(server.asked), shelf.kept()) == (3, {digest})


def test_file_is_fetched_from_a_server_that_was_restarted_meanwhile(tmp_path: Path, server: JobServer) -> None:
    digest = server.offer(b"x" * 500, byte_every_s=3600.0)
    shelf = Shelf(tmp_path / "files", server.url, away_s=60.0)
    found: list[Path] = []
    fetching = threading.Thread(target=lambda: found.append(shelf.files.fetch(digest, "printer")))
    fetching.start()
    until(lambda: server.asked)
    server.stop()
    again = JobServer(server.port)
    try:
        again.offer(b"x" * 500)
        fetching.join(WAIT_S)
    finally:
        again.stop()
    assert [path.read_bytes() for path in found] == [b"x" * 500]


def test_server_that_stays_away_is_given_up_after_some_time(tmp_path: Path, server: JobServer) -> None:
    shelf = Shelf(tmp_path / "files", server.url, away_s=2.0)
    digest = server.offer(b"x" * 500)
    server.cut_short = 99
    with pytest.raises(NoFile, match="broke off, 250 bytes before the end"):
        shelf.files.fetch(digest, "printer")
    assert len(server.asked) > 1
    assert shelf.kept() == set()


def test_wait_for_a_server_that_is_away_ends_when_nobody_wants_the_file(tmp_path: Path, server: JobServer) -> None:
    shelf = Shelf(tmp_path / "files", server.url, away_s=3600.0)
    digest = server.offer(b"x" * 500)
    server.cut_short = 99
    with pytest.raises(NoFile, match="nobody wants it"):
        shelf.files.fetch(digest, "printer", lambda: "nobody wants it" if len(server.asked) > 1 else "")


def test_server_that_speaks_another_language_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"220 mail.school.vn ESMTP\r\n")

        threading.Thread(target=greet, daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(NoFile, match="answers what no server of Fabfleet answers"):
            Shelf(tmp_path / "files", url).files.fetch("0" * 64, "printer")


def test_server_that_says_a_byte_now_and_then_is_given_up(tmp_path: Path, server: JobServer) -> None:
    digest = server.offer(b"x" * 500, byte_every_s=0.05)
    shelf = Shelf(tmp_path / "files", server.url, longest_s=3.0)
    began = time.monotonic()
    with pytest.raises(NoFile, match="did not come within 3 s"):
        shelf.files.fetch(digest, "printer")
    assert time.monotonic() - began < WAIT_S
    assert shelf.kept() == set()


def test_download_that_hears_nothing_ends_soon_after_nobody_wants_it(tmp_path: Path, server: JobServer) -> None:
    digest = server.offer(b"x" * 500, byte_every_s=3600.0)
    shelf = Shelf(tmp_path / "files", server.url)
    gone = threading.Event()
    found: list[str] = []

    def fetch() -> None:
        try:
            shelf.files.fetch(digest, "printer", lambda: "nobody wants it" if gone.is_set() else "")
        except NoFile as error:
            found.append(str(error))

    fetching = threading.Thread(target=fetch)
    fetching.start()
    until(lambda: server.asked)
    began = time.monotonic()
    gone.set()
    fetching.join(WAIT_S)
    assert found == ["nobody wants it"]
    assert time.monotonic() - began < 5.0  # the server may be silent for 10 s
    until(lambda: "download" not in {thread.name for thread in threading.enumerate()})


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# -- room


def test_file_that_was_not_used_for_the_longest_time_goes_first(server: JobServer, shelf: Shelf) -> None:
    digests = [server.offer(bytes([i]) * 300) for i in range(4)]
    for i, digest in enumerate(digests[:3]):
        os.utime(shelf.files.fetch(digest, f"device-{i}" if i else "printer"), (i, i))
    shelf.files.fetch(digests[0], "printer")  # used again
    os.utime(shelf.folder / digests[0], (9, 9))
    later = Shelf(shelf.folder, server.url)
    later.files.fetch(digests[3], "printer")
    assert later.kept() == {digests[0], digests[2], digests[3]}


def test_file_in_use_is_never_evicted(server: JobServer, shelf: Shelf) -> None:
    used, other, new, large = (server.offer(bytes([i]) * size) for i, size in enumerate((400, 300, 500, 600)))
    shelf.files.fetch(used, "printer")
    shelf.files.fetch(other, "cutter")
    shelf.files.fetch(new, "cutter")
    assert shelf.kept() == {used, new}
    with pytest.raises(NoFile, match="no room beside the files in use"):
        shelf.files.fetch(large, "third")
    assert used in shelf.kept()


def test_leftovers_of_a_crash_are_removed_at_the_start(tmp_path: Path, server: JobServer) -> None:
    folder = tmp_path / "files"
    digest = server.offer(b"G28\n")
    shelf = Shelf(folder, server.url)
    shelf.files.fetch(digest, "printer")
    (folder / "0123.part").write_bytes(b"G2")
    assert Shelf(folder, server.url).kept() == {digest}


def test_full_disk_is_told_and_nothing_is_left(
    server: JobServer, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = server.offer(b"G28\n")
    before = os.fsync

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NoFile, match="the disk is full"):
        shelf.files.fetch(digest, "printer")
    assert shelf.kept() == set()
    monkeypatch.setattr(os, "fsync", before)
    assert shelf.files.fetch(digest, "printer").is_file()


def test_one_download_serves_all_devices_that_want_the_file_at_once(server: JobServer, shelf: Shelf) -> None:
    digest = server.offer(b"x" * 500)
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda i=i: found.append(shelf.files.fetch(digest, f"printer-{i}"))) for i in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert [path.read_bytes() for path in found] == [b"x" * 500] * 6
    assert (shelf.kept(), len(server.asked)) == ({digest}, 1)


def test_file_of_this_computer_is_brought_in_under_its_digest(tmp_path: Path) -> None:
    source = tmp_path / "cube.gcode"
    source.write_bytes(b"G28\n")
    digest = bring(tmp_path / "files", source)
    assert digest == digest_of(b"G28\n")
    assert Shelf(tmp_path / "files", "").files.fetch(digest, "printer").read_bytes() == b"G28\n"
    with pytest.raises(NoFile, match=r"none\.gcode: No such file"):
        bring(tmp_path / "files", tmp_path / "none.gcode")


def test_file_under_another_name_is_not_stored(tmp_path: Path) -> None:
    with pytest.raises(NoFile):
        store(tmp_path / "files", [b"G29\n"], digest_of(b"G28\n"))
    assert list((tmp_path / "files").iterdir()) == []
