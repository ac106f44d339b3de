"""A message from the broker on its way in: raw, then decoded. Pure."""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from contract.messages import Inventory, Report, Status
from contract.model import ContractError
from contract.topics import Address, Channel, parse
from controller.ingest.codec import INVENTORY, STATUS, Reason, Undecodable, decode_report


@dataclass(frozen=True, slots=True)
class Arrival:
    """As it came. `retained`: the broker had kept it, it is not news."""

    topic: str
    payload: bytes
    received_ms: int
    retained: bool = False


class Batch(NamedTuple):
    """A report with the digest that names its content."""

    digest: str
    report: Report


Content: TypeAlias = Status | Inventory | Batch | Undecodable


class Decoded(NamedTuple):
    """`address` and `channel` are None when the topic is not ours."""

    arrival: Arrival
    address: Address | None
    channel: Channel | None
    content: Content


@lru_cache(maxsize=20_000)
def _parse(topic: str) -> tuple[Address, Channel] | str:
    try:
        return parse(topic)
    except ContractError as error:
        return str(error)


def decode(arrival: Arrival) -> Decoded:
    """Never raises: what cannot be decoded says so in its content."""
    parsed = _parse(arrival.topic)
    if isinstance(parsed, str):
        return Decoded(arrival, None, None, Undecodable(Reason.TOPIC, parsed))
    address, channel = parsed
    try:
        return Decoded(arrival, address, channel, _content(channel, arrival.payload))
    except Undecodable as error:
        return Decoded(arrival, address, channel, error)


def _content(channel: Channel, payload: bytes) -> Content:
    if channel is Channel.REPORT:
        return Batch(*decode_report(payload))
    if channel is Channel.STATUS:
        return STATUS.decode(payload)
    if channel is Channel.INVENTORY:
        return INVENTORY.decode(payload)
    raise Undecodable(Reason.TOPIC, f"topic: {channel} is for agents, not from them")
