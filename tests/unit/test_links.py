"""Links on real ports and sockets: what comes through, and how each way of losing it is told."""

import os
import socket
import struct
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridges.base import Link, LinkLost
from firmware_bridges.links import Endpoint, Scheme, open_link, parse_endpoint
from hil.farends.serial_server import SerialServer

OLD_WORDS = pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")
"""pyserial's RFC 2217 client names its thread in the old way."""


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """A pseudo-terminal: the far end's descriptor, and the port's name."""
    master, slave = os.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    for descriptor in (master, slave):
        with suppress(OSError):
            os.close(descriptor)


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(5)
        yield listening


def tcp(server: socket.socket) -> tuple[Link, socket.socket]:
    link = open_link(f"tcp://127.0.0.1:{server.getsockname()[1]}", timeout_s=0.5)
    return link, server.accept()[0]


def write_and_read(link: Link, times: int) -> None:
    for _ in range(times):
        link.write(b"two")
        link.read(0.2)


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        (
            "/dev/serial/by-id/usb-1a86_USB_Serial-if00",
            Endpoint(Scheme.SERIAL, "/dev/serial/by-id/usb-1a86_USB_Serial-if00"),
        ),
        ("COM3", Endpoint(Scheme.SERIAL, "COM3")),
        (r"\\.\COM12", Endpoint(Scheme.SERIAL, r"\\.\COM12")),
        ("serial:///dev/ttyUSB0?baud=250000", Endpoint(Scheme.SERIAL, "/dev/ttyUSB0", baud=250_000)),
        ("serial://COM4", Endpoint(Scheme.SERIAL, "COM4")),
        ("tcp://room-204:4352", Endpoint(Scheme.TCP, host="room-204", port=4352)),
        ("tcp://[::1]:4352", Endpoint(Scheme.TCP, host="::1", port=4352)),
        ("udp://10.0.0.9:50200", Endpoint(Scheme.UDP, host="10.0.0.9", port=50200)),
        ("rfc2217://pi:2217?baud=9600", Endpoint(Scheme.RFC2217, host="pi", port=2217, baud=9600)),
    ],
)
def test_endpoint_string_names_one_place(text: str, endpoint: Endpoint) -> None:
    assert parse_endpoint(text) == endpoint


@pytest.mark.parametrize(
    "text",
    ["", "room-204", "http://a:1", "tcp://a", "tcp://:9", "tcp://a:x", "serial://", "tcp://a:1?x=1", "COM3?baud=x"],
)
def test_string_that_names_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        open_link(text)


@given(st.text())
def test_no_string_does_more_than_be_refused(text: str) -> None:
    with suppress(ValueError):
        parse_endpoint(text)


def test_port_that_is_not_there_is_lost_in_plain_words(tmp_path: Path) -> None:
    with pytest.raises(LinkLost, match="is not there"):
        open_link(str(tmp_path / "ttyUSB0"))


def test_serial_port_carries_bytes_both_ways(terminal: tuple[int, str]) -> None:
    master, name = terminal
    link = open_link(name)
    link.write(b"M105\n")
    assert os.read(master, 100) == b"M105\n"
    os.write(master, b"ok\n")
    assert link.read(1.0) == b"ok\n"
    assert link.read(0.0) == b""
    link.close()
    link.close()


def test_serial_port_is_this_process_alone(terminal: tuple[int, str]) -> None:
    link = open_link(terminal[1])
    with pytest.raises(LinkLost):
        open_link(terminal[1])
    link.close()


def test_unplugged_serial_port_is_lost(terminal: tuple[int, str]) -> None:
    master, name = terminal
    link = open_link(name)
    os.close(master)
    with pytest.raises(LinkLost, match="unplugged"):
        link.read(1.0)
    link.close()


def test_serial_port_whose_other_side_does_not_read_is_lost_in_time(terminal: tuple[int, str]) -> None:
    link = open_link(terminal[1], timeout_s=0.2)
    with pytest.raises(LinkLost, match="takes no more bytes"):
        link.write(b"x" * 1_000_000)
    link.close()


