"""What Home Assistant is told, on a whole controller with its broker: read by a foreign reader, and seen to be gone."""

import json
import queue
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from contract.messages import BridgeState
from controller.home_assistant import store
from controller.home_assistant.errors import NoSuchSchool, NotSwitchedOn, WrongLanguage
from controller.home_assistant.settings import Account, HomeAssistants
from controller.identity.store import audit_lines
from firmware_bridges.base import LinkLost, Refused
from firmware_bridges.mqtt_device import MqttDeviceBridge
from tests.integration.mqtt import Client, eventually
from tests.integration.notifying import DUC, HERE, MINH, THERE, TRI, Post
from tests.integration.running import METRIC, Cluster, Running, Speaker, running, seed

pytestmark = pytest.mark.integration
ROOT = "fabfleet/an-phu"
CONFIG = f"{ROOT}/sensor/pc-1_printer/{METRIC}/config"


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home-assistant") / "state"


@pytest.fixture(scope="module")
def cluster(state: Path) -> Cluster:
    return seed(state)


@pytest.fixture(scope="module")
def controller(state: Path, cluster: Cluster) -> Iterator[Running]:
    assert cluster.agents
    with running(state) as one:
        yield one


class Ear:
    """A foreign program with the school's account. `kept` is what lies at the broker, as it hears it."""

    def __init__(self, controller: Running, account: Account) -> None:
        self._make = partial(Client, controller.broker_port, account.user, account.password, "home-assistant")
        self.client = self._make()
        self.kept: dict[str, bytes] = {}

    def __enter__(self) -> "Ear":
        eventually(self._is_let_in, "the broker knows the account")
        assert self.client.subscribe(f"{ROOT}/#")
        return self

    def _is_let_in(self) -> bool:
        """The broker takes over who may come in a moment after it was told."""
        self.client = self._make()
        self.client.__enter__()
        if self.client.refused:
            self.client.__exit__(None, None, None)
        return not self.client.refused

    def __exit__(self, *_: object) -> None:
        self.client.__exit__(None, None, None)

    def has(self, topic: str) -> bytes:
        """What lies there, empty if nothing does."""
        while True:
            try:
                heard, payload = self.client.heard.get_nowait()
            except queue.Empty:
                return self.kept.get(topic, b"")
            self.kept[heard] = payload

    def all(self) -> set[str]:
        self.has("")
        return {topic for topic, payload in self.kept.items() if payload}


def reader(controller: Running, account: Account) -> MqttDeviceBridge:
    """Our own reader of Home Assistant's discovery, which was written for devices of other makers."""
    options = {"user": account.user, "password": account.password, "prefix": ROOT, "discover_s": 2.0}
    return MqttDeviceBridge(f"mqtt://127.0.0.1:{controller.broker_port}/fabfleet_an-phu_pc-1_printer", options)


def is_read(bridge: MqttDeviceBridge) -> bool:
    try:
        bridge.open()
    except (LinkLost, Refused):
        return False
    return True


def test_devices_are_told_read_back_followed_and_taken_back(controller: Running, cluster: Cluster) -> None:
    links = controller.services.home_assistants
    links.switch(TRI, HERE, on=True, language="en")
    account = links.make_account(TRI, HERE)
    with Speaker(cluster.agents[HERE], controller.broker_port) as agent:
        agent.lists("printer", "other")
        agent.reports("printer", 204.5)
        bridge = reader(controller, account)
        eventually(lambda: is_read(bridge), "the reader knows the device")
        eventually(lambda: bridge.poll()[f"temperature-{METRIC}"] == 204.5, "its value is told")
        agent.reports("printer", 210.0)
        eventually(lambda: bridge.poll()[f"temperature-{METRIC}"] == 210.0, "it follows")
        with pytest.raises(Refused):
            bridge.execute("switch-on", {})
        bridge.close()
        with Ear(controller, account) as ear:
            eventually(lambda: ear.has(CONFIG), "what is retained comes at once")
            assert json.loads(ear.has(CONFIG))["device"]["suggested_area"] == "Phòng An"
            agent.lists("printer", "other", name="Máy mới")
            eventually(lambda: "Máy mới printer".encode() in ear.has(CONFIG), "a device is renamed")
            assert ear.has(f"{ROOT}/pc-1_other/available")
            agent.lists("printer")
            eventually(lambda: not [topic for topic in ear.all() if "pc-1_other" in topic], "a device is removed")
            assert ear.has(f"{ROOT}/pc-1_printer/available") == b"online"
            agent.lists("printer", state=BridgeState.LOST)
            eventually(lambda: ear.has(f"{ROOT}/pc-1_printer/available") == b"offline", "it is out of reach")
            links.switch(TRI, HERE, on=False)
            eventually(lambda: not ear.all(), "all is taken back, and who listens hears it")
            eventually(lambda: ear.client.disconnects, "and is sent away")
    assert not store.readers(controller.services.engine)


