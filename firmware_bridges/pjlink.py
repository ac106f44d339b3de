"""Projectors and displays that speak PJLink over TCP; search and notices over UDP."""

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeVar
from urllib.parse import urlsplit

from contract.model import Value
from firmware_bridges import pjlink_core as core
from firmware_bridges.base import BadReply, Link, LinkLost, Refused
from firmware_bridges.links import Scheme, open_link, parse_endpoint
from firmware_bridges.options import Options

CONNECT_S: Final = 3.0
REPLY_S: Final = 3.0
"""A projector answers within 2 s (section 2 of the standard)."""
CONFIRM_S: Final = 10.0
"""How long a projector may take to show that it does what it was told."""
IDLE_S: Final = 20.0
"""After this long the connection is made anew: a projector may close it after 30 s."""
_ASK_AGAIN_S = 0.25
_REASONS = {
    core.Trouble.UNDEFINED: "the projector does not know this command",
    core.Trouble.OUT_OF_RANGE: "the projector has no such setting",
    core.Trouble.UNAVAILABLE: "the projector cannot do this now",
    core.Trouble.FAILURE: "the projector reports a failure",
}
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Found:
    """A projector that answered a search: its address and its hardware address."""

    host: str
    mac: str


@dataclass(frozen=True, slots=True)
class Told:
    """A notice and where it came from."""

    host: str
    notice: core.Notice


