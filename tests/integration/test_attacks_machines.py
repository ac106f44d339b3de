"""Attacks on machines: an order that is sent again, a lease that was tampered with, a topic that is not one's own."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from agent.connection import client_id
from agent.control import ask
from agent.errors import NotRunning
from contract.lease import sign
from contract.messages import BridgeState, DeviceEntry, Inventory, LeaseBook, Order, encode
from contract.model import Lease
from contract.topics import DOWN, UP, Address, Channel
from contract.wire import decode
from controller.broker.access import Login
from controller.fleet.enrolment import Credentials
from controller.main import wall_ms
from tests.integration.agent_process import AgentProcess
from tests.integration.mqtt import Client, eventually
from tests.integration.running import PROFILE, Cluster, Running, Speaker, running, seed

pytestmark = pytest.mark.integration
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Cluster]:
    state = tmp_path_factory.mktemp("machines") / "state"
    return state, seed(state)


@pytest.fixture(scope="module")
def controller(cluster: tuple[Path, Cluster]) -> Iterator[Running]:
    with running(cluster[0]) as one:
        yield one


@pytest.fixture(scope="module")
def mine(cluster: tuple[Path, Cluster]) -> Credentials:
    return cluster[1].agents["an-phu"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("agent")


@pytest.fixture(scope="module")
def agent(folder: Path, mine: Credentials, controller: Running) -> Iterator[AgentProcess]:
    process = AgentProcess(folder, mine, controller.broker_port)
    process.start()
    yield process
    process.stop()


@pytest.fixture(scope="module")
def desk(controller: Running, cluster: tuple[Path, Cluster]) -> httpx.Client:
    return controller.bearer(cluster[1].admin.add_api_token("ky", "tests", None))


@pytest.fixture(scope="module")
def devices(agent: AgentProcess, desk: httpx.Client) -> dict[str, int]:
    def there() -> dict[str, int]:
        items = desk.get("/api/v1/devices?school=an-phu").json()["items"]
        return {each["slug"]: each["id"] for each in items if each["state"] != "offline"}

    eventually(lambda: len(there()) == 4, "four devices", 60)
    return there()


def hub(controller: Running) -> Client:
    """Somebody who has the controller's own login at the broker: the worst case."""
    broker = controller.services.plant._broker
    assert broker is not None
    login: Login = broker.login
    return Client(controller.broker_port, login.user, login.password, "insider")


def asked(controller: Running, sql: str) -> list[tuple[object, ...]]:
    with controller.services.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def give(desk: httpx.Client, device: int, action: str) -> str:
    answer = desk.post(f"/api/v1/devices/{device}/commands", json={"action": action})
    assert answer.status_code == 202, answer.text
    command: str = answer.json()["id"]
    eventually(lambda: desk.get(f"/api/v1/commands/{command}").json()["status"] == "done", f"{action} is done", 60)
    return command


def test_order_that_is_sent_again_is_not_carried_out_again(
    controller: Running, mine: Credentials, desk: httpx.Client, devices: dict[str, int]
) -> None:
    with Client(controller.broker_port, mine.user, mine.password, "listener") as listener:
        assert listener.subscribe(mine.address.topic(Channel.COMMAND))
        muted = give(desk, devices["projector"], "mute")
        captured = next(
            payload for _, payload in iter(listener.next, None) if decode(Order, payload).command.id == muted
        )
    before = asked(controller, "SELECT count(*) FROM command_step")
    steps = desk.get(f"/api/v1/commands/{muted}").json()["steps"]
    with hub(controller) as intruder:
        for _ in range(3):
            intruder.say(mine.address.topic(Channel.COMMAND), captured)
        late = replace(decode(Order, captured).command, id="c-forged", action="power-off", expires_ms=1)
        intruder.say(mine.address.topic(Channel.COMMAND), encode(Order(late)))

    found = "SELECT status, known FROM outcome WHERE command_id = 'c-forged'"
    eventually(lambda: asked(controller, found), "the late one is answered", 60)
    assert {row[0] for row in asked(controller, found)} == {"expired"}
    assert {bool(row[1]) for row in asked(controller, found)} == {False}, "nobody gave it here"
    lines = "SELECT school_id, detail FROM audit_line WHERE action = '{}'"
    unknown, repeated = lines.format("command-unknown"), lines.format("command-repeated")
    eventually(lambda: asked(controller, repeated), "what came again is audited", 60)
    assert asked(controller, repeated)[0] == ("an-phu", muted)
    assert asked(controller, unknown) == [("an-phu", "c-forged")]
    told = asked(controller, f"SELECT DISTINCT status FROM outcome WHERE command_id = '{muted}'")
    assert {row[0] for row in told} == {"accepted", "running", "done"}
    assert desk.get(f"/api/v1/commands/{muted}").json()["steps"] == steps
    assert asked(controller, "SELECT count(*) FROM command_step") == before

    key = {"action": "mute", "key": "replayed"}
    path = f"/api/v1/devices/{devices['projector']}/commands"
    assert desk.post(path, json=key).json()["id"] == desk.post(path, json=key).json()["id"]


