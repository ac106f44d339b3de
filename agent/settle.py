"""Writes down what enrolment gave: credentials, authority, and the first configuration."""

import json
import re
import socket
from pathlib import Path

from agent.config import CREDENTIALS
from agent.enrol import Enrolled
from agent.files import replace_file

AUTHORITY = "ca.pem"
_SYSTEM_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"


def settle(enrolled: Enrolled, config: Path, state: Path) -> None:
    """Credentials last: where they are, the rest is. An agent.toml that is there only gets the address.

    Raises OSError.
    """
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    if enrolled.authority:
        replace_file(state / AUTHORITY, enrolled.authority.encode())
    if config.exists():
        replace_file(config, _addressed(config.read_text("utf-8"), enrolled).encode())
    else:
        config.parent.mkdir(parents=True, exist_ok=True)
        replace_file(config, first_config(enrolled, state).encode())
    secret = {"user": enrolled.user, "password": enrolled.password, "lease_key": enrolled.lease_key}
    replace_file(state / CREDENTIALS, json.dumps(secret).encode())


def _addressed(text: str, enrolled: Enrolled) -> str:
    head, bracket, rest = text.partition("\n[")
    for key, value in (("school", enrolled.address.school), ("agent", enrolled.address.agent)):
        head = re.sub(rf"(?m)^{key}\s*=.*$", f"{key} = {json.dumps(value)}", head)
    return head + bracket + rest


def first_config(enrolled: Enrolled, state: Path) -> str:
    """agent.toml for this computer and its network."""
    authority = f"tls_ca = {json.dumps(str(state / AUTHORITY) if enrolled.authority else _SYSTEM_AUTHORITIES)}"
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
