"""What travels, as frozen dataclasses, and their JSON.

Encoding is one function, `encode`. Decoding on the agent is `contract.wire.decode` (standard library); the
controller decodes the same classes with msgspec. Both run the same `__post_init__` checks. docs/protocol.md tells
what each message means; its schemas are generated from these classes.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Final, TypeAlias

from contract.desired import ConfigStand, DesiredDevice
from contract.found import Found, check_found
from contract.machine import check_facts
from contract.model import (
    MAX_INTEGER,
    MAX_TEXT,
    Command,
    ContractError,
    Event,
    Gap,
    Kind,
    Lease,
    Outcome,
    Value,
    check_integer,
    check_name,
    check_pattern,
    check_text,
    check_value,
)

VERSION: Final = 1
MAX_PAYLOAD: Final = 256 * 1024
"""Bytes of the largest message either side accepts."""
MAX_ITEMS: Final = 5_000
"""Most readings, outcomes and events of one report, together."""
MAX_SPAN_MS: Final = 60 * 86_400_000
"""Furthest a reading may lie from its report's `base_ms`."""
MAX_DEVICES: Final = 500
MAX_RANGES: Final = 1_000

Point: TypeAlias = tuple[int, Value | None]
"""(milliseconds after `base_ms`, value)."""
Series: TypeAlias = Mapping[str, Mapping[str, tuple[Point, ...]]]
"""device -> metric -> points, in strictly rising order of time."""


class UnknownVersion(ContractError):
    """The other side speaks a newer major version; update this one."""


def _check_version(v: int) -> None:
    if v != VERSION:
        raise UnknownVersion(f"v: version {v}, this side speaks {VERSION}")


def _check_epoch(epoch: str) -> None:
    if len(epoch) != 16 or not set("0123456789abcdef").issuperset(epoch):
        raise ContractError("epoch: not 16 hexadecimal digits")


def _check_count(things: object, what: str, most: int) -> None:
    if len(things) > most:  # type: ignore[arg-type]  # tuples and mappings alike
        raise ContractError(f"{what}: more than {most} are not taken")


class Presence(StrEnum):
    ONLINE = "online"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Held:
    """The numbers of one epoch that an agent still has on disk, both inclusive."""

    epoch: str
    first: int
    last: int

    def __post_init__(self) -> None:
        _check_epoch(self.epoch)
        check_integer(self.first, "first", 1)
        check_integer(self.last, "last", self.first)


@dataclass(frozen=True, slots=True)
class Status:
    """Retained. Also the will, with `presence` offline.

    `connection` counts the connects of this epoch, so that a late will of an older connection is told apart.
    `held` lists the epochs on disk; the controller answers each with a complete Ack. `lease_generation` and
    `lease_number` name the lease book on disk, 0 and 0 if there is none. They are state, said with every status: an
    acknowledgement that gets lost is made good by the next one. Offline, neither is told nor means anything.
    `credentials` is the number of the credentials that this connection was made with.
    `instance` names the key of this copy of the agent, `machine` are hashed facts of its computer (contract.machine):
    by them two live agents with one identity are told apart. `config` tells which desired configuration is in force, of
    which offline nothing is told.
    """

    epoch: str
    presence: Presence
    connection: int
    agent_version: str
    since_ms: int
    boot: str = ""
    clock_certain: bool = False
    held: tuple[Held, ...] = ()
    lease_generation: int = 0
    lease_number: int = 0
    credentials: int = 0
    instance: str = ""
    machine: tuple[str, ...] = ()
    config: ConfigStand = field(default_factory=ConfigStand)
    v: int = VERSION

    def __post_init__(self) -> None:
        _check_version(self.v)
        _check_epoch(self.epoch)
        check_integer(self.credentials, "credentials", 0)
        check_integer(self.connection, "connection", 0)
        check_text(self.agent_version, "agent_version", 40)
        check_integer(self.since_ms, "since_ms", 0)
        check_text(self.boot, "boot", 64)
        _check_count(self.held, "held", 256)
        check_integer(self.lease_generation, "lease_generation", 0)
        check_integer(self.lease_number, "lease_number", 0)
        check_text(self.instance, "instance", 64)
        check_facts(self.machine)


class BridgeState(StrEnum):
    """What an agent says of a device: not tried yet, in contact, contact lost, or left alone after many failures."""

    STARTING = "starting"
    OPEN = "open"
    LOST = "lost"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class MetricEntry:
    unit: str
    kind: Kind

    def __post_init__(self) -> None:
        check_text(self.unit, "unit", 20)


@dataclass(frozen=True, slots=True)
class ProfileEntry:
    """A profile as this agent uses it: enough to store and show its values without having the file."""

    slug: str
    name: str
    metrics: Mapping[str, MetricEntry]

    def __post_init__(self) -> None:
        check_text(self.slug, "slug", 128)
        check_text(self.name, "name", 128)
        _check_count(self.metrics, "metrics", 200)
        for name in self.metrics:
            check_pattern(name, "metrics")


