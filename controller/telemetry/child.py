"""Talks with the process that has DuckDB: jobs go in, answers come out, a line of JSON each.

A line with a dot says that it is still at work, an empty one that the job is done. Who says nothing for too long, or
ends, has failed; the next job gets a new process.
"""

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic
from typing import IO, Any, Final

WORKING: Final = "."
"""What a child says now and then while it has no answer yet."""
_COMMAND: Final = (sys.executable, "-m", "controller.telemetry.archive_child")


class ArchiveError(Exception):
    """A part could not be made or read; the message says why. The database is as it was."""


class Child:
    """Starts when first asked. One job at a time; who stops listening to one ends it. Close it in the end."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._talk: _Talk | None = None

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_about: object) -> None:
        self.close()

    def close(self) -> None:
        talk, self._talk = self._talk, None
        if talk is not None:
            talk.end()

    def ask(self, job: dict[str, Any]) -> Iterator[Any]:
        """The answers, as they come. Raises ArchiveError."""
        done = False
        try:
            talk = self._talk = self._talk or _Talk(self._patience_s)
            talk.say(json.dumps(job))
            while line := talk.hear():
                if line != WORKING:
                    yield json.loads(line)
            done = True
        except OSError as error:
            raise ArchiveError(f"the archive's process cannot be started or asked: {error.strerror}") from None
        finally:
            if not done:
                self.close()


class _Talk:
    """With one process, whose silence another thread watches. Raises OSError."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._errors: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - `end`
        self._process = subprocess.Popen(
            _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, encoding="utf-8"
        )
        self._listening_since: float | None = None
        self._too_slow = False
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._look, name="archive-watch", daemon=True)
        self._watch.start()

    def say(self, line: str) -> None:
        assert self._process.stdin is not None  # noqa: S101 - for the type alone
        with suppress(BrokenPipeError):  # it has ended, and `hear` says why
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def hear(self) -> str:
        """The next line. Raises ArchiveError if none comes."""
        assert self._process.stdout is not None  # noqa: S101 - for the type alone
        self._listening_since = monotonic()
        line = self._process.stdout.readline()
        self._listening_since = None
        if line.endswith("\n"):
            return line[:-1]
        code = self._process.wait()
        if self._too_slow:
            raise ArchiveError(f"the archive's process got no further for {self._patience_s:.0f} s")
        self._errors.seek(0)
        last = self._errors.read().strip().rpartition("\n")[2]
        raise ArchiveError(last or f"the archive's process ended with {code}")

    def end(self) -> None:
        self._over.set()
        self._process.kill()
        self._process.wait()
        self._watch.join()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _look(self) -> None:
        while not self._over.wait(min(1.0, self._patience_s / 4)):
            since = self._listening_since
            if since is not None and monotonic() - since > self._patience_s:
                self._too_slow = True
                self._process.kill()
                return
