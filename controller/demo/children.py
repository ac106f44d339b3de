"""Child processes that are started again when they die, and that never outlive this one."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_RESTART_AFTER_S = 3.0
_STOP_WITHIN_S = 8.0
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
"""Loaded here, because between fork and exec nothing should be loaded."""


def end_with_parent() -> None:
    """Have the system send this process SIGTERM when the thread that started it ends, however it ends. Linux only."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, under what name it is spoken of, and the file that gets its output.

    `held`: its first start waits for the end of its standard input, which comes with `Child.release`.
    """

    name: str
    arguments: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    held: bool = False


class Child:
    """One running command. Used by one thread, which must live as long as the child should."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.starts = 0
        self._died_at_s: float | None = None
        self._process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        self.starts += 1
        self._died_at_s = None
        self.command.log.parent.mkdir(parents=True, exist_ok=True)
        with self.command.log.open("ab" if self.starts > 1 else "wb") as log:
            return subprocess.Popen(
                self.command.arguments,
                stdin=subprocess.PIPE if self.command.held and self.starts == 1 else subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.command.environment},
                process_group=0,  # Ctrl-C is for the parent, which ends its children in order
                preexec_fn=end_with_parent,  # noqa: PLW1509 - one prctl, loaded before
            )

    def release(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def revive(self, now_s: float) -> bool:
        """Start it again if it has been dead for a while; True if it was found dead just now."""
        if self.running:
            return False
        if self._died_at_s is None:
            self._died_at_s = now_s
            return True
        if now_s - self._died_at_s >= _RESTART_AFTER_S:
            self._process = self._start()
        return False

    def ask_to_end(self) -> None:
        if self.running:
            self._process.terminate()

    def end(self, within_s: float) -> None:
        """Wait for its end, and kill it if that does not come in time."""
        try:
            self._process.wait(max(0.0, within_s))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.release()

    def last_words(self, lines: int = 12) -> str:
        """The end of what it wrote."""
        return "\n".join(self.command.log.read_text("utf-8", "replace").splitlines()[-lines:])


def watch(children: Sequence[Child], stopped: Callable[[float], bool], say: Callable[[str], None]) -> None:
    """Keep the children running until `stopped(seconds to wait)` is true."""
    while not stopped(0.5):
        for child in children:
            if child.revive(time.monotonic()):
                say(f"{child.command.name} ended; it starts again. Its output: {child.command.log}")


def stop_all(children: Sequence[Child], within_s: float = _STOP_WITHIN_S) -> None:
    """End the first, which the others depend on, after all others; those together."""
    for group in (children[1:], children[:1]):
        deadline_s = time.monotonic() + within_s / 2
        for child in group:
            child.ask_to_end()
        for child in group:
            child.end(deadline_s - time.monotonic())
