"""Who this copy of the agent is: a random key made at its first start, and what its computer is known by."""

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from agent.errors import WrongConfig
from agent.files import hand_over, replace_file
from agent.hardware import host_root, machine_facts

IDENTITY = "identity.json"


@dataclass(frozen=True, slots=True)
class Identity:
    """`key`, hexadecimal, is shown to the controller alone, over TLS; `salt` is the controller's, for facts."""

    key: str = field(repr=False)
    salt: str = ""

    @property
    def instance(self) -> str:
        """What the key may be called by anybody."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:32]

    def facts(self) -> tuple[str, ...]:
        return machine_facts(self.salt, host_root())


def read_identity(state: Path) -> Identity | None:
    """None before the first start. Raises WrongConfig for a file that says nothing."""
    path = state / IDENTITY
    try:
        given = json.loads(path.read_text("utf-8"))
        return Identity(bytes.fromhex(given["key"]).hex(), str(given["salt"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WrongConfig(f"{path}: cannot be read ({error}); remove it and enrol this agent again") from None


def keep_identity(state: Path, identity: Identity) -> Identity:
    """On disk before it is used. Raises OSError."""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace_file(state / IDENTITY, json.dumps({"key": identity.key, "salt": identity.salt}).encode())
    hand_over(state / IDENTITY, state)
    return identity


def new_identity(salt: str) -> Identity:
    return Identity(secrets.token_hex(32), salt)
