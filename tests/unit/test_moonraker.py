"""The Moonraker bridge and servers that answer anything but what they should: each fault is told as what it is."""

import base64
import contextlib
import hashlib
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridges.base import BadReply, BridgeError, LinkLost, Refused
from firmware_bridges.moonraker import MoonrakerBridge

OPTIONS = {"connect_s": 2.0, "reply_s": 1.0, "confirm_s": 1.0}
Talk = Callable[[socket.socket], None]
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@contextmanager
def server(talk: Talk) -> Iterator[str]:
    """A server that does `talk` on each connection; its address."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                talk(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)


def greet(connection: socket.socket) -> None:
    """The handshake of RFC 6455."""
    asked = b""
    while b"\r\n\r\n" not in asked:
        asked += connection.recv(4096)
    found = re.search(rb"Sec-WebSocket-Key: (\S+)", asked)
    assert found
    proof = base64.b64encode(hashlib.sha1(found.group(1) + _GUID).digest())
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + proof + b"\r\n\r\n"
    )


def frame(payload: bytes, kind: int = 0x81) -> bytes:
    return (
        bytes([kind])
        + (bytes([len(payload)]) if len(payload) < 126 else b"\x7e" + struct.pack(">H", len(payload)))
        + payload
    )


def answer(number: int, result: object) -> bytes:
    return frame(json.dumps({"jsonrpc": "2.0", "id": number, "result": result}).encode())


def says(data: bytes) -> Talk:
    """Says it, and hangs up when the other side does."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(data)
        while connection.recv(4096):
            pass

    return talk


def after_greeting(data: bytes) -> Talk:
    def talk(connection: socket.socket) -> None:
        greet(connection)
        says(data)(connection)

    return talk


def drips(connection: socket.socket) -> None:
    """Half of a frame, byte by byte, for ever."""
    greet(connection)
    connection.sendall(b"\x81\x7e\xff\xff")
    while True:
        connection.sendall(b"x")
        time.sleep(0.1)


def floods(connection: socket.socket) -> None:
    """A frame of an exabyte."""
    greet(connection)
    connection.sendall(b"\x81\x7f" + struct.pack(">Q", 1 << 60))
    while True:
        connection.sendall(b"x" * 65_536)


def hangs_up(connection: socket.socket) -> None:
    greet(connection)


WRONG = {
    "another web server": (says(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), BadReply),
    "one that wants a key": (says(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"), Refused),
    "no web server": (says(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), BadReply),
    "silence after the greeting": (after_greeting(b""), LinkLost),
    "no JSON": (after_greeting(frame(b"hello")), BadReply),
    "no object": (after_greeting(frame(b"[1]")), BadReply),
    "text that is none": (after_greeting(frame(b"\xff\xfe")), BadReply),
    "a key asked for": (
        after_greeting(frame(b'{"jsonrpc":"2.0","id":1,"error":{"code":401,"message":"Unauthorized"}}')),
        Refused,
    ),
    "a frame that never ends": (drips, LinkLost),
    "a frame beyond all bounds": (floods, BadReply),
    "the end": (hangs_up, LinkLost),
}


@pytest.mark.parametrize(("talk", "wanted"), WRONG.values(), ids=WRONG.keys())
def test_each_wrong_server_is_told_as_what_it_is_and_in_time(talk: Talk, wanted: type[BridgeError]) -> None:
    with server(talk) as endpoint:
        bridge = MoonrakerBridge(endpoint, {**OPTIONS, "key": "sekret-key"})
        began_s = time.monotonic()
        with pytest.raises(wanted) as raised:
            bridge.open()
        assert time.monotonic() - began_s < 20.0
        assert "sekret" not in str(raised.value)
        with pytest.raises(LinkLost):
            bridge.poll()
        bridge.close()


@settings(max_examples=40)
@given(said=st.lists(st.binary(max_size=60) | st.text(max_size=20).map(lambda text: frame(text.encode())), max_size=6))
def test_noise_brings_nothing_out_of_the_bridge_but_bridge_errors(said: list[bytes]) -> None:
    def talk(connection: socket.socket) -> None:
        greet(connection)
        connection.sendall(answer(1, {}) + b"".join(said))
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass

    with server(talk) as endpoint:
        bridge = MoonrakerBridge(endpoint, OPTIONS)
        with contextlib.suppress(BridgeError):
            bridge.open()
            bridge.poll()
        bridge.close()


def test_message_that_comes_in_pieces_among_notices_is_understood() -> None:
    def talk(connection: socket.socket) -> None:
        greet(connection)
        notice = frame(b'{"jsonrpc":"2.0","method":"notify_proc_stat_update","params":[]}')
        told = notice + answer(99, {}) + answer(1, {}) + frame(b"", 0x89)
        told += answer(2, {"klippy_state": "disconnected", "moonraker_version": "0.11"})
        for at in range(0, len(told), 7):
            connection.sendall(told[at : at + 7])
        while connection.recv(4096):
            pass

    with server(talk) as endpoint:
        bridge = MoonrakerBridge(endpoint, OPTIONS)
        bridge.open()
        values = bridge.poll()
        bridge.close()
    assert (values["state"], values["printing"], values["firmware"]) == ("disconnected", None, "0.11")
