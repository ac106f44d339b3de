"""One connection on which a device answers one request at a time: made when needed, made anew when it broke."""

import time
from collections.abc import Callable, Sequence
from typing import Final, Generic, Protocol, TypeVar

from firmware_bridges.base import BadReply, Link, LinkLost
from firmware_bridges.links import BAUD, open_link

STALE: Final = 64
"""So many pieces that came unasked are thrown away before a request; a device that says more is no device."""
_T = TypeVar("_T")
_R = TypeVar("_R")
_T_co = TypeVar("_T_co", covariant=True)


class Reader(Protocol[_T_co]):
    """A core: bytes in, what they say out."""

    def receive(self, data: bytes) -> Sequence[_T_co]: ...


class Dialogue(Generic[_T]):
    """A way to `endpoint` whose bytes `core` reads, a new one for each connection.

    `connect_s` bounds opening and every write, `reply_s` each answer. A connection that the device had closed is made
    anew, once, and the request sent again: only what may be repeated without harm is said here.
    """

    def __init__(
        self,
        endpoint: str,
        core: Callable[[], Reader[_T]],
        *,
        baud: int = BAUD,
        connect_s: float = 3.0,
        reply_s: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint = endpoint
        self._make_core = core
        self._baud = baud
        self._connect_s = connect_s
        self._reply_s = reply_s
        self._clock = clock
        self._core = core()
        self._opened = False
        self._link: Link | None = None

    def open(self) -> None:
        """Connect. Raises LinkLost."""
        self.close()
        self._connect()
        self._opened = True

    def close(self) -> None:
        self._opened = False
        self.hang_up()

    def hang_up(self) -> None:
        """Both sides may be out of step: the next request has a connection of its own."""
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def ask(self, request: bytes, read: Callable[[_T], _R | None]) -> _R:
        """Send, and give what `read` makes of the first thing said that is not None.

        `read` may raise BridgeError. Raises LinkLost for silence and BadReply where only other things were said.
        """
        if not self._opened:
            raise LinkLost("not open")
        fresh = self._link is None
        try:
            return self._asked(request, read)
        except _Closed:
            if fresh:
                raise
            return self._asked(request, read)

    def tell(self, request: bytes) -> None:
        """Send what nothing answers. Raises LinkLost."""
        if not self._opened:
            raise LinkLost("not open")
        link = self._link or self._connect()
        try:
            link.write(request)
        except LinkLost:
            self.hang_up()
            raise

    def _asked(self, request: bytes, read: Callable[[_T], _R | None]) -> _R:
        link = self._link or self._connect()
        try:
            self._forget_what_came(link)
            link.write(request)
            return self._answer(link, read)
        except (LinkLost, BadReply):
            self.hang_up()
            raise

    def _answer(self, link: Link, read: Callable[[_T], _R | None]) -> _R:
        deadline = self._clock() + self._reply_s
        other: _T | None = None
        while (left_s := deadline - self._clock()) > 0:
            for each in self._core.receive(self._read(link, left_s)):
                answer = read(each)
                if answer is not None:
                    return answer
                other = each
        if other is not None:
            raise BadReply(f"{str(other)[:80]} was said, and no answer in {self._reply_s:g} s")
        raise LinkLost(f"{self._endpoint}: no answer in {self._reply_s:g} s")

    def _forget_what_came(self, link: Link) -> None:
        for _ in range(STALE):
            data = self._read(link, 0.0)
            if not data:
                return
            self._core.receive(data)
        raise BadReply("talks without end, unasked")

    def _read(self, link: Link, wait_s: float) -> bytes:
        try:
            return link.read(wait_s)
        except LinkLost as error:
            raise _Closed(*error.args) from None

    def _connect(self) -> Link:
        self.hang_up()
        self._core = self._make_core()
        self._link = open_link(self._endpoint, baud=self._baud, timeout_s=self._connect_s)
        return self._link


class _Closed(LinkLost):
    """The other side closed the connection: a new one may well work."""
