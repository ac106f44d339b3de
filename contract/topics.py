"""Topic names: `ff/1/<school>/<agent>/<channel>`. The 1 is the wire's major version."""

from dataclasses import dataclass
from enum import StrEnum

from contract.model import ContractError, check_name

VERSION = 1
_ROOT = f"ff/{VERSION}"
CONTROLLER = "fabfleet-controller"
"""User name and MQTT client id of the controller."""


class Channel(StrEnum):
    STATUS = "status"
    INVENTORY = "inventory"
    REPORT = "report"
    ACK = "ack"
    COMMAND = "command"
    LEASES = "leases"
    CONFIG = "config"


UP = (Channel.STATUS, Channel.INVENTORY, Channel.REPORT)
"""Written by the agent, read by the controller."""
DOWN = (Channel.ACK, Channel.COMMAND, Channel.LEASES, Channel.CONFIG)
"""Written by the controller, read by one agent."""
RETAINED = frozenset({Channel.STATUS, Channel.INVENTORY, Channel.LEASES, Channel.CONFIG})


@dataclass(frozen=True, slots=True)
class Address:
    """Whom a message is from or for."""

    school: str
    agent: str

    def __post_init__(self) -> None:
        check_name(self.school, "school")
        check_name(self.agent, "agent")

    def topic(self, channel: Channel) -> str:
        return f"{_ROOT}/{self.school}/{self.agent}/{channel}"

    @property
    def user(self) -> str:
        """The agent's user name at the broker."""
        return f"{self.school}.{self.agent}"

    @property
    def client_id(self) -> str:
        """How the agent's MQTT client id begins. It has no dot, which NATS refuses in one."""
        return f"{self.school}/{self.agent}"

    def __str__(self) -> str:
        return f"{self.school}/{self.agent}"


def filter_for(channel: Channel) -> str:
    """The subscription that hears `channel` of every agent."""
    return f"{_ROOT}/+/+/{channel}"


def parse(topic: str) -> tuple[Address, Channel]:
    """Take a topic apart. Raises ContractError for one that is not ours or of another version."""
    parts = topic.split("/")
    if len(parts) != 5 or parts[0] != "ff":
        raise ContractError(f"topic: {topic[:200]!r} is not ff/{VERSION}/school/agent/channel")
    if parts[1] != str(VERSION):
        raise ContractError(f"topic: version {parts[1][:20]!r}, this side speaks {VERSION}")
    try:
        channel = Channel(parts[4])
    except ValueError:
        raise ContractError(f"topic: no channel {parts[4][:40]!r}") from None
    return Address(parts[2], parts[3]), channel