def test_a_password_is_good_until_there_is_another_or_it_is_revoked(controller: Running) -> None:
    links = controller.services.home_assistants
    links.switch(TRI, HERE, on=True)
    first = links.make_account(TRI, HERE)
    with Ear(controller, first) as ear:
        second = links.make_account(TRI, HERE)
        assert (second.user, second.password != first.password) == (first.user, True)
        eventually(lambda: ear.client.disconnects, "the first is good no more")
    with Ear(controller, second) as ear:
        links.revoke_account(TRI, HERE)
        eventually(lambda: ear.client.disconnects, "it was revoked")
    assert links.of(TRI, HERE).made_ms is None
    links.switch(TRI, HERE, on=False)


def test_what_an_earlier_process_left_at_the_broker_is_taken_back(state: Path, controller: Running) -> None:
    """Whatever the tables say now: the broker says what lies there."""
    plant = controller.services.plant
    broker = plant._broker
    assert broker is not None
    with Client(controller.broker_port, broker.login.user, broker.login.password, "earlier") as earlier:
        for topic in (f"{ROOT}/pc-1_printer/state", f"{ROOT}/pc-1_printer/available", CONFIG):
            earlier.say(topic, b"left", retain=True)
    with Client(controller.broker_port, broker.login.user, broker.login.password, "later") as later:
        assert later.subscribe(f"{ROOT}/#")

        def left() -> set[str]:
            told = dict(list(later.heard.queue))
            return {topic for topic, payload in told.items() if payload}

        eventually(lambda: not left(), "nothing of it is left")


# settings, on both databases


@pytest.fixture
def links(either_database: Engine, tmp_path: Path) -> HomeAssistants:
    Post(either_database, tmp_path)
    return HomeAssistants(either_database, lambda: 1_000, switched=lambda: None, admit=lambda: None)


def test_a_school_tells_nothing_until_it_is_switched_on_and_each_step_is_audited(
    links: HomeAssistants, either_database: Engine
) -> None:
    assert not links.of(DUC, HERE).switched_on
    assert store.languages(either_database) == {}
    with pytest.raises(NotSwitchedOn):
        links.make_account(DUC, HERE)
    links.switch(DUC, HERE, on=True, language="en")
    assert store.languages(either_database) == {HERE: "en"}
    assert store.readers(either_database) == []
    account = links.make_account(DUC, HERE)
    (told,) = store.readers(either_database)
    assert (told.user, told.prefix) == (account.user, f"fabfleet/{HERE}")
    links.revoke_account(DUC, HERE)
    links.switch(DUC, HERE, on=False)
    assert (store.languages(either_database), store.readers(either_database)) == ({}, [])
    with Session(either_database) as db:
        lines = [(line.action, line.actor, line.school_id) for line in audit_lines(db)]
        assert account.password not in str([line.model_dump() for line in audit_lines(db)])
    assert lines == [
        (f"home-assistant-{what}", DUC.id, HERE) for what in ("on", "account-make", "account-revoke", "off")
    ]


def test_nobody_sets_another_schools(links: HomeAssistants) -> None:
    for work in (
        lambda: links.of(MINH, HERE),
        lambda: links.switch(MINH, HERE, on=True),
        lambda: links.make_account(MINH, HERE),
        lambda: links.revoke_account(MINH, HERE),
        lambda: links.switch(TRI, "no-such-school", on=True),
    ):
        with pytest.raises(NoSuchSchool):
            work()
    with pytest.raises(WrongLanguage):
        links.switch(MINH, THERE, on=True, language="fr")
