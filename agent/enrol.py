"""Enrolment: trade a one-time token for this agent's credentials, and write its first configuration."""

import json
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.config import CREDENTIALS, Credentials, write_credentials
from agent.errors import EnrolmentRefused
from agent.files import replace_file
from agent.renewal import AUTHORITIES
from contract.model import MAX_NAME, ContractError, check_name
from contract.topics import Address

_TIMEOUT_S = 15.0
_MOST_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What the controller gave, and the `url` it was reached at. `lease_key` is hexadecimal.

    `ca` is whom to trust from now on, PEM; empty: whom this computer trusts anyway.
    """

    url: str
    address: Address
    broker_host: str
    broker_port: int
    broker_tls: bool
    user: str
    password: str
    lease_key: str
    number: int = 0
    ca: str = ""


def default_name() -> str:
    """A name made of the computer's own: lower case letters, digits and hyphens."""
    letters = "".join(
        letter if letter.isascii() and letter.isalnum() else "-" for letter in socket.gethostname().lower()
    )
    return letters.strip("-")[:MAX_NAME] or "agent"


def enrol(url: str, token: str, name: str) -> Enrolled:
    """Ask the controller at `url`. Raises EnrolmentRefused with a message for the user."""
    import urllib.error
    import urllib.request

    if not url.startswith(("http://", "https://")):
        raise EnrolmentRefused(f"{url}: the address must begin with http:// or https://")
    body = json.dumps({"token": token, "agent": name}).encode()
    request = urllib.request.Request(  # noqa: S310 - the scheme was looked at above
        f"{url.rstrip('/')}/api/v1/enrol", data=body, headers={"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310 - as above
            return _enrolled(url.rstrip("/"), json.loads(response.read(_MOST_BYTES)))
    except urllib.error.HTTPError as error:
        raise EnrolmentRefused(_reason(error.read(_MOST_BYTES), error.code)) from None
    except OSError as error:
        raise EnrolmentRefused(f"{url} does not answer: {error}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise EnrolmentRefused(f"{url} answered what no controller of Fabfleet answers: {error}") from None


def _enrolled(url: str, given: Any) -> Enrolled:
    return Enrolled(
        url=url,
        address=Address(given["school"], given["agent"]),
        broker_host=str(given["broker_host"]),
        broker_port=int(given["broker_port"]),
        broker_tls=given["broker_tls"] is True,
        user=str(given["user"]),
        password=str(given["password"]),
        lease_key=bytes.fromhex(given["lease_key"]).hex(),
        number=int(given.get("credentials", 0)),
        ca=str(given.get("ca", "")),
    )


def _reason(body: bytes, code: int) -> str:
    try:
        detail = json.loads(body)["detail"]
    except (ValueError, KeyError, TypeError):
        detail = ""
    return f"the controller refused ({code}): {str(detail)[:300]}"


def write_enrolled(enrolled: Enrolled, config: Path, state: Path) -> None:
    """Write whom to trust, credentials.json, and agent.toml if there is none yet; all for the account that has `state`.

    Raises OSError.
    """
    state.mkdir(parents=True, exist_ok=True)
    if enrolled.ca:
        replace_file(state / AUTHORITIES, enrolled.ca.encode())
        _hand_over(state / AUTHORITIES, state, 0o600)
    key = bytes.fromhex(enrolled.lease_key)
    write_credentials(state, Credentials(enrolled.user, enrolled.password, key, enrolled.number))
    _hand_over(state / CREDENTIALS, state, 0o600)
    if not config.exists():
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(first_config(enrolled, state), "utf-8")
        _hand_over(config, state, 0o640)


def _hand_over(path: Path, state: Path, mode: int) -> None:
    """Root enrols, the service's account reads: what is secret becomes its own, settings stay root's."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return
    account = state.stat()
    if account.st_uid != 0:
        os.chown(path, 0 if mode & 0o040 else account.st_uid, account.st_gid)
        path.chmod(mode)


def first_config(enrolled: Enrolled, state: Path) -> str:
    """agent.toml for this computer and its network."""
    trusted = str((state / AUTHORITIES).resolve()) if enrolled.ca else "/etc/ssl/certs/ca-certificates.crt"
    authority = f"tls_ca = {json.dumps(trusted)}"
    tls = authority if enrolled.broker_tls else f"# {authority}"
    return f"""# The agent of this computer. `fabfleet-agent doctor` looks whether all is well.
school = {json.dumps(enrolled.address.school)}
agent = {json.dumps(enrolled.address.agent)}
# room = "b203"

[controller]
url = {json.dumps(enrolled.url)}

[broker]
host = {json.dumps(enrolled.broker_host)}
port = {enrolled.broker_port}
{tls}

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


def checked_name(name: str) -> str:
    """Raises EnrolmentRefused for a name no agent may have."""
    try:
        check_name(name, "name")
    except ContractError as error:
        raise EnrolmentRefused(str(error)) from None
    return name