def test_megabyte_comes_in_bounded_pieces(terminal: tuple[int, str]) -> None:
    master, name = terminal
    link = open_link(name)

    def send() -> None:
        data = b"x" * 1_000_000
        while data:
            data = data[os.write(master, data) :]

    sender = threading.Thread(target=send)
    sender.start()
    total = 0
    while total < 1_000_000:
        piece = link.read(2.0)
        assert 0 < len(piece) <= 65_536
        total += len(piece)
    sender.join()
    link.close()


def test_tcp_carries_bytes_and_an_ended_connection_is_lost(server: socket.socket) -> None:
    link, far = tcp(server)
    link.write(b"%1POWR ?\r")
    assert far.recv(100) == b"%1POWR ?\r"
    far.sendall(b"%1POWR=1\r")
    assert link.read(1.0) == b"%1POWR=1\r"
    assert link.read(0.01) == b""
    far.close()
    with pytest.raises(LinkLost, match="closed by the other side"):
        link.read(1.0)
    link.close()


def test_tcp_reset_is_lost(server: socket.socket) -> None:
    link, far = tcp(server)
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    far.close()
    with pytest.raises(LinkLost):
        link.read(1.0)
    link.close()


def test_tcp_whose_other_side_does_not_read_is_lost_in_time(server: socket.socket) -> None:
    link, far = tcp(server)
    with pytest.raises(LinkLost, match="no answer in time"):
        link.write(b"x" * 50_000_000)
    link.close()
    far.close()


def test_nobody_listening_is_lost(server: socket.socket) -> None:
    port = server.getsockname()[1]
    server.close()
    with pytest.raises(LinkLost):
        open_link(f"tcp://127.0.0.1:{port}", timeout_s=1)


def test_name_that_nobody_knows_is_lost() -> None:
    with pytest.raises(LinkLost):
        open_link("tcp://no-such-machine.invalid:9", timeout_s=1)


def test_udp_carries_datagrams_and_a_refused_one_is_lost() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.bind(("127.0.0.1", 0))
        far.settimeout(5)
        link = open_link(f"udp://127.0.0.1:{far.getsockname()[1]}")
        link.write(b"one")
        data, address = far.recvfrom(100)
        assert data == b"one"
        far.sendto(b"first", address)
        far.sendto(b"second", address)
        assert [link.read(1.0), link.read(1.0), link.read(0.01)] == [b"first", b"second", b""]
    with pytest.raises(LinkLost):
        write_and_read(link, 3)
    link.close()


@OLD_WORDS
def test_rfc2217_carries_bytes_and_an_ended_connection_is_lost(terminal: tuple[int, str]) -> None:
    master, name = terminal
    with SerialServer(name) as server:
        link = open_link(f"{server.endpoint}?baud=115200")
        link.write(b"M105\n")
        assert os.read(master, 100) == b"M105\n"
        os.write(master, b"ok\n")
        came = b""
        deadline = time.monotonic() + 10
        while came != b"ok\n" and time.monotonic() < deadline:
            came += link.read(0.5)
        assert came == b"ok\n"
    with pytest.raises(LinkLost):
        write_and_read(link, 50)
    link.close()


@OLD_WORDS
def test_server_that_speaks_no_rfc2217_is_lost_and_left(server: socket.socket) -> None:
    threads = threading.active_count()
    with pytest.raises(LinkLost):
        open_link(f"rfc2217://127.0.0.1:{server.getsockname()[1]}", timeout_s=0.2)
    assert threading.active_count() == threads


def test_every_link_lets_go_of_what_it_opened(terminal: tuple[int, str], server: socket.socket) -> None:
    def count() -> tuple[int, int]:
        return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))

    baseline = count()
    for _ in range(20):
        open_link(terminal[1]).close()
        link, far = tcp(server)
        link.close()
        far.close()
        open_link("udp://127.0.0.1:9").close()
    assert count() == baseline
