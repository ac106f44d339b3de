"""Robot kits and boards with MicroPython, by the raw REPL of their serial port."""

import hashlib
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from contract.model import Value
from device_profiles import program
from firmware_bridges import micropython_core as core
from firmware_bridges.base import BadReply, BridgeError, Link, LinkLost, Refused
from firmware_bridges.links import open_link, parse_stream
from firmware_bridges.options import Options

REPLY_S: Final = 5.0
"""A board that just restarted runs its own boot script first."""
TEST_S: Final = 30.0
_CHUNK = 32
_CHUNK_PAUSE_S = 0.01
"""3200 bytes a second: small boards have no flow control and 64 bytes of room (the same pace as microfs)."""
_STOP_AGAIN_S = 0.5
_ENTER_AGAIN_S = 1.0
_LIVENESS = "import gc\ngc.collect()\nprint('memory-free', gc.mem_free())"


class MicroPythonBridge:
    """One board. While the bridge is open the board's own program rests: the REPL has it.

    Options: `baud`; `self_test`, a program that prints `NAME ok` or `NAME wrong` for each thing it checks; `reply_s`
    and `test_s`, in seconds.

    Actions: `run` (`path`: a file on this computer, `digest`: its SHA-256, `name`) returns when the board runs it;
    `stop` when it has stopped; `self-test` when it has ended. Nobody watches a program whose bridge is closed, so
    closing stops it.
    """

    def __init__(
        self,
        endpoint: str,
        options: Mapping[str, Any],
        *,
        opener: Callable[[str], Link] | None = None,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        given = Options(options)
        baud = given.whole("baud", core.BAUD, 50, 4_000_000)
        parse_stream(endpoint, baud)
        self._endpoint = endpoint
        self._opener = opener or (lambda where: open_link(where, baud=baud))
        self._self_test = given.text("self_test")
        self._reply_s = given.number("reply_s", REPLY_S, 0.1, 60)
        self._test_s = given.number("test_s", TEST_S, 0.1, 600)
        given.done()
        self._clock = clock
        self._pause = pause
        self._link: Link | None = None
        self._core = core.ReplCore()
        self._running = ""
        self._news = False
        """A program has begun, and no poll has told of it yet."""
        self._told: dict[str, Value | None] = {}

    def open(self) -> None:
        self.close()
        self._link = self._opener(self._endpoint)
        try:
            self._enter()
            ran = self._run(core.IDENTITY, self._reply_s)
            self._told = {**core.identity(ran.output), "job": None, "job-result": None, "job-error": None}
        except BaseException:
            self.close()
            raise

    def poll(self) -> Mapping[str, Value | None]:
        if self._link is None:
            raise LinkLost("not open")
        if self._news:  # told first, also of a program that is through by now: whoever gave it sees it begin and end
            self._news = False
            return {**self._told, "running": True, "job-result": "running", "job-error": None}
        if self._running:
            for event in self._core.receive(self._link.read(0)):
                self._hear(event)
        else:
            self._told |= core.identity(self._run(_LIVENESS, self._reply_s).output)
        return {**self._told, "running": bool(self._running)}

    def execute(self, action: str, args: Mapping[str, Value]) -> None:
        if self._link is None:
            raise LinkLost("not open")
        match action:
            case "run":
                self._idle()
                self._begin(_script(args), str(args.get("name") or "program"))
            case "stop":
                self._stop()
            case "self-test":
                self._idle()
                self._test()
            case _:
                raise Refused(f"a MicroPython board has no action {action!r}")

    def close(self) -> None:
        link, self._link = self._link, None
        self._running, self._news = "", False
        if link is None:
            return
        with suppress(BridgeError):
            link.write(core.INTERRUPT * 2 + core.LEAVE)
        link.close()

    def _enter(self) -> None:
        """Asks again and again: a board that is starting hears nothing yet, or is still telling its greeting."""
        deadline = self._clock() + self._reply_s
        while True:
            left_s = deadline - self._clock()
            self._send(self._core.enter())
            try:
                self._expect(core.Ready, min(_ENTER_AGAIN_S, left_s))
            except (_NoAnswer, _NotThis):
                if self._clock() >= deadline:
                    raise
            else:
                return

    def _rest(self) -> None:
        """At the raw REPL's prompt. A board that spoke unasked was restarted, or left it: it is entered again."""
        if self._link is not None:
            self._core.receive(self._link.read(0))
        if self._core.state is core.State.FRIENDLY:
            self._enter()

    def _begin(self, script: str, name: str) -> None:
        self._rest()
        self._send(self._core.run(script))
        ran = self._expect(core.Taken, self._reply_s + len(script.encode()) / _CHUNK * _CHUNK_PAUSE_S)
        self._running, self._news = name, True
        self._told |= {"job": name[: core.MAX_TEXT], "job-result": "running", "job-error": None}
        for event in ran:
            self._hear(event)

    def _stop(self) -> None:
        if not self._running:
            return
        deadline = self._clock() + self._reply_s
        again = self._clock()
        while self._running and self._link is not None:
            now = self._clock()
            if now >= deadline:
                raise LinkLost(f"{self._endpoint}: does not stop in {self._reply_s:g} s")
            if now >= again:  # again and again: one that comes while the board compiles is lost
                self._send(core.INTERRUPT)
                again = now + _STOP_AGAIN_S
            for event in self._core.receive(self._link.read(again - now)):
                self._hear(event)
        self._told |= {"job-result": "stopped", "job-error": None}

    def _test(self) -> None:
        if not self._self_test:
            raise Refused("the profile has no self-test for this board")
        ran = self._run(self._self_test, self._test_s)
        found = core.checks(ran.output)
        self._told |= {f"check-{name}": good for name, good in found.items()}
        self._told["self-test"] = "ok" if found and all(found.values()) and not ran.error else "wrong"
        if ran.error:
            raise BadReply(f"the self-test failed: {core.complaint(ran.error)}")

    def _hear(self, event: core.Event) -> None:
        match event:
            case core.Ran(_, error):
                self._running = ""
                self._told |= {"job-result": "failed" if error else "done", "job-error": core.complaint(error) or None}
            case core.Noise(_, why):
                self._running = ""
                self._told |= {"job-result": "failed", "job-error": why}
                self._fail(event)

    def _idle(self) -> None:
        if self._running:
            raise Refused(f"the board runs {self._running[:60]!r}; stop it first")

    def _run(self, script: str, patience_s: float) -> core.Ran:
        """A short program, and wait for its end."""
        self._rest()
        self._send(self._core.run(script))
        found = self._expect(core.Ran, patience_s, with_it=True)
        ran = found[-1]
        if not isinstance(ran, core.Ran):
            raise BadReply(f"{self._endpoint}: spoke on after its program had ended")
        return ran

    def _send(self, data: bytes) -> None:
        if self._link is None:
            raise LinkLost("not open")
        for start in range(0, len(data), _CHUNK):
            if start:
                self._pause(_CHUNK_PAUSE_S)
            self._link.write(data[start : start + _CHUNK])

    def _expect(self, kind: type[core.Event], patience_s: float, *, with_it: bool = False) -> list[core.Event]:
        """Wait for an event of that kind; what came after it, and itself if `with_it`."""
        deadline = self._clock() + patience_s
        heard = False
        while (left_s := deadline - self._clock()) > 0 and self._link is not None:
            data = self._link.read(left_s)
            heard = heard or bool(data)
            events = self._core.receive(data)
            for at, event in enumerate(events):
                if isinstance(event, core.Noise):
                    self._fail(event)
                if isinstance(event, kind):
                    return events[at if with_it else at + 1 :]
        if heard:
            raise _NotThis(f"{self._endpoint}: answers, but not as a MicroPython board; is the speed right?")
        raise _NoAnswer(f"{self._endpoint}: no answer in time")

    def _fail(self, noise: core.Noise) -> None:
        raise BadReply(f"{self._endpoint}: {noise.start!r}: {noise.why}")


class _NoAnswer(LinkLost):
    """It says nothing: it may yet."""


class _NotThis(BadReply):
    """It says something, but not what was waited for: that may come yet."""


def _script(args: Mapping[str, Value]) -> str:
    """The job file as text. Raises Refused."""
    path, digest = Path(str(args.get("path", ""))), str(args.get("digest", ""))
    try:
        with path.open("rb") as file:
            data = file.read(program.MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise Refused(f"{path.name[:60]}: {getattr(error, 'strerror', None) or 'cannot be read'}") from None
    if len(data) <= program.MOST_BYTES and hashlib.sha256(data).hexdigest() != digest:
        raise Refused("the program is not the one that was uploaded")
    try:
        return program.text(data)
    except program.NotAProgram as error:
        raise Refused(str(error)) from None
