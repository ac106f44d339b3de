"""What a controller wants of an agent besides its settings, and what the agent says became of it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from contract.model import ContractError, Value, check_integer, check_name, check_text, check_value

MAX_OPTIONS: Final = 40
_SECRETS: Final = frozenset({"key", "password", "community", "passphrase", "token", "secret"})
"""How options end that hold a secret: `key`, `auth_password`."""


def is_secret(option: str) -> bool:
    """Whether an option holds a secret by its name. One that names a file, `key_file`, holds none."""
    return option.rpartition("_")[2] in _SECRETS


@dataclass(frozen=True, slots=True)
class DesiredDevice:
    """A device that a technician adopted for an agent, as agent.toml would have it.

    `options` holds no secret: what travels is retained and readable. Secrets lie with the agent.
    """

    id: str
    profile: str
    endpoint: str = ""
    name: str = ""
    room: str = ""
    options: Mapping[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name(self.id, "devices.id")
        check_text(self.profile, f"devices.{self.id}.profile", 128)
        check_text(self.endpoint, f"devices.{self.id}.endpoint", 300)
        check_text(self.name, f"devices.{self.id}.name", 128)
        check_text(self.room, f"devices.{self.id}.room", 64)
        if len(self.options) > MAX_OPTIONS:
            raise ContractError(f"devices.{self.id}.options: more than {MAX_OPTIONS}")
        for name, value in self.options.items():
            check_text(name, f"devices.{self.id}.options: name", 63)
            check_value(value, f"devices.{self.id}.options.{name}")
            if is_secret(name):
                raise ContractError(f"devices.{self.id}.options.{name}: a secret does not travel; give it at the agent")


class Rejection(StrEnum):
    """Why an agent does not keep a configuration: it cannot be, or under it the controller was not reached."""

    REFUSED = "refused"
    ROLLED_BACK = "rolled-back"


@dataclass(frozen=True, slots=True)
class ConfigStand:
    """What an agent says of its desired configuration. (generation, number) is the one in force, 0 and 0 if none is.

    `digest` is that configuration's (contract.messages.Config.digest). `on_trial`: the controller has not been reached
    under it yet. `rejected_*` name the newest that was rejected, and `how` and `reason` tell why; an empty `how`: none.
    """

    generation: int = 0
    number: int = 0
    digest: str = ""
    on_trial: bool = False
    rejected_generation: int = 0
    rejected_number: int = 0
    how: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        for name in ("generation", "number", "rejected_generation", "rejected_number"):
            check_integer(getattr(self, name), f"config.{name}", 0)
        check_text(self.digest, "config.digest", 32)
        check_text(self.reason, "config.reason", 300)
        if self.how and self.how not in tuple(Rejection):
            raise ContractError(f"config.how: {self.how[:40]!r} is none of {', '.join(Rejection)}")