@dataclass(frozen=True, slots=True)
class DeviceEntry:
    """One device. `profile` is the digest of its ProfileEntry; `identity` is the USB serial, else the hub path."""

    id: str
    name: str
    profile: str
    state: BridgeState
    since_ms: int = 0
    identity: str = ""
    detail: str = ""
    room: str = ""

    def __post_init__(self) -> None:
        check_name(self.id, "id")
        check_text(self.name, "name", 128)
        check_text(self.profile, "profile", 64)
        check_integer(self.since_ms, "since_ms", 0)
        check_text(self.identity, "identity", 200)
        check_text(self.detail, "detail")
        check_text(self.room, "room", 64)


@dataclass(frozen=True, slots=True)
class Inventory:
    """Retained. All devices of an agent; a later (epoch, number) replaces an earlier one.

    `found` is what it sees beside them and does not touch before somebody adopts it.
    """

    epoch: str
    number: int
    profiles: Mapping[str, ProfileEntry] = field(default_factory=dict)
    devices: tuple[DeviceEntry, ...] = ()
    found: tuple[Found, ...] = ()
    v: int = VERSION

    def __post_init__(self) -> None:
        _check_version(self.v)
        _check_epoch(self.epoch)
        check_integer(self.number, "number", 1)
        _check_count(self.profiles, "profiles", 100)
        _check_count(self.devices, "devices", MAX_DEVICES)
        for device in self.devices:
            if device.profile not in self.profiles:
                raise ContractError(f"devices.{device.id}: profile {device.profile!r} is not in profiles")
        if len({device.id for device in self.devices}) != len(self.devices):
            raise ContractError("devices: two with one id")
        check_found(self.found)


@dataclass(frozen=True, slots=True)
class Report:
    """One batch of an agent's outbox: the numbers `first` to `number` of `epoch`, almost always a single one.

    `count` says how many items were produced for it: readings + outcomes + events + what its gaps gave up.
    `base_ms` is wall time, `mono_ms` the monotonic clock at the same moment in the boot named `boot`.
    """

    epoch: str
    number: int
    first: int
    count: int
    base_ms: int
    mono_ms: int = 0
    boot: str = ""
    series: Series = field(default_factory=dict)
    outcomes: tuple[Outcome, ...] = ()
    events: tuple[Event, ...] = ()
    gaps: tuple[Gap, ...] = ()
    v: int = VERSION

    def __post_init__(self) -> None:
        _check_version(self.v)
        _check_epoch(self.epoch)
        check_integer(self.first, "first", 1)
        check_integer(self.number, "number", self.first)
        check_integer(self.base_ms, "base_ms", 0, 32_503_680_000_000)
        check_integer(self.mono_ms, "mono_ms", 0)
        check_text(self.boot, "boot", 64)
        _check_count(self.gaps, "gaps", 100)
        readings = 0
        for device, metrics in self.series.items():
            for metric, points in metrics.items():
                if len(points) == 1:  # by far the most frequent: what is right is seen to be without a call
                    ((dt_ms, value),) = points
                    kind = value.__class__
                    if -MAX_SPAN_MS <= dt_ms <= MAX_SPAN_MS and (
                        kind is float
                        or kind is bool
                        or (kind is str and value.isascii() and len(value) <= MAX_TEXT and "\0" not in value)  # type: ignore[union-attr, operator, arg-type]
                        or (kind is int and -MAX_INTEGER <= value <= MAX_INTEGER)  # type: ignore[operator]
                    ):
                        continue
                _check_points(points, device, metric)
            readings += sum(map(len, metrics.values()))
        items = readings + len(self.outcomes) + len(self.events)
        if items > MAX_ITEMS:
            raise ContractError(f"series: {items} items, at most {MAX_ITEMS} are taken")
        if self.count != items + sum([gap.count for gap in self.gaps]):
            raise ContractError(f"count: says {self.count}, holds {items} and gaps")

    @property
    def readings(self) -> int:
        return sum(len(points) for metrics in self.series.values() for points in metrics.values())


def _check_points(points: tuple[Point, ...], device: str, metric: str) -> None:
    """Hot: runs for every series of every report. Names are not checked here: who does not know them says so."""
    before = -MAX_SPAN_MS - 1
    for dt_ms, value in points:
        if dt_ms <= before:
            raise ContractError(f"series.{device[:80]}.{metric[:80]}: times do not rise")
        before = dt_ms
        if value.__class__ is not float:  # msgspec and the JSON reader both refuse NaN and infinity before this
            check_value(value, "series")
    if before > MAX_SPAN_MS:
        raise ContractError(f"series.{device[:80]}.{metric[:80]}: a time too far from base_ms")


