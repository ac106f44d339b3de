"""What enrolment writes into agent.toml: where controller and broker are, and whom to believe at each."""

import ssl
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.config import load_config
from agent.connection import SYSTEM, Broker
from agent.doctor_network import way_to_broker
from agent.enrol import Enrolled
from agent.reclaim import reclaim
from agent.settle import DOOR, settle
from agent.tls import context_for
from agent.toml_lines import with_values
from contract.topics import Address
from tests.tls import served, signed

LOCAL = Enrolled(
    url="http://127.0.0.1:8080",
    address=Address("an-phu", "pc-1"),
    broker_host="127.0.0.1",
    broker_port=1883,
    broker_tls=False,
    user="an-phu.pc-1",
    password="secret",
    lease_key="00ff",
)
OPEN = replace(
    LOCAL,
    url="https://school.example:8080",
    broker_host="school.example",
    broker_port=8883,
    broker_tls=True,
    authority="ours",
    door_authority="ours",
)


def told(enrolled: Enrolled, state: Path, *, moved: bool = True) -> dict[str, Any]:
    settle(enrolled, state / "agent.toml", state, moved=moved)
    return tomllib.loads((state / "agent.toml").read_text("utf-8"))


def test_own_authority_is_believed_at_both_and_followed_in_one_file(tmp_path: Path) -> None:
    table = told(OPEN, tmp_path)
    assert table["controller"]["tls_ca"] == table["broker"]["tls_ca"] == str(tmp_path / "ca.pem")
    assert (tmp_path / "ca.pem").read_text() == "ours"
    assert not (tmp_path / DOOR).exists()


def test_authority_of_a_proxy_is_kept_apart_from_the_brokers(tmp_path: Path) -> None:
    told(replace(OPEN, door_authority="the proxy's"), tmp_path)
    config = load_config(tmp_path / "agent.toml", tmp_path, {})
    assert Path(config.broker.tls_ca).read_text() == "ours"
    assert Path(config.job_source.tls_ca).read_text() == "the proxy's"


def test_proxy_with_a_certificate_that_everybody_knows_is_believed_by_the_systems_authorities(tmp_path: Path) -> None:
    assert told(replace(OPEN, door_authority=""), tmp_path)["controller"]["tls_ca"] == SYSTEM
    config = load_config(tmp_path / "agent.toml", tmp_path, {})
    assert (config.job_source.tls_ca, Path(config.broker.tls_ca).read_text()) == ("", "ours")


def test_given_certificate_is_known_by_the_systems_authorities_wherever_the_system_keeps_them(tmp_path: Path) -> None:
    told(replace(OPEN, authority="", door_authority=""), tmp_path)
    config = load_config(tmp_path / "agent.toml", tmp_path, {})
    assert (config.broker.tls_ca, config.job_source.tls_ca) == (SYSTEM, "")
    context = context_for(SYSTEM)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert reclaim(config, "00000000000000aa") is False, "there is no identity, and no such file is opened"


def test_doctor_asks_the_systems_authorities_too(tmp_path: Path) -> None:
    with served(signed(), tmp_path) as port:
        trouble = way_to_broker(Broker("127.0.0.1", port, tls_ca=SYSTEM))
    assert trouble is not None
    assert trouble.code == "certificate-authority"


def test_enrolled_anew_the_configuration_gets_the_new_place_and_keeps_all_else(tmp_path: Path) -> None:
    told(LOCAL, tmp_path)
    file = tmp_path / "agent.toml"
    mine = (
        '\n[[devices]]\nid = "printer"  # the left one\nprofile = "creality/ender-3"\nendpoint = "tcp://10.0.0.9:23"\n'
    )
    file.write_text(file.read_text().replace("place = 0.0", "place = 0.25") + mine)
    table = told(OPEN, tmp_path)
    assert table["controller"] == {"url": OPEN.url, "tls_ca": str(tmp_path / "ca.pem")}
    assert (table["broker"]["host"], table["broker"]["port"], table["broker"]["place"]) == (
        "school.example",
        8883,
        0.25,
    )
    assert table["broker"]["tls_ca"] == str(tmp_path / "ca.pem")
    way = next(each for each in table["devices"] if each["id"] == "network")["options"]
    assert way == {"controller_host": "school.example", "controller_port": 8883}
    assert file.read_text().endswith(mine)
    load_config(file, tmp_path, {})

    back = told(LOCAL, tmp_path)
    assert "tls_ca" not in back["controller"]
    assert "tls_ca" not in back["broker"]
    assert told(LOCAL, tmp_path) == back


def test_new_credentials_fetched_by_itself_move_an_agent_nowhere(tmp_path: Path) -> None:
    told(LOCAL, tmp_path)
    renamed = replace(OPEN, address=Address("an-phu", "pc-1-2"))
    table = told(renamed, tmp_path, moved=False)
    assert (table["agent"], table["controller"], table["broker"]["port"]) == ("pc-1-2", {"url": LOCAL.url}, 1883)


@pytest.mark.parametrize("text", ["", "# mine", "[broker]", 'a = "b"\n[broker]\n', "a = ]"])
def test_what_a_person_wrote_is_never_broken(text: str, tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text(text)
    settle(OPEN, file, tmp_path)
    if text != "a = ]":
        broker = tomllib.loads(file.read_text()).get("broker", {})
        assert broker == (
            {"host": "school.example", "port": 8883, "tls_ca": str(tmp_path / "ca.pem")} if "[" in text else {}
        )
    else:
        assert file.read_text() == text


def test_values_are_changed_in_their_own_section_only() -> None:
    text = 'url = "top"\n[a]  # first\n# url = "old"\n  url = "a"\n\n[[b]]\nurl = "b"\n[a.c]\nurl = "c"\n'
    changed = with_values(text, "a", {"url": 'của "tôi" \\', "port": 1})
    assert tomllib.loads(changed) == {
        "url": "top",
        "a": {"url": 'của "tôi" \\', "port": 1, "c": {"url": "c"}},
        "b": [{"url": "b"}],
    }
    assert tomllib.loads(with_values(changed, "a", {"url": None}))["a"] == {"port": 1, "c": {"url": "c"}}
    assert tomllib.loads(with_values(text, "", {"url": "x"}))["url"] == "x"
    assert with_values(text, "nobody", {"url": "x"}) == text
