"""Commands the whole way down and up: API, controller, broker, and an agent that carries them out."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from contract.messages import (
    BridgeState,
    DeviceEntry,
    Inventory,
    Order,
    Presence,
    ProfileEntry,
    Report,
    Status,
    encode,
)
from contract.model import Command, CommandStatus, Outcome
from contract.topics import Channel
from contract.wire import decode
from controller.fleet.enrolment import Credentials
from controller.ingest.verify import verify
from controller.main import wall_ms
from tests.integration.agent_process import AgentProcess
from tests.integration.mqtt import Client, eventually
from tests.integration.running import Cluster, Running, csrf_of, running, seed

pytestmark = pytest.mark.integration
S = CommandStatus
WHOLE_WAY = ["queued", "sent", "accepted", "running", "done"]


class Hand:
    """An agent by hand, with one projector: hears orders and says what a test wants. Use as a context manager."""

    def __init__(self, credentials: Credentials, port: int, connection: int = 1) -> None:
        self._address = credentials.address
        self._connection = connection
        will = (self._address.topic(Channel.STATUS), encode(self._status(Presence.OFFLINE)))
        client_id = self._address.client_id
        self.client = Client(port, credentials.user, credentials.password, client_id=client_id, will=will)

    def __enter__(self) -> "Hand":
        self.client.__enter__()
        self.client.subscribe(self._address.topic(Channel.COMMAND))
        profile = ProfileEntry("demo/projector", "Projector", {})
        entry = DeviceEntry("lamp", "Lamp", "p1", BridgeState.OPEN, wall_ms())
        inventory = Inventory(self._epoch, 1, {"p1": profile}, (entry,))
        self.client.say(self._address.topic(Channel.INVENTORY), encode(inventory), retain=True)
        self.client.say(self._address.topic(Channel.STATUS), encode(self._status(Presence.ONLINE)), retain=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.say(self._address.topic(Channel.STATUS), encode(self._status(Presence.OFFLINE)), retain=True)
        self.client.__exit__(None, None, None)

    @property
    def _epoch(self) -> str:
        return f"{self._connection:016x}"

    def order(self) -> Command:
        _, payload = self.client.next()
        return decode(Order, payload).command

    def says(self, number: int, *outcomes: Outcome) -> None:
        report = Report(self._epoch, number, number, len(outcomes), wall_ms(), outcomes=outcomes)
        self.client.say(self._address.topic(Channel.REPORT), encode(report))

    def _status(self, presence: Presence) -> Status:
        return Status(self._epoch, presence, self._connection, "test", wall_ms())


class Desk:
    """Somebody who gives commands over the API."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def give(self, device: int, action: str, **more: Any) -> httpx.Response:
        return self.client.post(f"/api/v1/devices/{device}/commands", json={"action": action, **more})

    def given(self, device: int, action: str, **more: Any) -> str:
        answer = self.give(device, action, **more)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def now(self, command_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(f"/api/v1/commands/{command_id}").json()
        return found

    def becomes(self, command_id: str, *statuses: CommandStatus, timeout_s: float = 60) -> dict[str, Any]:
        wanted = [status.value for status in statuses]
        eventually(lambda: self.now(command_id)["status"] in wanted, f"{command_id} is one of {wanted}", timeout_s)
        return self.now(command_id)


@pytest.fixture(name="cluster", scope="module")
def _cluster(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Cluster]:
    state = tmp_path_factory.mktemp("controller")
    return state, seed(state)


@pytest.fixture(name="controller", scope="module")
def _controller(cluster: tuple[Path, Cluster]) -> Iterator[Running]:
    with running(cluster[0]) as one:
        yield one


@pytest.fixture(name="agent", scope="module")
def _agent(
    tmp_path_factory: pytest.TempPathFactory, cluster: tuple[Path, Cluster], controller: Running
) -> Iterator[AgentProcess]:
    process = AgentProcess(tmp_path_factory.mktemp("agent"), cluster[1].agents["an-phu"], controller.broker_port)
    process.start()
    yield process
    process.stop()


@pytest.fixture(name="desk", scope="module")
def _desk(cluster: tuple[Path, Cluster], controller: Running) -> Desk:
    """A technician's of the whole cluster."""
    return Desk(controller.bearer(cluster[1].admin.add_api_token("ky", "tests", None)))


@pytest.fixture(name="devices", scope="module")
def _devices(agent: AgentProcess, desk: Desk) -> dict[str, int]:
    """The ids of the real agent's devices, once they are in contact."""

    def there() -> list[dict[str, Any]]:
        items = desk.client.get("/api/v1/devices?school=an-phu").json()["items"]
        return [each for each in items if each["state"] != "offline"]

    eventually(lambda: len(there()) == 4, "four devices", 60)
    return {each["slug"]: each["id"] for each in there()}


@contextmanager
def hand(cluster: Cluster, controller: Running, desk: Desk, connection: int) -> Iterator[tuple[Hand, int]]:
    """The other school's agent, by hand, and the id of its device."""

    def listed() -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = desk.client.get("/api/v1/devices?school=binh-minh").json()["items"]
        return items

    with Hand(cluster.agents["binh-minh"], controller.broker_port, connection) as one:
        eventually(listed, "its device", 30)
        yield one, listed()[0]["id"]


def rows(controller: Running, sql: str, **values: object) -> list[Any]:
    with controller.services.engine.connect() as connection:
        return list(connection.execute(text(sql), values))


def check_account(controller: Running) -> None:
    """Every item is accounted for."""
    eventually(lambda: verify(controller.services.engine).ok, "nothing is missing")


# the whole way


def test_command_goes_the_whole_way_down_and_up(controller: Running, desk: Desk, devices: dict[str, int]) -> None:
    answer = desk.give(devices["projector"], "mute")
    assert answer.status_code == 202
    assert (answer.json()["status"], answer.json()["by"]) == ("queued", "Person ky")

    done = desk.becomes(answer.json()["id"], S.DONE)
    assert [step["status"] for step in done["steps"]] == WHOLE_WAY
    assert done["told"] is True
    assert [each["id"] for each in desk.client.get(f"/api/v1/devices/{devices['projector']}/commands").json()["items"]]
    assert rows(controller, "SELECT DISTINCT known FROM outcome WHERE command_id = :id", id=done["id"]) == [(1,)]
    subject = f"{done['id']} device {devices['projector']}"
    audited = rows(controller, "SELECT action, school_id FROM audit_line WHERE subject = :subject", subject=subject)
    assert audited == [("command", "an-phu")]
    check_account(controller)


def test_guarded_command_is_carried_out_under_the_lease_that_it_brings(desk: Desk, devices: dict[str, int]) -> None:
    done = desk.becomes(desk.given(devices["printer"], "preheat", args={"celsius": 60.5}), S.DONE)

    assert [step["status"] for step in done["steps"]] == WHOLE_WAY


def test_machine_that_somebody_has_is_nobody_elses_but_everybody_stops_it(
    controller: Running, desk: Desk, devices: dict[str, int]
) -> None:
    browser = controller.signed_in("ha")
    browser.headers["x-csrf-token"] = csrf_of(browser)
    teacher = Desk(browser)
    desk.becomes(desk.given(devices["printer"], "pause"), S.DONE)

    refused = teacher.give(devices["printer"], "resume")
    assert (refused.status_code, refused.json()["code"]) == (409, "taken")
    stopped = desk.becomes(teacher.given(devices["printer"], "stop"), S.DONE)
    assert stopped["by"] == "Person ha"


def test_command_that_the_bridge_refuses_says_so_in_its_words(desk: Desk, devices: dict[str, int]) -> None:
    refused = desk.becomes(desk.given(devices["stubborn"], "mute"), S.REFUSED)

    assert (refused["detail"], refused["told"]) == ("no such action: mute", True)
    assert [step["status"] for step in refused["steps"]] == [*WHOLE_WAY[:-1], "refused"]


def test_command_is_given_once_however_often_it_is_asked_for(
    controller: Running, desk: Desk, devices: dict[str, int]
) -> None:
    together, ids = threading.Barrier(5), []

    def ask() -> None:
        together.wait()
        ids.append(desk.given(devices["projector"], "power-on", key="once"))

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    by_header = desk.client.post(
        f"/api/v1/devices/{devices['projector']}/commands",
        json={"action": "power-on"},
        headers={"Idempotency-Key": "once"},
    )

    assert {*ids, by_header.json()["id"]} == {ids[0]}
    assert len(ids) == 5
    desk.becomes(ids[0], S.DONE)
    other = desk.give(devices["projector"], "power-off", key="once")
    assert (other.status_code, other.json()["code"]) == (422, "key")


# trouble on the way


def test_command_for_an_agent_that_is_away_goes_when_it_is_back(
    agent: AgentProcess, desk: Desk, devices: dict[str, int]
) -> None:
    agent.stop()
    eventually(lambda: desk.client.get("/api/v1/devices?school=an-phu&state=offline").json()["total"] == 4, "away", 60)
    command_id = desk.given(devices["projector"], "mute")
    assert desk.now(command_id)["status"] == "queued"

    agent.start()
    done = desk.becomes(command_id, S.DONE, timeout_s=90)
    assert [step["status"] for step in done["steps"]] == WHOLE_WAY


def test_command_outlives_a_broker_that_dies(controller: Running, desk: Desk, devices: dict[str, int]) -> None:
    controller.stop_broker()
    command_id = desk.given(devices["projector"], "mute")

    done = desk.becomes(command_id, S.DONE, timeout_s=90)
    assert [step["status"] for step in done["steps"]] == WHOLE_WAY
    check_account(controller)


def test_command_that_was_lost_on_the_way_is_sent_again_when_its_agent_comes_back(
    cluster: tuple[Path, Cluster], controller: Running, desk: Desk
) -> None:
    with hand(cluster[1], controller, desk, 1) as (deaf, device):
        command_id = desk.given(device, "power-on")
        assert deaf.order().id == command_id
    desk.becomes(command_id, S.SENT)

    with hand(cluster[1], controller, desk, 2) as (one, _):
        order = one.order()
        assert (order.id, order.device, order.action) == (command_id, "lamp", "power-on")
        one.says(1, Outcome(command_id, S.ACCEPTED, wall_ms()), Outcome(command_id, S.DONE, wall_ms()))
        desk.becomes(command_id, S.DONE)


def test_outcome_that_is_told_twice_counts_twice_and_changes_nothing(
    cluster: tuple[Path, Cluster], controller: Running, desk: Desk
) -> None:
    with hand(cluster[1], controller, desk, 3) as (one, device):
        command_id = desk.given(device, "power-off")
        assert one.order().id == command_id
        one.says(1, Outcome(command_id, S.FAILED, wall_ms(), "no contact"))
        first = desk.becomes(command_id, S.FAILED)
        one.says(2, Outcome(command_id, S.FAILED, wall_ms(), "no contact"), Outcome(command_id, S.DONE, wall_ms()))
        told = "SELECT count(*) FROM outcome WHERE command_id = :id AND known"
        eventually(lambda: rows(controller, told, id=command_id) == [(3,)], "both are kept")

    assert desk.now(command_id) == first
    check_account(controller)


def test_outcome_of_somebody_elses_command_is_rejected_and_changes_nothing(
    cluster: tuple[Path, Cluster], controller: Running, desk: Desk, devices: dict[str, int]
) -> None:
    foreign = desk.becomes(desk.given(devices["projector"], "mute"), S.DONE)
    with hand(cluster[1], controller, desk, 4) as (one, _):
        one.says(1, Outcome(foreign["id"], S.FAILED, wall_ms()), Outcome("c-of-nobody", S.DONE, wall_ms()))
        kept = "SELECT known FROM outcome WHERE status = 'failed' AND command_id = :id"
        eventually(lambda: rows(controller, kept, id=foreign["id"]), "it is kept")

        assert rows(controller, kept, id=foreign["id"]) == [(0,)]
        assert rows(controller, "SELECT accepted, rejected FROM ledger WHERE epoch = :e", e=f"{4:016x}") == [(0, 2)]
    assert desk.now(foreign["id"]) == foreign
    check_account(controller)


# who may


def test_command_in_another_school_is_not_found(
    cluster: tuple[Path, Cluster], controller: Running, desk: Desk, devices: dict[str, int]
) -> None:
    command_id = desk.given(devices["projector"], "mute")
    stranger = Desk(controller.bearer(cluster[1].admin.add_api_token("minh", "tests", None)))

    refused = stranger.give(devices["projector"], "mute")
    assert (refused.status_code, refused.json()["code"]) == (404, "no-such-device")
    assert stranger.client.get(f"/api/v1/commands/{command_id}").status_code == 404
    assert stranger.client.get(f"/api/v1/devices/{devices['projector']}/commands").status_code == 404


def test_teacher_commands_projectors_and_not_computers(
    cluster: tuple[Path, Cluster], controller: Running, devices: dict[str, int]
) -> None:
    teacher = Desk(controller.bearer(cluster[1].admin.add_api_token("ha", "tests", None)))

    refused = teacher.give(devices["computer"], "restart")
    assert (refused.status_code, refused.json()["code"]) == (403, "not-allowed")
    audited = "SELECT count(*) FROM audit_line WHERE action = 'command-refused' AND subject = :subject"
    assert rows(controller, audited, subject=f"device {devices['computer']}") == [(1,)]
    assert teacher.give(devices["projector"], "mute").status_code == 202


def test_command_from_a_session_needs_the_token_of_its_pages(controller: Running, devices: dict[str, int]) -> None:
    browser = controller.signed_in("ky")

    assert Desk(browser).give(devices["projector"], "mute").status_code == 403
    browser.headers["x-csrf-token"] = csrf_of(browser)
    assert Desk(browser).give(devices["projector"], "mute").status_code == 202
    assert Desk(controller.client()).give(devices["projector"], "mute").status_code in (401, 403)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"action": "fly"}, "no-such-action"),
        ({"action": "mute", "args": {"loud": True}}, "bad-arguments"),
        ({"action": "preheat"}, "no-such-action"),
        ({"action": "mute", "key": "ă"}, "key"),
    ],
)
def test_command_that_means_nothing_is_refused_by_its_code(
    desk: Desk, devices: dict[str, int], body: dict[str, Any], code: str
) -> None:
    answer = desk.client.post(f"/api/v1/devices/{devices['projector']}/commands", json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        '{"action": "Not A Name"}',
        '{"action": "mute", "args": {"a": null}}',
        '{"action": "mute", "args": {"a": [1]}}',
        '{"action": "mute", "args": {"a": "\\ud800"}}',
        '{"action": "mute", "args": {"\\ud800": 1}}',
        '{"action": "mute", "args": {"a": NaN}}',
        '{"action": "mute", "args": {"a": "' + "long" * 300 + '"}}',
        '{"action": "mute", "key": "\\ud800"}',
        "[]",
        "{",
    ],
)
def test_command_of_a_wrong_form_is_refused_without_repeating_it(
    desk: Desk, devices: dict[str, int], body: str
) -> None:
    where = f"/api/v1/devices/{devices['projector']}/commands"
    answer = desk.client.post(where, content=body, headers={"content-type": "application/json"})

    assert answer.status_code == 422
    assert answer.json().keys() == {"detail", "code"}
    assert "longlong" not in answer.text


def test_open_commands_are_counted_for_prometheus(controller: Running) -> None:
    told = controller.client().get("/metrics").text

    for status in ("queued", "sent", "accepted", "running"):
        assert f'fabfleet_commands_open{{status="{status}"}}' in told
