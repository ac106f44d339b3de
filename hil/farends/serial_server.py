"""A serial port on the network: shares one port of this machine over RFC 2217, as a serial server does."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

import serial
import serial.rfc2217

_TURN_S = 0.02


class _Shared(serial.Serial):
    """A pseudo-terminal as a port to share: it has no modem lines."""

    def _update_dtr_state(self) -> None: ...

    def _update_rts_state(self) -> None: ...

    def _update_break_state(self) -> None: ...

    cts = dsr = cd = property(lambda _: True)
    ri = property(lambda _: False)


class SerialServer:
    """Shares the port `name` with one caller at a time, for as long as the context lasts."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_TURN_S)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="serial server", daemon=True)

    @property
    def endpoint(self) -> str:
        return f"rfc2217://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while not self._ended.is_set():
            with suppress(TimeoutError):
                caller, _ = self._listener.accept()
                with caller, suppress(OSError):
                    self._share(caller)

    def _share(self, caller: socket.socket) -> None:
        """Until the caller goes. Raises OSError."""
        caller.settimeout(_TURN_S)
        caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        class Out:
            def write(self, data: bytes) -> None:
                caller.sendall(data)

        with _Shared(self._name, timeout=_TURN_S) as port:
            manager = serial.rfc2217.PortManager(port, Out())  # type: ignore[arg-type]  # it wants the methods only
            while not self._ended.is_set():
                if data := port.read(port.in_waiting or 1):
                    caller.sendall(b"".join(manager.escape(data)))
                with suppress(TimeoutError):
                    received = caller.recv(1024)
                    if not received:
                        return
                    port.write(b"".join(manager.filter(received)))