@dataclass(frozen=True, slots=True)
class ReportHead:
    """What can be read of a report whose content is bad: enough to count it and to tell its agent."""

    epoch: str
    number: int
    first: int
    count: int

    def __post_init__(self) -> None:
        _check_epoch(self.epoch)
        check_integer(self.first, "first", 1)
        check_integer(self.number, "number", self.first)
        check_integer(self.count, "count", 0)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A batch that the controller will never take, and why. The agent sets it aside and sends it no more."""

    number: int
    reason: str

    def __post_init__(self) -> None:
        check_integer(self.number, "number", 1)
        check_text(self.reason, "reason")


@dataclass(frozen=True, slots=True)
class Ack:
    """The numbers of `epoch` that are committed, as inclusive ranges.

    `complete` says that these are all numbers of the epoch that the controller has: what the agent thought
    committed and is not here, it sends again (a controller restored from a backup). `at_ms` is the controller's clock.
    `credentials`, if higher than the agent's own number, asks it to fetch those of that number over HTTP.
    """

    generation: int
    at_ms: int
    epoch: str
    committed: tuple[tuple[int, int], ...] = ()
    refused: tuple[Refusal, ...] = ()
    complete: bool = False
    credentials: int = 0
    v: int = VERSION

    def __post_init__(self) -> None:
        _check_version(self.v)
        _check_epoch(self.epoch)
        check_integer(self.credentials, "credentials", 0)
        check_integer(self.generation, "generation", 0)
        check_integer(self.at_ms, "at_ms", 0)
        _check_count(self.committed, "committed", MAX_RANGES)
        _check_count(self.refused, "refused", MAX_RANGES)
        for first, last in self.committed:
            check_integer(first, "committed", 1)
            check_integer(last, "committed", first)


@dataclass(frozen=True, slots=True)
class LeaseBook:
    """Retained. All leases of one agent; the highest (generation, number) counts. Signed: see contract.lease."""

    agent: str
    generation: int
    number: int
    issued_ms: int
    leases: tuple[Lease, ...] = ()
    signature: str = ""
    v: int = VERSION

    def __post_init__(self) -> None:
        _check_version(self.v)
        check_text(self.agent, "agent", 128)
        check_integer(self.generation, "generation", 0)
        check_integer(self.number, "number", 0)
        check_integer(self.issued_ms, "issued_ms", 0)
        _check_count(self.leases, "leases", 2_000)
        check_text(self.signature, "signature", 64)


@dataclass(frozen=True, slots=True)
class Order:
    """A command on the wire."""

    command: Command
    generation: int = 0
    v: int = VERSION

    def __post_init__(self) -> None:
        _check_version(self.v)
        check_integer(self.generation, "generation", 0)


@dataclass(frozen=True, slots=True)
class Config:
    """Retained. What one agent is to be: settings by dotted key (contract.settings), and devices beside its own.

    The highest (generation, number) counts. Taken whole or not at all; what is bad in it is for the agent to say, so
    here only what no side can hold is refused.
    """

    generation: int
    number: int
    settings: Mapping[str, Value] = field(default_factory=dict)
    devices: tuple[DesiredDevice, ...] = ()
    v: int = VERSION

    def __post_init__(self) -> None:
        _check_version(self.v)
        check_integer(self.generation, "generation", 0)
        check_integer(self.number, "number", 0)
        _check_count(self.settings, "settings", 500)
        _check_count(self.devices, "devices", MAX_DEVICES)
        for key, value in self.settings.items():
            check_text(key, "settings: key", 128)
            check_value(value, f"settings.{key}")
        if len({device.id for device in self.devices}) != len(self.devices):
            raise ContractError("devices: two with one id")

    @property
    def digest(self) -> str:
        """Names the content, whatever its number: 32 hexadecimal digits, the same for 5 and 5.0."""
        settings = {key: float(value) if type(value) is int else value for key, value in self.settings.items()}
        content = [settings, [asdict(each) for each in sorted(self.devices, key=lambda each: each.id)]]
        return _digest(json.dumps(content, sort_keys=True, ensure_ascii=False).encode())


Message: TypeAlias = Status | Inventory | Report | Ack | LeaseBook | Order | Config

_DIGEST_LENGTH = 32
_DIGEST_START = b'{"digest":"'
_DIGEST_END = len(_DIGEST_START) + _DIGEST_LENGTH


def encode(message: Message) -> bytes:
    """The message as UTF-8 JSON. A report begins with its digest: see `digest_of`."""
    body = json.dumps(_plain(message), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    if isinstance(message, Report):
        return _DIGEST_START + _digest(body).encode() + b'",' + body[1:]
    return body


def _plain(message: Message) -> dict[str, object]:
    if isinstance(message, Report):  # its series are plain already, and by far the largest part of all traffic
        plain = {each.name: getattr(message, each.name) for each in fields(message)}
        for name in ("outcomes", "events", "gaps"):
            plain[name] = [asdict(each) for each in plain[name]]
        return {name: value for name, value in plain.items() if value not in ("", [], {})}
    return asdict(message)


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:_DIGEST_LENGTH]


def digest_of(payload: bytes) -> str | None:
    """The digest that a report's payload carries, if it is right, else None.

    Rule: `digest` is the first member and its value is the first 32 hexadecimal digits of the SHA-256 of the
    payload without that member.
    """
    if not payload.startswith(_DIGEST_START) or payload[_DIGEST_END : _DIGEST_END + 2] != b'",':
        return None
    told = payload[len(_DIGEST_START) : _DIGEST_END].decode("ascii", "replace")
    return told if told == _digest(b"{" + payload[_DIGEST_END + 2 :]) else None
