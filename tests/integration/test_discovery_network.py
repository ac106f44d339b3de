"""What announces itself, heard by the real child: a real mDNS publisher and real SSDP multicast, on loopback."""

import contextlib
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from agent.discovery_announced import Announced, announced, child, evidence_of
from agent.discovery_match import candidates, hint_of
from agent.discovery_ssdp import GROUP, answer, device_type, title
from contract.found import ClueKind
from device_profiles.profile import load, slugs
from tests.integration.announcer import NAME, announcing

pytestmark = pytest.mark.integration
HINTS = tuple(hint_of(load(slug)) for slug in slugs())
LOOPBACK = "127.0.0.1"
PRINTER = "urn:schemas-upnp-org:device:Printer:1"
DESCRIPTION = (
    b"<root><device><friendlyName>HP LaserJet M507</friendlyName><manufacturer>HP</manufacturer></device></root>"
)


class Description(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(DESCRIPTION)))
        self.end_headers()
        self.wfile.write(DESCRIPTION)

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the library's word
        pass


@pytest.fixture
def upnp_printer() -> Iterator[None]:
    """Answers searches, as a device does, and serves its description."""
    server = ThreadingHTTPServer((LOOPBACK, 0), Description)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    group = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    group.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    group.bind(GROUP)
    joined = struct.pack("4s4s", socket.inet_aton(GROUP[0]), socket.inet_aton(LOOPBACK))
    group.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, joined)
    group.settimeout(0.2)
    stopping = threading.Event()

    def serve() -> None:
        while not stopping.is_set():
            with contextlib.suppress(TimeoutError):
                datagram, asker = group.recvfrom(2_000)
                if not datagram.startswith(b"M-SEARCH"):
                    continue
                for kind in ("upnp:rootdevice", PRINTER):
                    location = f"http://{LOOPBACK}:{server.server_port}/d.xml"
                    told = f"HTTP/1.1 200 OK\r\nST: {kind}\r\nLOCATION: {location}\r\nUSN: uuid:1\r\n\r\n"
                    group.sendto(told.encode(), asker)

    thread = threading.Thread(target=serve)
    thread.start()
    yield
    stopping.set()
    thread.join()
    group.close()
    server.shutdown()
    server.server_close()


@pytest.fixture
def octoprint() -> Iterator[None]:
    with announcing():
        yield


@pytest.mark.usefixtures("upnp_printer", "octoprint")
def test_what_announces_itself_is_found_with_the_profile_that_fits() -> None:
    heard = set(announced(child(["_octoprint._tcp", "_ipp._tcp"], 4.0, LOOPBACK)))
    octoprint = Announced(ClueKind.MDNS, "_octoprint._tcp", NAME, LOOPBACK, 5000)
    printer = Announced(ClueKind.SSDP, PRINTER, "HP LaserJet M507", LOOPBACK)
    assert {octoprint, printer} <= heard
    best = candidates(evidence_of(octoprint), HINTS)[0]
    assert (best.profile, best.endpoint) == ("octoprint/printer", "http://127.0.0.1:5000")
    assert candidates(evidence_of(printer), HINTS)[0].profile == "generic/network-printer"


def test_child_that_hangs_is_ended_and_what_it_told_counts() -> None:
    line = '{"way": "mdns", "type": "_x._tcp", "name": "n", "host": "10.0.0.1", "port": 1}'
    hangs = f"import time; print('{line}', flush=True); print('{{', flush=True); time.sleep(600)"
    began = time.monotonic()
    heard = announced((sys.executable, "-c", hangs), deadline_s=2.0)
    assert [each.name for each in heard] == ["n"]
    assert time.monotonic() - began < 60


def test_answers_of_ssdp_are_read_as_they_come() -> None:
    fields = answer(b"HTTP/1.1 200 OK\r\nst: " + PRINTER.encode() + b"\r\nLocation: http://h/\r\n\r\n")
    assert fields is not None
    assert (device_type(fields), fields["location"]) == (PRINTER, "http://h/")
    assert answer(b"NOTIFY * HTTP/1.1\r\n\r\n") is None
    assert device_type({"st": "upnp:rootdevice"}) == ""
    assert title("<manufacturer>HP</manufacturer><modelName>M507</modelName>") == "HP M507"
