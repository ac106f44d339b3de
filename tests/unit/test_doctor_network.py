"""What the doctor says of the way to broker and server: each fault by its own name, seen on true sockets and TLS."""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from agent.connection import Broker
from agent.doctor_network import reach, server, unreachable, way_to_broker
from agent.download import Source
from agent.findings import Finding, Trouble, Verdict
from tests.fakes import JobServer
from tests.unit.workshop import ADDRESS, KEY

OPENSSL = shutil.which("openssl")
CONFIGURATION = """
[ca]
default_ca = here
[here]
database = {folder}/index.txt
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
"""


class Authority:
    """Makes certificates."""

    def __init__(self, folder: Path) -> None:
        assert OPENSSL, "openssl is missing: apt install openssl"
        self.folder = folder
        folder.mkdir()
        (folder / "index.txt").touch()
        (folder / "serial").write_text("1000\n")
        (folder / "ca.cnf").write_text(CONFIGURATION.format(folder=folder))
        self.certificate = folder / "ca.crt"
        self._run(
            "req",
            "-x509",
            "-subj",
            "/CN=Test authority",
            "-days",
            "3650",
            "-out",
            str(self.certificate),
            *_key(folder / "ca.key"),
        )

    def server(
        self, name: str = "IP:127.0.0.1", begin: str = "20200101000000Z", end: str = "20990101000000Z"
    ) -> ssl.SSLContext:
        key, request, made = (self.folder / f"server.{ending}" for ending in ("key", "csr", "crt"))
        self._run("req", "-subj", "/CN=server", "-addext", f"subjectAltName={name}", "-out", str(request), *_key(key))
        signed_by = ("-cert", str(self.certificate), "-keyfile", str(self.folder / "ca.key"))
        dates = ("-startdate", begin, "-enddate", end)
        files = ("-config", str(self.folder / "ca.cnf"), "-in", str(request), "-out", str(made))
        self._run("ca", "-batch", "-notext", *files, *signed_by, *dates)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(made, key)
        return context

    def _run(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], capture_output=True, timeout=60, check=True)


def _key(path: Path) -> tuple[str, ...]:
    return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(path)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "authority")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "stranger")


@contextmanager
def listening(context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A port that shakes hands with whoever comes."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    caller, _ = door.accept()
                    with caller, suppress(OSError):
                        if context:
                            context.wrap_socket(caller, server_side=True).close()
                        else:
                            caller.sendall(b"220 hello\r\n")

        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        yield door.getsockname()[1]
        door.shutdown(socket.SHUT_RDWR)
        serving.join(20.0)


def to_broker(port: int, authority: Authority | None = None, host: str = "127.0.0.1") -> Trouble | None:
    return way_to_broker(Broker(host, port, tls_ca=str(authority.certificate) if authority else ""))


def code(found: Trouble | None) -> str:
    assert found
    assert all((found.seen.en, found.seen.vi, found.cure.en, found.cure.vi))
    return found.code


def test_way_to_a_broker_that_is_there_is_clear(authority: Authority) -> None:
    with listening() as port:
        assert to_broker(port) is None
    with listening(authority.server()) as port:
        assert to_broker(port, authority) is None


def test_certificate_that_has_expired_is_told_with_the_time_of_this_computer(authority: Authority) -> None:
    with listening(authority.server(end="20210101000000Z")) as port:
        found = to_broker(port, authority)
    assert code(found) == "certificate-expired"
    assert found
    assert "the clock of this computer says 20" in found.seen.en


def test_certificate_that_begins_later_means_that_the_clock_is_wrong(authority: Authority) -> None:
    with listening(authority.server(begin="20900101000000Z")) as port:
        assert code(to_broker(port, authority)) == "clock-wrong"


@pytest.mark.parametrize(("name", "host"), [("DNS:elsewhere", "localhost"), ("IP:10.0.0.1", "127.0.0.1")])
def test_certificate_for_another_name_is_told(authority: Authority, name: str, host: str) -> None:
    with listening(authority.server(name)) as port:
        assert code(to_broker(port, authority, host)) == "certificate-name"


def test_certificate_of_a_stranger_is_told(authority: Authority, stranger: Authority) -> None:
    with listening(stranger.server()) as port:
        assert code(to_broker(port, authority)) == "certificate-authority"


def test_port_without_tls_is_told(authority: Authority) -> None:
    with listening() as port:
        assert code(to_broker(port, authority)) == "no-tls"


def test_file_of_authorities_that_is_not_there_is_told(tmp_path: Path) -> None:
    with listening() as port:
        found = way_to_broker(Broker("127.0.0.1", port, tls_ca=str(tmp_path / "none.crt")))
    assert code(found) == "authorities-unusable"


def test_port_where_nothing_listens_is_told() -> None:
    assert code(reach("127.0.0.1", 1)) == "nothing-listens"


def test_name_that_nobody_knows_is_told() -> None:
    assert code(reach("no-such-computer.invalid", 80)) == "name-unknown"


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (TimeoutError("timed out"), "no-answer"),
        (OSError(113, "No route to host"), "no-answer"),
        (OSError(101, "Network is unreachable"), "no-network"),
        (OSError(24, "Too many open files"), "no-way"),
    ],
)
def test_way_that_fails_is_named_for_what_to_look_at(error: OSError, named: str) -> None:
    assert code(unreachable(error, "server:1883")) == named


# -- the server


@pytest.fixture
def jobs() -> Iterator[JobServer]:
    jobs = JobServer()
    yield jobs
    jobs.stop()


def asked(url: str, tls_ca: str = "") -> Finding:
    return server(Source(url, ADDRESS, KEY, tls_ca))


def test_server_that_knows_the_agent_is_well(jobs: JobServer) -> None:
    assert asked(jobs.url).verdict is Verdict.GOOD
    assert jobs.headers[0]["Authorization"].startswith(f"Fabfleet {ADDRESS.user} ")


@pytest.mark.parametrize(
    ("status", "named"), [(401, "server-refused"), (302, "server-strange"), (200, "server-strange")]
)
def test_server_that_answers_otherwise_is_told(jobs: JobServer, status: int, named: str) -> None:
    jobs.answers[f"/api/v1/files/{'0' * 64}"] = (status, b"", {})
    found = asked(jobs.url)
    assert (found.code, found.verdict) == (named, Verdict.BAD)


def test_server_with_the_certificate_of_a_stranger_is_told(authority: Authority, stranger: Authority) -> None:
    with listening(stranger.server()) as port:
        assert asked(f"https://127.0.0.1:{port}", str(authority.certificate)).code == "certificate-authority"


def test_server_that_was_never_named_is_a_warning() -> None:
    found = asked("")
    assert (found.code, found.verdict) == ("server-unknown", Verdict.DOUBTFUL)
    assert asked("ftp://server").code == "server-address"
    assert asked("http://127.0.0.1:1").code == "nothing-listens"
