"""Reads the files that were sent, one after the other, and says whether their machines may be given them."""

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from controller.fleet.live import LiveFleet
from controller.jobs import store
from controller.jobs.files import FileStore
from controller.jobs.states import JobState
from controller.jobs.tables import PrintJob
from controller.jobs.work import taking
from controller.scope import CLUSTER

READ_S: Final = 1200.0
"""The largest file takes a minute or two on a laptop."""
_IDLE_S: Final = 60.0
_PAUSE_S: Final = 5.0
_log = logging.getLogger(__name__)


class _Unreadable(Exception):
    """The file cannot be judged; the message is a stable code."""


class Inspector:
    """One thread, with one child process at a time. The table is the queue: what a crash interrupts is read again."""

    def __init__(self, engine: Engine, live: LiveFleet, files: FileStore, now_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._live = live
        self._files = files
        self._now_ms = now_ms
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="jobs-inspector", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """A file that is being read is read again at the next start."""
        with self._lock:
            self._stopping.set()
            if self._child is not None:
                self._child.kill()
        self._wake.set()
        if self._thread.ident:
            self._thread.join(10)

    def wake(self) -> None:
        """There is a file to read. From any thread."""
        self._wake.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                if not self._read_next():
                    self._wake.wait(_IDLE_S)
            except SQLAlchemyError as error:
                _log.warning("the print jobs cannot be read now: %s", type(error).__name__)
                self._stopping.wait(_PAUSE_S)
            except Exception:  # noqa: BLE001 - outermost loop: one bad job must not end the others
                _log.exception("the inspector of print jobs goes on after an error")
                self._stopping.wait(_PAUSE_S)

    def _read_next(self) -> bool:
        """Read the file that has waited longest; False if none waits."""
        with Session(self._engine) as db:
            job = store.next_to_read(db)
        if job is None or job.id is None:
            return False
        try:
            found = self._read(job)
        except _Unreadable as error:
            if not self._stopping.is_set():
                self._settle(job, {}, str(error))
            return True
        review = found["review"]
        problems = review["problems"]
        detail = f"line {problems[0]['line']}: {problems[0]['text']}" if problems else ""
        self._settle(job, found, detail or ("" if review["commands"] else "no-commands"))
        return True

    def _read(self, job: PrintJob) -> Mapping[str, Any]:
        path = self._files.path(job.digest)
        if path is None:
            raise _Unreadable("file-lost")
        try:
            profile = self._live.profile(CLUSTER, job.device_id)
        except KeyError:
            profile = None
        action = taking(profile)
        if profile is None or action is None:
            raise _Unreadable("no-limits")
        return self._run_child(path, {"work": action.name, "limits": profile.options.get("limits")})

    def _run_child(self, path: Path, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        command = (sys.executable, "-m", f"{__package__}.inspect", str(path))
        with self._lock:
            if self._stopping.is_set():
                raise _Unreadable("stopped")
            child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self._child = child
        try:
            with child:
                told, trouble = child.communicate(json.dumps(asked).encode(), READ_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            raise _Unreadable("too-long") from None
        finally:
            with self._lock:
                self._child = None
        if child.returncode:
            if not self._stopping.is_set():
                _log.error("a file could not be read: %s", trouble.decode("utf-8", "replace")[-1000:])
            raise _Unreadable("unreadable")
        result: Mapping[str, Any] = json.loads(told)
        return result

    def _settle(self, job: PrintJob, found: Mapping[str, Any], detail: str) -> None:
        """Waiting for a teacher, or refused with `detail`; nothing if it was cancelled meanwhile."""
        now_ms, job_id = self._now_ms(), job.id or 0
        after = JobState.REFUSED if detail else JobState.WAITING
        with Session(self._engine) as db:
            values = {"review": found.get("review"), "preview": found.get("preview")}
            if store.move(db, job_id, JobState.CHECKING, after, now_ms=now_ms, detail=detail, **values):
                store.log(db, job_id, now_ms, "refused" if detail else "checked", detail=detail)
            db.commit()
        self._live.touch(job.device_id)