class PjlinkBridge:
    """One projector at `tcp://host[:port]`.

    Options: `password`; `inputs`, a table from code to name (`31 = "HDMI 1"`), which stands above the projector's own
    names; `reply_s`, `connect_s`, `confirm_s`, `idle_s`, in seconds.

    Actions: `power-on`, `power-off`, `input` (`input`: a code or a name), `mute` (`on`: picture and sound). All may
    be repeated without harm, so one that meets a closed connection is sent once more on a new one.
    """

    def __init__(
        self,
        endpoint: str,
        options: Mapping[str, Any],
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._endpoint = endpoint if urlsplit(endpoint).port else f"{endpoint}:{core.PORT}"
        if parse_endpoint(self._endpoint).scheme is not Scheme.TCP:
            raise ValueError(f"{endpoint!r} is not tcp://host[:port]")
        given = Options(options)
        self._password = given.text("password")
        self._connect_s = given.number("connect_s", CONNECT_S, 0.1, 60)
        self._reply_s = given.number("reply_s", REPLY_S, 0.1, 60)
        self._confirm_s = given.number("confirm_s", CONFIRM_S, 0.1, 600)
        self._idle_s = given.number("idle_s", IDLE_S, 0.1, 3600)
        self._given_names = _names(given.table("inputs"))
        given.done()
        self._clock = clock
        self._pause = pause
        self._opened = False
        self._link: Link | None = None
        self._core = core.PjlinkCore()
        self._used_at = 0.0
        self._pjclass = 1
        self._identity: dict[str, Value | None] = {}
        self._names: dict[str, str] = {}
        self._unsupported: set[str] = set()

    def open(self) -> None:
        self.close()
        self._unsupported.clear()
        self._opened = True
        try:
            self._meet()
        except BaseException:
            self.close()
            raise

    def _meet(self) -> None:
        self._connect()
        with self._in_step():
            self._pjclass = core.pjlink_class(self._value("CLSS") or "1")
        self._identity = {"pjlink-class": self._pjclass}
        for question in core.IDENTITY:
            self._identity |= self._answer(question)
        self._names = {}

    def poll(self) -> Mapping[str, Value | None]:
        return self._connected(self._poll)

    def execute(self, action: str, args: Mapping[str, Value]) -> None:
        match action:
            case "power-on":
                self._tell("POWR", "1", lambda value: core.power(value) in (core.Power.ON, core.Power.WARMING))
            case "power-off":
                self._tell("POWR", "0", lambda value: core.power(value) in (core.Power.OFF, core.Power.COOLING))
            case "input":
                code = self._code(args.get("input"))
                self._tell("INPT", code, lambda value: value == code)
            case "mute":
                on = args.get("on")
                if not isinstance(on, bool):
                    raise Refused("mute wants on: true or false")
                self._tell("AVMT", "31" if on else "30", lambda value: core.mute(value) == core.Mute(on, on))
            case _:
                raise Refused(f"a projector has no action {action!r}")

    def close(self) -> None:
        self._opened = False
        self._hang_up()

    def _hang_up(self) -> None:
        """End the connection; the next question makes a new one."""
        if self._link is not None:
            self._link.close()
            self._link = None

    def _poll(self) -> dict[str, Value | None]:
        values: dict[str, Value | None] = dict(self._identity)
        failure = False
        for question in core.STATE:
            answer = self._answer(question)
            failure = failure or answer.pop("failure", None) is True
            values |= answer
        self._learn_names()
        code = values.get("input")
        if isinstance(code, str):
            values["input"] = self._names.get(code, self._given_names.get(code, core.source_name(code)))
        values["failure"] = failure
        return values

    def _answer(self, question: core.Question) -> dict[str, Value | None]:
        """The metrics of a question: none if the projector does not know it, None if it does not know them now."""
        if question.pjclass > self._pjclass or question.body in self._unsupported:
            return {}
        reply = self._exchange(question.pjclass, question.body, "?")
        match reply.trouble:
            case None:
                with self._in_step():
                    return dict(question.read(reply.value))
            case core.Trouble.UNDEFINED | core.Trouble.OUT_OF_RANGE:
                self._unsupported.add(question.body)
                return {}
            case core.Trouble.FAILURE:
                return dict.fromkeys(question.metrics) | {"failure": True}
            case core.Trouble.UNAVAILABLE:
                return dict.fromkeys(question.metrics)

    def _value(self, body: str, parameter: str = "?", pjclass: int = 1) -> str | None:
        reply = self._exchange(pjclass, body, parameter)
        return None if reply.trouble else reply.value

    def _learn_names(self) -> None:
        """Ask once what the inputs are called; class 1 has no names. Some projectors do not tell in standby."""
        if self._names:
            return
        listed = self._value("INST", pjclass=self._pjclass)
        if listed is None:
            return
        with self._in_step():
            codes = core.sources(listed)
        names = {code: core.source_name(code) for code in codes}
        for code in codes if self._pjclass == 2 else ():
            names[code] = core.words(self._value("INNM", f"?{code}", 2) or "") or names[code]
        self._names = names | self._given_names

    def _code(self, wanted: Value | None) -> str:
        text = str(wanted or "").strip()
        self._connected(self._learn_names)
        for code, name in self._names.items():
            if text.casefold() in (name.casefold(), code.casefold()):
                return code
        known = ", ".join(self._names.values())
        raise Refused(f"no input {text[:40]!r}; the projector has {known}")

    def _tell(self, body: str, parameter: str, reached: Callable[[str], bool]) -> None:
        """Send a setting and wait until the projector itself says that it is so."""
        pjclass = self._pjclass if body == "INPT" else 1
        self._connected(lambda: self._told(pjclass, body, parameter))
        deadline = self._clock() + self._confirm_s
        while True:
            value = self._connected(lambda: self._value(body, pjclass=pjclass))
            with self._in_step():
                if value is not None and reached(value):
                    return
            if self._clock() >= deadline:
                raise BadReply(f"said OK to {body} {parameter} and did not do it in {self._confirm_s:g} s")
            self._pause(_ASK_AGAIN_S)

    def _told(self, pjclass: int, body: str, parameter: str) -> None:
        reply = self._exchange(pjclass, body, parameter)
        if reply.trouble:
            raise Refused(_REASONS[reply.trouble])
        if reply.value != "OK":
            self._hang_up()
            raise BadReply(f"{reply.value[:40]!r} is no answer to {body} {parameter}")

    def _connected(self, work: Callable[[], _T]) -> _T:
        """Do `work` over a live connection; once more over a new one if the projector had closed the old one."""
        if not self._opened:
            raise LinkLost("not open")
        if self._link is None or self._clock() - self._used_at > self._idle_s:
            self._connect()
            return work()
        try:
            return work()
        except _Closed:
            self._connect()
            return work()

    def _connect(self) -> None:
        self._hang_up()
        self._core = core.PjlinkCore(self._password)
        self._link = open_link(self._endpoint, timeout_s=self._connect_s)
        greeting = self._event()
        if not isinstance(greeting, core.Greeted):
            self._fail(greeting)
        elif greeting.wants_password and not self._password:
            self._hang_up()
            raise Refused("the projector wants a password")

    def _exchange(self, pjclass: int, body: str, parameter: str) -> core.Reply:
        with self._noticing_the_end() as link:
            link.write(self._core.request(pjclass, body, parameter))
        event = self._event()
        if not isinstance(event, core.Reply) or event.body != body:
            self._fail(event)
        return event

    def _event(self) -> core.Event:
        """The next event. What is left over after it belongs to no request: then both sides are out of step."""
        deadline = self._clock() + self._reply_s
        while True:
            events = self._core.receive(self._bytes(deadline))
            if events:
                self._used_at = self._clock()
                if len(events) > 1:
                    self._fail(next((each for each in events if isinstance(each, core.Noise)), events[1]))
                return events[0]

    def _bytes(self, deadline: float) -> bytes:
        left_s = deadline - self._clock()
        if left_s <= 0:
            self._hang_up()
            raise LinkLost(f"{self._endpoint}: no answer in {self._reply_s:g} s")
        with self._noticing_the_end() as link:
            return link.read(left_s)

    @contextmanager
    def _noticing_the_end(self) -> Iterator[Link]:
        if self._link is None:
            raise LinkLost("not connected")
        try:
            yield self._link
        except LinkLost as error:
            self._hang_up()
            raise _Closed(*error.args) from None

    def _fail(self, event: core.Event) -> NoReturn:
        """Raise what an event means that was not asked for; the connection is of no more use."""
        self._hang_up()
        match event:
            case core.Denied():
                raise Refused("wrong password")
            case core.Noise(start, why):
                raise BadReply(f"{start!r}: {why}")
            case core.Reply(_, body, _):
                raise BadReply(f"an answer to {body}, which was not asked")
            case core.Greeted():
                raise BadReply("a second greeting")

    @contextmanager
    def _in_step(self) -> Iterator[None]:
        """A reply that cannot be read ends the connection, so that the next one starts clean."""
        try:
            yield
        except BadReply:
            self._hang_up()
            raise


def _names(inputs: Mapping[str, Any]) -> dict[str, str]:
    """Raises ValueError for a code that no projector has."""
    try:
        return {core.source(code): str(name) for code, name in inputs.items()}
    except BadReply as error:
        raise ValueError(f"inputs: {error}") from None


class _Closed(LinkLost):
    """The other side closed the connection: a new one may well work."""


def search(
    addresses: tuple[str, ...] = ("255.255.255.255",), *, port: int = core.PORT, wait_s: float = 3.0
) -> list[Found]:
    """The class 2 projectors that answer within `wait_s`, each once, in order of address. Raises LinkLost."""
    found: set[Found] = set()
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
            way.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            for address in addresses:
                way.sendto(core.SEARCH, (address, port))
            for told in _told(way, wait_s):
                if told.notice.body == "ACKN":
                    found.add(Found(told.host, core.mac(told.notice.value)))
    except OSError as error:
        raise LinkLost(f"search: {error.strerror or error}") from None
    return sorted(found, key=lambda each: each.host)


class NoticeListener:
    """Hears what class 2 projectors tell unasked. One a process: the port is fixed by the standard."""

    def __init__(self, address: str = "", port: int = core.PORT) -> None:
        """Raises LinkLost if the port is taken."""
        self._way = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._way.bind((address, port))
        except OSError as error:
            self._way.close()
            raise LinkLost(f"UDP port {port} cannot be used: {error.strerror or error}") from None

    @property
    def port(self) -> int:
        number: int = self._way.getsockname()[1]
        return number

    def read(self, wait_s: float) -> list[Told]:
        """What came in `wait_s`. Raises LinkLost."""
        try:
            return [told for told in _told(self._way, wait_s) if told.notice.body != "ACKN"]
        except OSError as error:
            raise LinkLost(f"notices: {error.strerror or error}") from None

    def close(self) -> None:
        self._way.close()


def _told(way: socket.socket, wait_s: float) -> Iterator[Told]:
    deadline = time.monotonic() + wait_s
    while (left_s := deadline - time.monotonic()) > 0:
        way.settimeout(left_s)
        try:
            datagram, sender = way.recvfrom(core.MAX_LINE + 1)
        except TimeoutError:
            return
        notice = core.notice(datagram)
        if notice is not None:
            yield Told(sender[0], notice)
