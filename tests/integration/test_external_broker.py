"""A broker of somebody else's, a process of its own, follows who may come in: Debian's mosquitto, and NATS."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from sqlmodel import Session, select

from contract.topics import Address, Channel
from controller.broker import embedded, mosquitto, nats
from controller.broker.access import BrokerUser, Login, hash_password, mosquitto_hash
from controller.broker.external import CHANGED, BrokerFilesError, ExternalBroker
from controller.fleet.enrolment import Credentials
from controller.fleet.tables import Agent
from controller.identity.store import audit_lines
from tests.integration.mqtt import Client, eventually
from tests.integration.running import Speaker, free_port, seed
from tests.integration.served import Served, serving

pytestmark = pytest.mark.integration
KINDS = ("mosquitto", "nats")
ME = Address("alpha", "room-1")
USER = BrokerUser(ME, hash_password("pw"), mosquitto_hash("pw"))


class Broker:
    """Started with the files that `fabfleet broker-config` wrote into `folder`."""

    def __init__(self, kind: str, folder: Path, port: int) -> None:
        self.port = port
        self._command = _mosquitto(folder) if kind == "mosquitto" else _nats(folder)
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / "log"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(self._command, stdout=output, stderr=output)
        eventually(lambda: embedded._listening("127.0.0.1", self.port), f"it listens; see {self._log}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)


def _mosquitto(folder: Path) -> list[str]:
    own = folder / "own.conf"
    root = "user root\n" if os.getuid() == 0 else ""  # else it would become a user who may not read a test's folder
    own.write_text(f"{root}include_dir {folder / 'conf.d'}\n")
    (folder / "conf.d").mkdir()
    (folder / "conf.d" / mosquitto.CONF).symlink_to(folder / mosquitto.CONF)
    found = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    assert found, "mosquitto is missing: tools/debian-packages.sh installs it"
    return [found, "-c", str(own)]


def _nats(folder: Path) -> list[str]:
    return [embedded._binary(), "-c", str(folder / nats.CONF)]


def fabfleet(state: Path, environment: Mapping[str, str], *arguments: str) -> str:
    command = (sys.executable, "-m", "controller.cli", *arguments, "--state", str(state))
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@contextmanager
def site(kind: str, folder: Path) -> Iterator[tuple[Served, Broker]]:
    """As docs/operating.md says: the files are made, the broker started with them, then the controller."""
    state, files, port = folder / "state", folder / "files", free_port()
    cluster = seed(state)
    environment = {
        "FABFLEET_BROKER_EMBEDDED": "false",
        "FABFLEET_BROKER_KIND": kind,
        "FABFLEET_BROKER_PORT": str(port),
        "FABFLEET_BROKER_PASSWORD": "of the controller",
        "FABFLEET_BROKER_FILES": str(files),
        "FABFLEET_BROKER_LOG": str(files / "log"),
    }
    fabfleet(state, environment, "broker-config", kind, str(files))
    broker = Broker(kind, files, port)
    broker.start()
    try:
        # as `systemctl reload` does it; the process may be another one later
        told = folder / "reload"
        told.write_text(f"#!/bin/sh\nexec kill -HUP $(cat {folder / 'pid'})\n")
        told.chmod(0o755)
        (folder / "pid").write_text(str(broker.pid))
        with serving(state, cluster, {**environment, "FABFLEET_BROKER_RELOAD": str(told)}) as served:
            yield served, broker
    finally:
        broker.stop()


def let_in(broker: Broker, agent: Credentials) -> bool:
    with suppress(AssertionError), Client(broker.port, agent.user, agent.password, "probe") as client:
        return not client.refused
    return False


def enrolled(served: Served, name: str) -> Credentials:
    """A newcomer, by the door, while the controller runs."""
    token = fabfleet(served.state, {}, "enrol-token", "--school", "an-phu")
    asked = {"token": token, "agent": name}
    given = httpx.post(f"{served.url}/api/v1/enrol", json=asked, timeout=30).raise_for_status().json()
    return Credentials(Address("an-phu", name), given["user"], given["password"], given["lease_key"])


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", KINDS)
def test_external_broker_follows_enrolment_renewal_and_revocation_by_itself(kind: str, tmp_path: Path) -> None:
    with site(kind, tmp_path) as (served, broker):
        first, second = served.cluster.agents["an-phu"], served.cluster.agents["binh-minh"]
        with Speaker(first, broker.port) as speaker, Client(broker.port, second.user, second.password) as leaver:
            speaker.lists("printer")
            speaker.reports("printer", 20.0)

            newcomer = enrolled(served, "pc-new")
            eventually(lambda: let_in(broker, newcomer), "who was enrolled comes in", 60)
            with Client(broker.port, newcomer.user, newcomer.password, "own") as own:
                assert own.subscribe(newcomer.address.topic(Channel.ACK))

            with Session(served.engine) as db:
                agent = db.exec(select(Agent).where(Agent.school_id == "binh-minh")).one()
                agent.revoked = True
                db.add(agent)
                db.commit()
            eventually(lambda: leaver.disconnects, "who was revoked is dropped", 60)
            eventually(lambda: not let_in(broker, second), "and does not come in again", 60)

            speaker.reports("printer", 21.0)
            assert speaker.client.disconnects == 0, "who stays notices nothing"

        os.kill(broker.pid, signal.SIGKILL)
        broker.stop()
        latecomer = enrolled(served, "pc-late")
        eventually(lambda: "it is tried again" in served.log.read_text(), "a broker that is not there is told of", 60)
        broker.start()
        (tmp_path / "pid").write_text(str(broker.pid))
        eventually(lambda: let_in(broker, latecomer), "it knows who came meanwhile", 60)
        assert served.client().get("/healthz").status_code == 200
    assert served.log.read_text().count("it is tried again") == 1


@pytest.mark.timeout(180)
def test_flood_of_what_mosquitto_refuses_is_cut_off_as_far_as_its_log_tells(tmp_path: Path) -> None:
    with site("mosquitto", tmp_path) as (served, broker):
        rogue, honest = served.cluster.agents["an-phu"], served.cluster.agents["binh-minh"]
        with Speaker(honest, broker.port) as speaker:
            speaker.lists("printer")
            with Client(broker.port, rogue.user, rogue.password, honest.address.client_id) as client:

                def is_cut_off() -> bool:
                    for _ in range(100):
                        client.say(honest.address.topic(Channel.REPORT), b"forged", 0)
                    client.shout("$SYS/broker", b"forged")
                    return client.disconnects > 0

                eventually(is_cut_off, "it is cut off", 60)
            eventually(lambda: not let_in(broker, rogue), "and does not come in again", 60)
            speaker.reports("printer", 20.0)
            assert speaker.client.disconnects == 0
        with Session(served.engine) as db:
            lines = [line for line in audit_lines(db) if line.action in ("agent-flooding", "topic-refused")]
        assert {line.action for line in lines} == {"agent-flooding", "topic-refused"}
        assert [line.subject for line in lines if line.action == "agent-flooding"] == ["an-phu/pc-1"]
        assert {line.address for line in lines if line.action == "topic-refused"} == {"127.0.0.1"}


@pytest.mark.parametrize("kind", KINDS)
def test_files_hold_no_password_are_whole_and_stay_when_nothing_can_be_written(kind: str, tmp_path: Path) -> None:
    broker = ExternalBroker(kind, tmp_path, Login("hub", "of the controller"))
    broker.set_users([USER])
    texts = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert "alpha.room-1" in "".join(texts.values())
    assert "of the controller" not in "".join(texts.values())
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o640}
    broker.set_users([])
    assert "alpha.room-1" not in "".join(file.read_text() for file in tmp_path.iterdir())
    with pytest.raises(BrokerFilesError, match=r"broker\.files"):
        ExternalBroker(kind, tmp_path / "gone", Login("hub", "x")).set_users([USER])


def test_change_is_marked_only_where_no_command_tells_the_broker(tmp_path: Path) -> None:
    for reload, marked in ((None, False), ("true", False), ("", True)):
        ExternalBroker("mosquitto", tmp_path, Login("hub", "x"), reload).set_users([USER])
        assert (tmp_path / CHANGED).exists() == marked


@pytest.mark.parametrize(
    ("reload", "why"),
    [("false", "it ended with 1"), ("/nowhere/reload", "No such file"), ("sh -c 'echo no way >&2; exit 3'", "no way")],
)
def test_broker_that_cannot_be_told_is_an_error_with_the_command_s_own_words(
    reload: str, why: str, tmp_path: Path
) -> None:
    with pytest.raises(BrokerFilesError, match=why):
        ExternalBroker("mosquitto", tmp_path, Login("hub", "x"), reload).set_users([USER])
