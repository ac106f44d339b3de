"""A far end as a child process that is told by lines on stdin and tells by lines on stdout."""

import contextlib
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_S = 20.0


class Child:
    """Starts at once; ends by itself when its stdin closes, so that nothing outlives a test that was killed."""

    def __init__(self, command: Sequence[str | Path]) -> None:
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        self.lines: list[tuple[float, str]] = []
        """(monotonic seconds, line) of all that it told, oldest first."""
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def mark(self) -> int:
        """A place in `lines` to wait from."""
        with self._changed:
            return len(self.lines)

    def wait_for(self, start: str, since: int = 0, timeout_s: float = START_S) -> str:
        """The first line after place `since` that begins with `start`. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                for _, line in self.lines[since:]:
                    if line.startswith(start):
                        return line
                if not self._changed.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"{start!r} did not come; the last lines are {self.lines[-5:]}")

    def ask(self, line: str, start: str) -> str:
        """Say a line and give the answer that begins with `start`."""
        since = self.mark()
        self.say(line)
        return self.wait_for(start, since)

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        self.process.kill()
        self.close()

    def close(self) -> None:
        """End it and let go of its pipes. May be called twice."""
        if self.process.stdin is not None and not self.process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(5)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.lines.append((time.monotonic(), line.rstrip("\n")))
                self._changed.notify_all()
