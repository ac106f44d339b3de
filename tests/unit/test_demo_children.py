"""Children of the demo: started again when they die, gone when their parent goes."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from controller.demo.children import Child, Command, stop_all, watch

SLEEP = (sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
)


def eventually(holds: Callable[[], bool], within_s: float = 10.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return holds()


def wrote(child: Child, words: str) -> bool:
    return words in child.last_words()


def test_child_that_died_is_told_of_once_and_started_again(tmp_path: Path) -> None:
    child = Child(Command("sleeper", SLEEP, tmp_path / "log"))
    said: list[str] = []

    def started_again(wait_s: float) -> bool:
        time.sleep(wait_s / 5)
        return child.starts == 2

    try:
        first = child.pid
        psutil.Process(first).kill()
        assert eventually(lambda: not child.running)
        watch([child], started_again, said.append)
        assert child.running
        assert child.pid != first
        assert len(said) == 1
    finally:
        stop_all([child])
    assert not child.running


def test_held_child_waits_for_its_release_once(tmp_path: Path) -> None:
    wait = "import sys, time; print('up', flush=True); sys.stdin.read(); print('off', flush=True); time.sleep(60)"
    child = Child(Command("held", (sys.executable, "-c", wait), tmp_path / "log", held=True))
    try:
        assert eventually(lambda: wrote(child, "up"))
        time.sleep(0.2)
        assert not wrote(child, "off")
        child.release()
        assert eventually(lambda: wrote(child, "off"))
        psutil.Process(child.pid).kill()
        assert eventually(lambda: not child.running)
        while child.starts == 1:
            child.revive(time.monotonic())
            time.sleep(0.05)
        assert eventually(lambda: child.last_words().count("off") == 2)
    finally:
        stop_all([child])


def test_stop_all_kills_what_does_not_listen(tmp_path: Path) -> None:
    children = [Child(Command("a", SLEEP, tmp_path / "a")), Child(Command("b", STUBBORN, tmp_path / "b"))]
    assert all(eventually(lambda child=child: wrote(child, "up")) for child in children)  # type: ignore[misc]
    stop_all(children, within_s=1.0)
    assert [child.running for child in children] == [False, False]


def test_children_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from controller.demo.children import Child, Command;"
        f"child = Child(Command('c', {SLEEP!r}, Path({str(tmp_path / 'log')!r}))); print(child.pid, flush=True);"
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        parent.send_signal(signal.SIGKILL)
    assert eventually(lambda: not psutil.pid_exists(pid))


def test_last_words_are_the_end_of_what_the_child_wrote(tmp_path: Path) -> None:
    child = Child(Command("c", (sys.executable, "-c", "print('one'); print('two')"), tmp_path / "log"))
    assert eventually(lambda: not child.running)
    assert child.last_words(1) == "two"
