"""A TCP relay in front of the controller that stands still in the middle of an answer when it is told to."""

import contextlib
import socket
import threading

HOST = "127.0.0.1"
_PIECE = 4_096
_FIRST = 16_384
"""Bytes of an answer that come through although it is held: enough to show that it began."""


class Relay:
    """Takes connections until `close`. A connection that finds nobody behind the relay is closed."""

    def __init__(self, port: int) -> None:
        """`port` is the controller's."""
        self._behind = (HOST, port)
        self._flows = threading.Event()
        self._flows.set()
        self._cuts = 0
        self._listener = socket.create_server((HOST, 0))
        self._thread = threading.Thread(target=self._take, name="relay", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._listener.getsockname()[1]}"

    def hold(self) -> None:
        """From now on only the beginning of an answer comes through."""
        self._flows.clear()

    def release(self) -> None:
        self._flows.set()

    def cut(self) -> None:
        """Break off what is held, as the end of the computer behind it would, and let new connections through."""
        self._cuts += 1
        self._flows.set()

    def close(self) -> None:
        self.release()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _take(self) -> None:
        while True:
            try:
                agent, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(agent,), name="relayed", daemon=True).start()

    def _serve(self, agent: socket.socket) -> None:
        """One request, whose answer ends with the connection or when the agent has enough."""
        with agent, contextlib.suppress(OSError), socket.create_connection(self._behind, 10) as controller:
            asking = threading.Thread(target=_pass_on, args=(agent, controller), name="asking", daemon=True)
            asking.start()
            passed, cuts = 0, self._cuts
            while piece := controller.recv(_PIECE):
                if passed >= _FIRST:
                    self._flows.wait()
                if cuts != self._cuts:
                    break
                agent.sendall(piece)
                passed += len(piece)
            with contextlib.suppress(OSError):
                agent.shutdown(socket.SHUT_RDWR)
            asking.join(10)


def _pass_on(agent: socket.socket, controller: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := agent.recv(_PIECE):
            controller.sendall(data)
        controller.shutdown(socket.SHUT_RDWR)
