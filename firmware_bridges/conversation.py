"""The conversation with one machine, in a thread of its own: between polls too, so that a job never waits."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from io import BufferedReader
from typing import Final, Generic, Protocol, TypeVar

from firmware_bridges.base import BadReply, BridgeError, Link, LinkLost, Refused
from firmware_bridges.machine_events import Confirmed, Fault, JobEnded, NotNow, Rejected

_TURN_S: Final = 0.05


class Core(Protocol):
    """One side of a conversation, without a link and without a clock. What happened comes back as events."""

    def start(self, now_ms: int) -> None: ...
    def receive(self, data: bytes, now_ms: int) -> Sequence[object]: ...
    def tick(self, now_ms: int) -> Sequence[object]: ...
    def to_send(self) -> bytes: ...


class Sight(Protocol):
    """All that a core knows of its machine. `heard` and `noise` count answers, and what was none."""

    @property
    def state(self) -> StrEnum: ...
    @property
    def heard(self) -> int: ...
    @property
    def noise(self) -> int: ...


C = TypeVar("C", bound=Core)
S = TypeVar("S", bound=Sight)


class Unconfirmed(BadReply):
    """The machine lives, and has not confirmed in time what it was told."""


@dataclass(frozen=True, slots=True)
class Wanted(Generic[S]):
    """What an action waits for: an order's answer, or a view; `never` says why that view can no longer come."""

    order: int = 0
    done: Callable[[S], bool] | None = None
    never: Callable[[S], str] = lambda _: ""


@dataclass(slots=True)
class _Waiter(Generic[C, S]):
    task: Callable[[C], Wanted[S]]
    wanted: Wanted[S] = field(default_factory=Wanted)
    answer: "queue.SimpleQueue[BridgeError | None]" = field(default_factory=queue.SimpleQueue)


class Conversation(Generic[C, S]):
    """`view` is replaced as a whole, so any thread may read it. In the state `lost` the core has given up."""

    def __init__(self, link: Link, core: C, look: Callable[[], S], lost: StrEnum, now_ms: Callable[[], int]) -> None:
        self.core = core
        self.view = look()
        self.job_file: BufferedReader | None = None
        self._look = look
        self._lost = lost
        self._link = link
        self._now_ms = now_ms
        self._tasks: queue.SimpleQueue[_Waiter[C, S]] = queue.SimpleQueue()
        self._waiters: deque[_Waiter[C, S]] = deque()
        self._error: BridgeError | None = None
        self._why = "the machine fell silent"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=type(core).__name__, daemon=True)

    def begin(self, timeout_s: float, greeted: Callable[[S], bool], nobody: str) -> None:
        """Greet the machine and wait until it has said who it is. Raises BridgeError, LinkLost with `nobody`."""
        self.core.start(self._now_ms())
        deadline = self._now_ms() + round(timeout_s * 1000)
        while not greeted(self.view):
            if self.view.state is self._lost or self._now_ms() >= deadline:
                if self.view.noise and not self.view.heard:
                    raise BadReply("answers that are no text; is the speed right?")
                raise LinkLost(nobody)
            self._turn()
        self._thread.start()

    def check(self) -> None:
        """Raises what ended the conversation, if anything has."""
        if self._error:
            raise type(self._error)(*self._error.args)

    def run(self, task: Callable[[C], Wanted[S]], timeout_s: float) -> None:
        """Run `task` in the conversation's thread and wait for what it wants. Raises BridgeError."""
        waiter = _Waiter(task)
        self._tasks.put(waiter)
        self.check()  # after that: who ends the conversation answers what waits then, and nobody what comes later
        try:
            error = waiter.answer.get(timeout=timeout_s)
        except queue.Empty:
            self.check()
            raise Unconfirmed(f"the machine did not confirm within {timeout_s:g} s") from None
        if error:
            raise error

    def close(self) -> None:
        """End the thread and let go of the link."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5)
        self._link.close()
        self._let_file_go()

    def _run(self) -> None:
        try:
            while not self._stop.is_set() and self.view.state is not self._lost:
                self._turn()
            if self.view.state is self._lost:
                self._end(LinkLost(self._why))
        except BridgeError as error:
            self._end(error)
        except Exception as error:  # noqa: BLE001 - a defect of ours must not look like a machine that is well
            self._end(BadReply(f"{type(error).__name__}: {error}"))

    def _end(self, error: BridgeError) -> None:
        self._error = error
        for waiter in self._waiters:
            waiter.answer.put(error)
        self._waiters.clear()
        with suppress(queue.Empty):
            while True:
                self._tasks.get_nowait().answer.put(error)

    def _turn(self) -> None:
        self._write()
        data = self._link.read(_TURN_S)
        now_ms = self._now_ms()
        events = [*(self.core.receive(data, now_ms) if data else ()), *self.core.tick(now_ms)]
        self._write()
        self.view = self._look()  # before anybody is answered who looks at it next
        for event in events:
            self._hear(event)
        self._take_tasks()
        self.view = self._look()
        for waiter in list(self._waiters):
            if waiter.wanted.done and waiter.wanted.done(self.view):
                self._answer(waiter, None)
            elif why := waiter.wanted.never(self.view):
                self._answer(waiter, Refused(why))

    def _write(self) -> None:
        if data := self.core.to_send():
            self._link.write(data)

    def _take_tasks(self) -> None:
        while not self._tasks.empty():
            waiter = self._tasks.get()
            self._waiters.append(waiter)
            try:
                waiter.wanted = waiter.task(self.core)
            except NotNow as error:
                self._answer(waiter, Refused(str(error)))

    def _answer(self, waiter: _Waiter[C, S], error: BridgeError | None) -> None:
        self._waiters.remove(waiter)
        waiter.answer.put(error)

    def _hear(self, event: object) -> None:
        match event:
            case Confirmed(order):
                self._order_ended(order, None)
            case Rejected(order, text):
                lost = self.view.state is self._lost
                self._order_ended(order, LinkLost(text) if lost else Refused(text))
            case Fault(_, text):
                self._why = text
            case JobEnded():
                self._let_file_go()

    def _order_ended(self, order: int, error: BridgeError | None) -> None:
        for waiter in [each for each in self._waiters if each.wanted.order == order]:
            self._answer(waiter, error)

    def _let_file_go(self) -> None:
        file, self.job_file = self.job_file, None
        if file:
            file.close()
