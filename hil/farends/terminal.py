"""A pseudo-terminal as the serial port of equipment that listens on TCP."""

import os
import select
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from firmware_bridges.base import LinkLost
from firmware_bridges.links import open_link

_TURN_S = 0.01


@contextmanager
def pseudo_terminal(endpoint: str) -> Iterator[str]:
    """The name of a port that leads to `endpoint` for as long as the context lasts."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    far = open_link(endpoint)
    ended = threading.Event()

    def pass_on() -> None:
        while not ended.is_set():
            with suppress(LinkLost, OSError):
                if select.select([ours], [], [], _TURN_S)[0]:
                    far.write(os.read(ours, 4096))
                if reply := far.read(_TURN_S):
                    os.write(ours, reply)

    thread = threading.Thread(target=pass_on, name="terminal", daemon=True)
    thread.start()
    yield os.ttyname(theirs)
    ended.set()
    thread.join()
    far.close()
    os.close(ours)
    os.close(theirs)
