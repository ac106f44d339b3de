"""agent.toml, and what is said about a wrong one."""

import json
from pathlib import Path

import pytest

from agent.config import load_config
from agent.desired import Kept, write_kept
from agent.errors import WrongConfig
from contract.messages import Config
from contract.topics import Address

GOOD = """
school = "chu-van-an"
agent = "b203"
room = "b203"
flush_s = 2
[broker]
host = "server"
port = 1884
tls_ca = "/etc/fabfleet/ca.crt"
[controller]
url = "https://server"
[files]
budget_mb = 200
[outbox]
budget_mb = 10
[[devices]]
id = "computer"
profile = "computer/classroom-pc"
[[devices]]
id = "projector"
name = "Máy chiếu"
profile = "demo/projector"
endpoint = "sim:1"
options = { fault_every = 0 }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "agent.toml"
    path.write_text(GOOD, "utf-8")
    return path


def test_config_reads_every_key(file: Path, tmp_path: Path) -> None:
    config = load_config(file, tmp_path, {})
    assert config.address == Address("chu-van-an", "b203")
    assert (config.broker.host, config.broker.port, config.flush_s) == ("server", 1884, 2)
    assert (config.limits.budget_bytes, config.limits.kept_ms) == (10 << 20, 48 * 3_600_000)
    assert (config.job_source.url, config.job_source.tls_ca) == ("https://server", "/etc/fabfleet/ca.crt")
    assert (config.job_room.budget, config.job_room.largest) == (200 << 20, 100 << 20)
    assert [(device.id, device.name, device.endpoint) for device in config.devices] == [
        ("computer", "Classroom PC", ""),
        ("projector", "Máy chiếu", "sim:1"),
    ]
    assert config.devices[1].options == {"fault_every": 0}
    assert config.devices[1].profile.bridge == "simulated"


def test_config_is_overridden_by_the_environment(file: Path, tmp_path: Path) -> None:
    environment = {"FABFLEET_BROKER_PORT": "9999", "FABFLEET_FLUSH_S": "0.5", "FABFLEET_SCHOOL": "other"}
    config = load_config(file, tmp_path, environment)
    assert (config.broker.port, config.flush_s, config.address.school) == (9999, 0.5, "other")


def test_config_takes_credentials_from_the_state_folder(file: Path, tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text(json.dumps({"user": "u", "password": "p", "lease_key": "0a0b"}))
    config = load_config(file, tmp_path, {})
    assert (config.broker.username, config.broker.password, config.lease_key) == ("u", "p", b"\x0a\x0b")
    assert "p" not in repr(config.broker).replace("port", "").replace("host", "").replace("keepalive", "").replace(
        "Broker", ""
    ).replace("tls_ca", "").replace("spread", "").replace("place", "")


def test_config_obeys_what_the_controller_may_set_and_nothing_else(file: Path, tmp_path: Path) -> None:
    write_kept(tmp_path, Kept(good=Config(1, 2, {"flush_s": 5.0, "room": "elsewhere"})))
    config = load_config(file, tmp_path, {"FABFLEET_BROKER_PORT": "9"})
    assert (config.flush_s, config.room) == (5.0, "b203")  # what another release took and this one does not know
    assert config.given.under(Config(1, 3, {"broker.port": 7})).broker.port == 9
    (tmp_path / "desired.json").write_text("{")
    assert load_config(file, tmp_path, {}).flush_s == 2


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('school = "chu-van-an"', "", "school is missing"),
        ('school = "chu-van-an"', 'school = "Chu Văn An"', "school: 'Chu Văn An' is not a name"),
        ("port = 1884", 'port = "1884"', "broker.port = '1884': must be a whole number"),
        ("port = 1884", "port = 70000", "broker.port = 70000: must be between 1 and 65535"),
        ("flush_s = 2", "flush_s = 0", "flush_s = 0: must be between"),
        ("flush_s = 2", "flash_s = 2", "nobody knows the key flash_s"),
        ("budget_mb = 10", "budgetmb = 10", "nobody knows the key outbox.budgetmb"),
        ("budget_mb = 200", "budget_mb = 0", "files.budget_mb = 0: must be between"),
        ("[broker]\n", "broker = 1\n[x]\n", "broker must be a table"),
        ('"demo/projector"', '"demo/nothing"', "device projector: demo/nothing: No such file or directory"),
        ('id = "projector"', 'id = "computer"', "two devices have the id 'computer'"),
        ('id = "projector"', 'id = "Projector"', "device Projector: id: 'Projector' is not a name"),
        ('id = "projector"', 'ID = "projector"', "device 2: nobody knows the key 'ID'"),
        ('endpoint = "sim:1"', "endpoint = 1", "device projector: endpoint = 1: must be a text"),
        ("[broker]", "[broker", "Expected ']'"),
    ],
)
def test_config_says_in_words_what_is_wrong_and_where(
    file: Path, tmp_path: Path, old: str, new: str, said: str
) -> None:
    file.write_text(GOOD.replace(old, new, 1), "utf-8")
    with pytest.raises(WrongConfig) as caught:
        load_config(file, tmp_path, {})
    assert str(caught.value).startswith(str(file))
    assert said in str(caught.value)


def test_config_that_is_missing_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(WrongConfig, match="fabfleet-agent enrol"):
        load_config(tmp_path / "none.toml", tmp_path, {})


def test_config_names_a_wrong_variable(file: Path, tmp_path: Path) -> None:
    with pytest.raises(WrongConfig, match="FABFLEET_BROKER_PORT=x: must be a whole number"):
        load_config(file, tmp_path, {"FABFLEET_BROKER_PORT": "x"})


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"password": "p", "lease_key": "xyz"}'])
def test_config_with_unusable_credentials_says_to_enrol_again(file: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "credentials.json").write_text(text)
    with pytest.raises(WrongConfig, match="enrol this agent again"):
        load_config(file, tmp_path, {})


def test_key_of_a_device_stands_in_no_file_that_everybody_may_read(file: Path, tmp_path: Path) -> None:
    device = '[[devices]]\nid = "p"\nprofile = "klipper/printer"\nendpoint = "http://p"\noptions = { key = "sekret" }\n'
    file.write_text(GOOD + device, "utf-8")
    file.chmod(0o644)
    with pytest.raises(WrongConfig, match=r"device p: everybody may read this key: chmod 640") as wrong:
        load_config(file, tmp_path, {})
    assert "sekret" not in str(wrong.value)
    file.chmod(0o640)
    assert load_config(file, tmp_path, {}).devices[-1].options == {"key": "sekret"}
