"""The nouns of the wire. Times are integer milliseconds since the Unix epoch, UTC, and end in `_ms`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

Value: TypeAlias = bool | int | float | str

MAX_TEXT = 1024
"""Longest text value, reason or detail, in characters."""
MAX_INTEGER = 2**53 - 1
"""Largest magnitude of an integer on the wire: what JSON readers in every language keep exactly."""
MAX_NAME = 63
_NAME_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


class ContractError(ValueError):
    """What was given does not keep the contract; the message says where and how."""


def check_name(name: str, what: str) -> None:
    """Raise ContractError unless `name` is 1 to 63 letters of `[a-z0-9-]`."""
    if not 0 < len(name) <= MAX_NAME or not _NAME_LETTERS.issuperset(name):
        raise ContractError(f"{what}: {name[:80]!r} is not a name of 1 to {MAX_NAME} letters a-z, 0-9 or -")


def check_pattern(pattern: str, what: str) -> None:
    """Raise ContractError unless `pattern` is a name, or one with a single `*` in it: `disk-*-used`."""
    check_name(pattern.replace("*", "x", 1), what)


def pattern_for(name: str, patterns: Iterable[str]) -> str | None:
    """The declared name that `name` goes by: itself, else the first pattern whose `*` stands for one part of it."""
    known = tuple(patterns)
    if name in known:
        return name
    for pattern in known:
        head, star, tail = pattern.partition("*")
        if star and len(name) > len(head) + len(tail) and name.startswith(head) and name.endswith(tail):
            return pattern
    return None


def check_text(text: str, what: str, longest: int = MAX_TEXT) -> None:
    """Raise ContractError for a text that is too long, has a NUL or a lone surrogate: no database takes those."""
    if len(text) > longest:
        raise ContractError(f"{what}: {len(text)} characters, at most {longest} are taken")
    if "\0" in text:
        raise ContractError(f"{what}: a NUL character")
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ContractError(f"{what}: half of a surrogate pair")


def check_integer(number: int, what: str, least: int = -MAX_INTEGER, most: int = MAX_INTEGER) -> None:
    """Raise ContractError unless `least <= number <= most`."""
    if not least <= number <= most:
        raise ContractError(f"{what}: out of range {least} to {most}")


def check_value(value: Value | None, what: str) -> None:
    """Raise ContractError for a value that cannot be stored as it is."""
    if value is None or value is True or value is False:
        return
    if isinstance(value, str):
        check_text(value, what)
    elif isinstance(value, int):
        check_integer(value, what)
    elif not -1.8e308 < value < 1.8e308:
        raise ContractError(f"{what}: not a finite number")


class Kind(StrEnum):
    """The type of a metric's values, fixed by its profile for good."""

    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    TEXT = "text"

    def holds(self, value: Value | None) -> bool:
        """Whether `value` is of this kind. None (asked, unknown) is of every kind; an int is a float as well."""
        if value is None:
            return True
        if self is Kind.BOOL:
            return value is True or value is False
        if self is Kind.TEXT:
            return isinstance(value, str)
        if value is True or value is False or isinstance(value, str):
            return False
        return self is Kind.FLOAT or isinstance(value, int)


class Quality(StrEnum):
    """How far a value can be trusted, as in Sparkplug B: good, stale (true once), bad (asked, no answer)."""

    GOOD = "good"
    STALE = "stale"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Metric:
    """One measured quantity of a device, or with one `*` in `name` a row of alike ones (`disk-*-used`).

    `unit` is a UCUM code of `contract.units`, "1" if none.

    A reading is reported when it moved by `deadband` (in `unit`) or more since the last report, or after `heartbeat_s`.
    """

    name: str
    unit: str
    kind: Kind
    deadband: float = 0.0
    heartbeat_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Reading:
    """A value at a time. None: the device was asked and the answer is unknown."""

    device: str
    metric: str
    value: Value | None
    at_ms: int


class CommandStatus(StrEnum):
    """Where a command stands, told by evidence only. The last five are final."""

    QUEUED = "queued"
    SENT = "sent"
    ACCEPTED = "accepted"
    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    EXPIRED = "expired"
    UNKNOWN = "unknown"

    @property
    def final(self) -> bool:
        return self in _FINAL


_FINAL = frozenset(
    {
        CommandStatus.DONE,
        CommandStatus.REFUSED,
        CommandStatus.FAILED,
        CommandStatus.EXPIRED,
        CommandStatus.UNKNOWN,
    }
)


@dataclass(frozen=True, slots=True)
class Command:
    """An order to one device. Its id makes it idempotent; after `expires_ms` no agent begins it."""

    id: str
    device: str
    action: str
    args: Mapping[str, Value] = field(default_factory=dict)
    by: str = ""
    expires_ms: int = 0

    def __post_init__(self) -> None:
        check_name(self.id, "id")
        check_name(self.device, "device")
        check_name(self.action, "action")
        check_text(self.by, "by", 128)
        check_integer(self.expires_ms, "expires_ms", 0)
        if len(self.args) > 32:
            raise ContractError("args: more than 32")
        for name, value in self.args.items():
            check_text(name, "args: name", MAX_NAME)
            check_value(value, f"args.{name}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the agent knows of a command at `at_ms`."""

    command_id: str
    status: CommandStatus
    at_ms: int
    detail: str = ""

    def __post_init__(self) -> None:
        check_name(self.command_id, "command_id")
        check_integer(self.at_ms, "at_ms", 0)
        check_text(self.detail, "detail")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened once. `kind` is a stable code; `device` is empty for the agent itself."""

    kind: str
    at_ms: int
    device: str = ""
    detail: str = ""

    def __post_init__(self) -> None:
        check_name(self.kind, "kind")
        check_integer(self.at_ms, "at_ms", 0)
        if self.device:
            check_name(self.device, "device")
        check_text(self.detail, "detail")


@dataclass(frozen=True, slots=True)
class Gap:
    """Readings that were produced and given up: `count` of them between two times, both inclusive."""

    from_ms: int
    to_ms: int
    count: int
    reason: str = ""

    def __post_init__(self) -> None:
        check_integer(self.from_ms, "from_ms", 0)
        check_integer(self.to_ms, "to_ms", self.from_ms)
        check_integer(self.count, "count", 1)
        check_text(self.reason, "reason", 128)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right of `holder` to use `device` from `from_ms` up to, not including, `until_ms`.

    `hazard` is 0 to 3. `supervised` says that the supervising adult has checked in at the machine.
    """

    device: str
    holder: str
    from_ms: int
    until_ms: int
    booking: str = ""
    hazard: int = 0
    supervised: bool = False

    def __post_init__(self) -> None:
        check_name(self.device, "device")
        check_text(self.holder, "holder", 128)
        check_text(self.booking, "booking", MAX_NAME)
        check_integer(self.from_ms, "from_ms", 0)
        check_integer(self.until_ms, "until_ms", self.from_ms)
        check_integer(self.hazard, "hazard", 0, 3)