def test_lease_that_was_tampered_with_opens_nothing_and_is_audited(
    controller: Running,
    mine: Credentials,
    agent: AgentProcess,
    folder: Path,
    devices: dict[str, int],
) -> None:
    assert devices
    where = folder / "agent"
    now_ms = wall_ms()
    lease = Lease("printer", "thief", now_ms - HOUR_MS, now_ms + HOUR_MS, "forged", supervised=True)
    book = LeaseBook(str(mine.address), 99, 99, now_ms, (lease,))
    wrongly = sign(book, b"a key of one's own" * 2)
    stretched = replace(sign(book, bytes.fromhex(mine.lease_key)), number=100)
    with hub(controller) as intruder:
        for each in (wrongly, stretched):
            intruder.say(mine.address.topic(Channel.LEASES), encode(each))
    audited = "SELECT school_id, detail FROM audit_line WHERE action = 'lease-book-refused'"
    eventually(lambda: asked(controller, audited), "the agent tells, and it is audited", 60)
    assert {row[0] for row in asked(controller, audited)} == {"an-phu"}
    assert b"forged" not in book_on_disk(where)
    refused = ask(where, "do", 30.0, device="printer", action="pause", args={}, by="thief")
    assert (refused["status"], refused["detail"]) == ("refused", "no-lease")

    agent.stop()
    (where / "leases.json").write_bytes(encode(stretched))
    agent.start()
    on_disk = audited.replace("refused", "unusable")
    eventually(lambda: asked(controller, on_disk), "so is what was changed on its disk", 60)
    assert {row[1] for row in asked(controller, on_disk)} == {"its signature is wrong"}
    eventually(lambda: still_refused(where), "it refuses still", 60)


def book_on_disk(where: Path) -> bytes:
    file = where / "leases.json"
    return file.read_bytes() if file.exists() else b""


def still_refused(where: Path) -> bool:
    try:
        answer = ask(where, "do", 30.0, device="printer", action="pause", args={}, by="thief")
    except NotRunning:
        return False
    assert answer["status"] != "done"
    return str(answer["detail"]) == "no-lease"


def test_agent_says_and_hears_nothing_on_a_topic_that_is_not_its_own(
    controller: Running, cluster: tuple[Path, Cluster], mine: Credentials
) -> None:
    other = cluster[1].agents["binh-minh"]
    theirs = other.address
    with (
        Client(controller.broker_port, other.user, other.password, theirs.client_id) as victim,
        Client(controller.broker_port, mine.user, mine.password, "intruder") as intruder,
        hub(controller) as hears,
    ):
        for channel in DOWN:
            assert victim.subscribe(theirs.topic(channel))
        for channel in UP:
            assert hears.subscribe(theirs.topic(channel))
            assert not intruder.subscribe(theirs.topic(channel))
        for channel in (*UP, *DOWN):
            intruder.say(theirs.topic(channel), b"forged")
        for address in (mine.address, Address("an-phu", "pc-2")):
            intruder.say(address.topic(Channel.COMMAND), b"forged")
        hears.say(theirs.topic(Channel.ACK), b"true")
        victim.say(theirs.topic(Channel.REPORT), b"true")
        assert victim.next() == (theirs.topic(Channel.ACK), b"true")
        assert hears.next() == (theirs.topic(Channel.REPORT), b"true")
        assert intruder.heard.empty()
    audited = "SELECT address, detail FROM audit_line WHERE action = 'topic-refused'"
    eventually(lambda: asked(controller, audited), "who tried is audited", 60)
    source, detail = asked(controller, audited)[0]
    assert source == "127.0.0.1"
    assert str(detail).endswith("calls itself intruder")


def test_agent_cannot_be_thrown_off_by_whoever_takes_its_client_id(
    controller: Running, cluster: tuple[Path, Cluster], mine: Credentials, agent: AgentProcess, folder: Path
) -> None:
    """A broker ends a connection when another one comes by its id; so what is known of an agent is not its id."""
    assert agent
    where, other = folder / "agent", cluster[1].agents["binh-minh"]

    def connections() -> int:
        return int(ask(where, "status", 30.0)["uplink"]["connections"])

    eventually(lambda: ask(where, "status", 30.0)["uplink"]["online"], "it is online", 60)
    before = connections()
    for known in (mine.address.client_id, client_id(mine.address, other.password), client_id(mine.address, mine.user)):
        with Client(controller.broker_port, other.user, other.password, known) as intruder:
            intruder.say(other.address.topic(Channel.REPORT), b"here I am")
    assert connections() == before
    with Client(controller.broker_port, other.user, other.password, client_id(mine.address, mine.password)):
        eventually(lambda: connections() > before, "who knew its password could", 60)
    eventually(lambda: ask(where, "status", 30.0)["uplink"]["online"], "and it is back", 60)


def test_script_as_the_name_of_a_device_is_audited_once_and_harms_nothing(
    controller: Running, cluster: tuple[Path, Cluster], desk: httpx.Client
) -> None:
    """That pages show it as the text it is, test_attack_names.py says."""
    with Speaker(cluster[1].agents["binh-minh"], controller.broker_port) as speaker:
        entry = DeviceEntry("evil", "<script>alert(1)</script>", "p1", BridgeState.LOST, wall_ms())
        for number in (1, 2):
            inventory = Inventory("00000000000000aa", number, {"p1": PROFILE}, (entry,))
            speaker.client.say(speaker.address.topic(Channel.INVENTORY), encode(inventory), retain=True)
        audited = "SELECT school_id, detail FROM audit_line WHERE action = 'device-name-script'"
        eventually(lambda: asked(controller, audited), "it is audited", 60)
    assert asked(controller, audited) == [("binh-minh", f"evil: {entry.name}")]
    path = "/api/v1/devices?school=binh-minh"
    eventually(lambda: desk.get(path).json()["items"], "it is shown")
    shown = desk.get(path)
    assert shown.headers["content-type"] == "application/json"
    assert [each["name"] for each in shown.json()["items"]] == [entry.name]
