"""Writes down what enrolment gave: credentials, authorities, and the first configuration."""

import json
import logging
import socket
import tomllib
from pathlib import Path

from agent.config import CREDENTIALS, Credentials, write_credentials
from agent.connection import SYSTEM
from agent.enrol import Enrolled
from agent.files import hand_over, replace_file
from agent.renewal import AUTHORITIES
from agent.toml_lines import Wanted, lines, with_values

DOOR = "controller-ca.pem"
"""In the state folder: who vouches for the pages' address, where that is not who vouches for the broker: a proxy's."""
_log = logging.getLogger(__name__)


def settle(enrolled: Enrolled, config: Path, state: Path, *, moved: bool = True) -> None:
    """Credentials last: where they are, the rest is. All is for the account that has `state`. Raises OSError.

    An agent.toml that is there gets the name, if it is new, and if it `moved` where controller and broker are; its
    other lines stay. The name that counts is with the credentials: a service may not write in the folder of settings.
    """
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    if enrolled.authority:
        _keep(state, AUTHORITIES, enrolled.authority)
    if enrolled.door_authority not in ("", enrolled.authority):
        _keep(state, DOOR, enrolled.door_authority)
    if config.exists():
        _readdress(config, enrolled, state, moved=moved)
    else:
        config.parent.mkdir(parents=True, exist_ok=True)
        replace_file(config, first_config(enrolled, state).encode())
        hand_over(config, state, 0o640)
    key = bytes.fromhex(enrolled.lease_key)
    write_credentials(
        state, Credentials(enrolled.user, enrolled.password, key, enrolled.number, address=enrolled.address)
    )
    hand_over(state / CREDENTIALS, state)


def _keep(state: Path, name: str, authority: str) -> None:
    replace_file(state / name, authority.encode())
    hand_over(state / name, state)


def _readdress(config: Path, enrolled: Enrolled, state: Path, *, moved: bool) -> None:
    there = config.read_text("utf-8")
    try:
        text = _readdressed(there, enrolled, state, moved=moved)
    except tomllib.TOMLDecodeError:
        return  # whoever loads it will hear why
    if text == there:
        return
    try:
        replace_file(config, text.encode())
        hand_over(config, state, 0o640)
    except OSError as error:
        _log.warning("%s: still has the former address: %s", config, error.strerror)


def _readdressed(text: str, enrolled: Enrolled, state: Path, *, moved: bool) -> str:
    """Raises TOMLDecodeError."""
    former = tomllib.loads(text)
    address = enrolled.address
    names = {"school": address.school, "agent": address.agent}
    text = with_values(text, "", {key: name for key, name in names.items() if former.get(key, name) != name})
    if not moved:
        return text
    for section, wanted in (("controller", _controller(enrolled, state)), ("broker", _broker(enrolled, state))):
        table = former.get(section, {})
        text = with_values(text, section, {key: new for key, new in wanted.items() if table.get(key) != new})
    broker = former.get("broker", {})
    if {"host", "port"} <= broker.keys():  # the device that measures the way there
        text = text.replace(_way(broker["host"], broker["port"]), _way(enrolled.broker_host, enrolled.broker_port))
    return text


def _controller(enrolled: Enrolled, state: Path) -> Wanted:
    """Under a name of its own, for its authority need not be the broker's: a proxy may answer for the pages."""
    file = AUTHORITIES if enrolled.door_authority == enrolled.authority else DOOR
    trusted = str((state / file).resolve()) if enrolled.door_authority else SYSTEM
    return {"url": enrolled.url, "tls_ca": trusted if enrolled.url.startswith("https://") else None}


def _broker(enrolled: Enrolled, state: Path) -> Wanted:
    trusted = str((state / AUTHORITIES).resolve()) if enrolled.authority else SYSTEM
    host, port = enrolled.broker_host, enrolled.broker_port
    return {"host": host, "port": port, "tls_ca": trusted if enrolled.broker_tls else None}


def _way(host: str, port: int) -> str:
    return f"controller_host = {json.dumps(host)}, controller_port = {port}"


def first_config(enrolled: Enrolled, state: Path) -> str:
    """agent.toml for this computer and its network."""
    return f"""# The agent of this computer. `fabfleet-agent doctor` looks whether all is well.
school = {json.dumps(enrolled.address.school)}
agent = {json.dumps(enrolled.address.agent)}
# room = "b203"

[controller]
{lines(_controller(enrolled, state))}

[broker]
{lines(_broker(enrolled, state))}
# after a lost connection it comes back within so many seconds, at its own place (0 to 1) in them
spread_s = {enrolled.spread_s}
place = {enrolled.place}

[[devices]]
id = "computer"
name = {json.dumps(socket.gethostname())}
profile = "computer/classroom-pc"

[[devices]]
id = "network"
name = "Network"
profile = "network/uplink"
options = {{ {_way(enrolled.broker_host, enrolled.broker_port)} }}
"""
