"""Writes down what enrolment gave: credentials, authority, and the first configuration."""

import json
import logging
import re
import socket
from pathlib import Path

from agent.config import CREDENTIALS, Credentials, write_credentials
from agent.enrol import Enrolled
from agent.files import hand_over, replace_file
from agent.renewal import AUTHORITIES

_SYSTEM_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
_log = logging.getLogger(__name__)


def settle(enrolled: Enrolled, config: Path, state: Path) -> None:
    """Credentials last: where they are, the rest is. An agent.toml that is there only gets the address, if it is new.

    The name that counts is with the credentials: a service may not write in the folder of settings. All is for the
    account that has `state`. Raises OSError.
    """
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    if enrolled.authority:
        replace_file(state / AUTHORITIES, enrolled.authority.encode())
        hand_over(state / AUTHORITIES, state)
    if config.exists():
        _readdress(config, enrolled, state)
    else:
        config.parent.mkdir(parents=True, exist_ok=True)
        replace_file(config, first_config(enrolled, state).encode())
        hand_over(config, state, 0o640)
    key = bytes.fromhex(enrolled.lease_key)
    write_credentials(
        state, Credentials(enrolled.user, enrolled.password, key, enrolled.number, address=enrolled.address)
    )
    hand_over(state / CREDENTIALS, state)


def _readdress(config: Path, enrolled: Enrolled, state: Path) -> None:
    there = config.read_text("utf-8")
    text = _addressed(there, enrolled)
    if text == there:
        return
    try:
        replace_file(config, text.encode())
        hand_over(config, state, 0o640)
    except OSError as error:
        _log.warning("%s: still has the former name: %s", config, error.strerror)


def _addressed(text: str, enrolled: Enrolled) -> str:
    head, bracket, rest = text.partition("\n[")
    for key, value in (("school", enrolled.address.school), ("agent", enrolled.address.agent)):
        head = re.sub(rf"(?m)^{key}\s*=.*$", f"{key} = {json.dumps(value)}", head)
    return head + bracket + rest


def first_config(enrolled: Enrolled, state: Path) -> str:
    """agent.toml for this computer and its network."""
    authority = (
        f"tls_ca = {json.dumps(str((state / AUTHORITIES).resolve()) if enrolled.authority else _SYSTEM_AUTHORITIES)}"
    )
    https = authority if enrolled.url.startswith("https://") else f"# {authority}"
    tls = authority if enrolled.broker_tls else f"# {authority}"
    return f"""# The agent of this computer. `fabfleet-agent doctor` looks whether all is well.
school = {json.dumps(enrolled.address.school)}
agent = {json.dumps(enrolled.address.agent)}
# room = "b203"

[controller]
url = {json.dumps(enrolled.url)}
{https}

[broker]
host = {json.dumps(enrolled.broker_host)}
port = {enrolled.broker_port}
{tls}
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
options = {{ controller_host = {json.dumps(enrolled.broker_host)}, controller_port = {enrolled.broker_port} }}
"""
