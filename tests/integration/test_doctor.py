"""What the doctor says of a real broker's door."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.config import AgentConfig, load_config
from agent.doctor_network import broker as look
from agent.findings import Verdict
from contract.topics import Address
from controller.broker.access import BrokerUser, hash_password
from controller.broker.embedded import EmbeddedBroker

pytestmark = pytest.mark.integration

ADDRESS = Address("school", "agent")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    broker = EmbeddedBroker(tmp_path_factory.mktemp("broker"), 0)
    broker.start()
    broker.set_users([BrokerUser(ADDRESS, hash_password("right"))])
    yield broker
    broker.stop()


def config_of(folder: Path, port: int, password: str) -> AgentConfig:
    file = folder / "agent.toml"
    file.write_text(f'school = "{ADDRESS.school}"\nagent = "{ADDRESS.agent}"\n[broker]\nport = {port}\n')
    (folder / "credentials.json").write_text(json.dumps({"user": ADDRESS.user, "password": password}))
    return load_config(file, folder, {})


def test_broker_that_lets_the_agent_in_is_well(broker: EmbeddedBroker, tmp_path: Path) -> None:
    assert look(config_of(tmp_path, broker.port, "right")).verdict is Verdict.GOOD


def test_broker_that_refuses_the_password_says_to_enrol_again(broker: EmbeddedBroker, tmp_path: Path) -> None:
    finding = look(config_of(tmp_path, broker.port, "wrong"))
    assert finding.code == "broker-refused"
    assert "enrol" in finding.cure.en
