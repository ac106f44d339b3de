"""A command that takes a job file: the bridge is given the file that was released, or nothing is begun."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.job_files import FOLDER, bring
from contract.messages import Order
from contract.model import Command
from tests.fakes import JobServer
from tests.unit.workshop import NOW_MS, Workshop, book, lease

WAIT_S = 20.0
NEVER_S = 3600.0
JOB = b"G28\n"


@pytest.fixture
def server() -> Iterator[JobServer]:
    server = JobServer()
    yield server
    server.stop()


@pytest.fixture
def workshop(tmp_path: Path, server: JobServer) -> Workshop:
    return Workshop(tmp_path, server.url)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def downloading(workshop: Workshop, server: JobServer) -> Iterator[Command]:
    """The device's thread is in a download that says nothing; at the end it has come back from it."""
    digest = server.offer(JOB, byte_every_s=NEVER_S)
    command = Command("c-1", "printer", "print", {"digest": digest, "name": "cube"}, expires_ms=NOW_MS + 60_000)
    workshop.commands.take(Order(command))
    thread = threading.Thread(target=workshop.work)
    thread.start()
    until(lambda: server.asked)
    yield command
    thread.join(WAIT_S)
    assert not thread.is_alive()
    assert set(workshop.executed) <= {"stop"}
    assert list((workshop.folder / FOLDER).glob("*")) == []


def test_bridge_is_given_the_path_of_the_file_that_was_named(workshop: Workshop, server: JobServer) -> None:
    digest = server.offer(JOB)
    assert workshop.give("print", args={"digest": digest, "name": "cube"}) == ["accepted", "running", "done"]
    (args,) = workshop.args
    assert Path(str(args["path"])).read_bytes() == JOB
    assert args == {"digest": digest, "name": "cube", "path": args["path"]}


def test_file_that_cannot_be_had_fails_the_command_and_leaves_the_machine_alone(
    workshop: Workshop, server: JobServer
) -> None:
    digest = server.offer(JOB)
    server.answers.clear()
    assert workshop.give("print", args={"digest": digest, "name": "cube"})[-1] == (
        "failed the job file: the server does not have it for this agent (404)"
    )
    assert workshop.give("print", "c-2", args={"digest": "../x", "name": "cube"})[-1].startswith("failed the job file")
    assert workshop.executed == []


def test_path_from_the_wire_is_no_argument(workshop: Workshop, server: JobServer) -> None:
    digest = server.offer(JOB)
    args = {"digest": digest, "name": "cube", "path": "/etc/passwd"}
    assert workshop.give("print", args=args) == ["refused bad-arguments"]
    assert workshop.give("print", "c-2", args={"path": "/etc/passwd", "name": "x"})[-1] == "refused bad-arguments"
    assert server.asked == []


def test_file_on_the_disk_serves_with_the_controller_away(tmp_path: Path) -> None:
    job = tmp_path / "cube.gcode"
    job.write_bytes(JOB)
    workshop = Workshop(tmp_path, "http://127.0.0.1:1")
    workshop.online = False
    workshop.leases.take(book(1, lease()))
    digest = bring(tmp_path / FOLDER, job)
    assert workshop.give("cut", args={"digest": digest})[-1] == "done"


def test_no_file_is_fetched_for_a_machine_that_is_out_of_reach(workshop: Workshop, server: JobServer) -> None:
    digest = server.offer(JOB)
    workshop.commands.take(Order(Command("c-1", "printer", "print", {"digest": digest, "name": "cube"})))
    command = workshop.worker._inbox.get()
    assert command
    workshop.commands.carry_out(command, None)
    assert (workshop.outcomes(), server.asked) == (["accepted", "failed no contact"], [])


def test_lease_that_ended_while_the_file_came_is_no_lease(workshop: Workshop, server: JobServer) -> None:
    workshop.leases.take(book(1, lease()))

    def two_hours_pass() -> None:
        workshop.now_ms += 7_200_000

    server.meanwhile = two_hours_pass
    assert workshop.give("cut", args={"digest": server.offer(JOB)}) == ["accepted", "running", "refused no-lease"]
    assert workshop.executed == []


def test_command_expires_in_a_download_that_hangs_and_with_it_what_waits_behind(
    workshop: Workshop, server: JobServer
) -> None:
    with downloading(workshop, server) as command:
        workshop.commands.take(Order(Command("c-2", "printer", "light", expires_ms=NOW_MS + 60_000)))
        workshop.commands.expire()
        assert workshop.outcomes() == ["accepted", "running", "accepted"]
        workshop.now_ms = command.expires_ms
        workshop.commands.expire()
        assert workshop.outcomes()[3:] == ["expired expired", "expired expired"]


def test_stop_ends_a_download_at_once_and_nothing_begins_but_the_stop(workshop: Workshop, server: JobServer) -> None:
    began = time.monotonic()
    with downloading(workshop, server):
        workshop.commands.take(Order(Command("c-2", "printer", "light")))
        workshop.commands.take(Order(Command("c-3", "printer", "stop")))
    assert time.monotonic() - began < 8.0  # the server may be silent for 10 s
    assert workshop.executed == ["stop"]
    assert workshop.outcomes().count("refused stopped") == 2


def test_agent_that_ends_in_a_download_says_that_nothing_began(workshop: Workshop, server: JobServer) -> None:
    with downloading(workshop, server):
        workshop.commands.close()
    assert workshop.outcomes()[-1] == "failed the agent ended before it began"
