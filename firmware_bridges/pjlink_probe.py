"""Asks a projector who it is, once and in passing: maker, model, name and class. PJLink over TCP."""

import socket
import time
from dataclasses import dataclass
from typing import Final

from firmware_bridges import pjlink_core as core

_QUESTIONS: Final = ("CLSS", "INF1", "INF2", "NAME")
_CHUNK = 1_024


@dataclass(frozen=True, slots=True)
class Introduced:
    """A projector. What it keeps to those who have its password is empty, and `guarded` then."""

    pjclass: int = 0
    maker: str = ""
    model: str = ""
    name: str = ""
    guarded: bool = False


def introduced(way: socket.socket, within_s: float) -> Introduced | None:
    """Who is at the other end of a new connection; None if it is no projector. Raises OSError."""
    talk, until = core.PjlinkCore(), time.monotonic() + within_s
    match _event(way, talk, until):
        case core.Greeted(wants_password=True):
            return Introduced(guarded=True)
        case core.Greeted():
            pass
        case _:
            return None
    told: dict[str, str] = {}
    for body in _QUESTIONS:
        way.sendall(talk.request(1, body))
        event = _event(way, talk, until)
        if not isinstance(event, core.Reply) or event.body != body:
            break
        told[body] = "" if event.trouble else event.value
    pjclass = told.get("CLSS", "")
    return Introduced(
        pjclass=int(pjclass) if pjclass in ("1", "2") else 1,
        maker=told.get("INF1", ""),
        model=told.get("INF2", ""),
        name=told.get("NAME", ""),
    )


def _event(way: socket.socket, talk: core.PjlinkCore, until: float) -> core.Event | None:
    """The next event; None if none comes in time, or the other side hangs up."""
    while (left_s := until - time.monotonic()) > 0:
        way.settimeout(left_s)
        try:
            data = way.recv(_CHUNK)
        except TimeoutError:
            return None
        events = talk.receive(data)
        if events:
            return events[0]
        if not data:
            return None
    return None
