"""Payloads to messages with msgspec, which checks kinds and bounds on the way. Pure.

It takes and refuses the same payloads as `contract.wire.decode`, and says why in one of a few stable reasons.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

import msgspec

from contract.messages import (
    MAX_PAYLOAD,
    VERSION,
    Ack,
    Inventory,
    Report,
    ReportHead,
    Status,
    UnknownVersion,
    digest_of,
)
from contract.model import ContractError

T = TypeVar("T")


class Reason(StrEnum):
    """Why something was not taken. Stable: shown in lists and counted in /metrics."""

    TOO_LARGE = "too-large"
    NOT_JSON = "not-json"
    TOO_DEEP = "too-deep"
    VERSION = "unknown-version"
    CONTRACT = "contract"
    DIGEST = "digest"
    TOPIC = "topic"
    UNKNOWN_AGENT = "unknown-agent"
    REVOKED = "revoked-agent"
    UNDECLARED = "undeclared"
    KIND = "wrong-kind"
    CLOCK_AHEAD = "clock-ahead"
    CLOCK_BEHIND = "clock-behind"
    CONFLICT = "conflict"
    DOUBLED = "doubled-identity"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Undecodable(Exception):
    """The payload is none of ours; quarantine it and go on."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class _AnyVersion:
    v: int = VERSION


class Codec(Generic[T]):
    """Decodes one kind of message."""

    __slots__ = ("_decode",)

    def __init__(self, kind: type[T]) -> None:
        self._decode = msgspec.json.Decoder(kind).decode

    def decode(self, payload: bytes) -> T:
        """Raises Undecodable and nothing else."""
        if len(payload) > MAX_PAYLOAD:
            raise Undecodable(Reason.TOO_LARGE, f"payload: {len(payload)} bytes, at most {MAX_PAYLOAD} are taken")
        try:
            if not payload.isascii():
                payload.decode()  # msgspec does not look into members nobody knows
            return self._decode(payload)
        except msgspec.ValidationError as error:
            raise _explain(error, payload) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Undecodable(Reason.NOT_JSON, f"payload: not JSON in UTF-8 ({error})"[:500]) from None
        except RecursionError:
            raise Undecodable(Reason.TOO_DEEP, "payload: nested too deep") from None


def _explain(error: msgspec.ValidationError, payload: bytes) -> Undecodable:
    """A newer version may have any shape, so its number is looked for before the shape is blamed."""
    if not isinstance(error.__cause__, UnknownVersion):
        try:
            version = _VERSION.decode(payload).v
        except (msgspec.DecodeError, RecursionError):
            version = VERSION
        if version == VERSION:
            return Undecodable(Reason.CONTRACT, printable(str(error)))
    return Undecodable(Reason.VERSION, printable(f"speaks another version than {VERSION}: {error}"))


def printable(text: str, longest: int = 500) -> str:
    """A text that every database takes."""
    return text[:longest].replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


_VERSION = msgspec.json.Decoder(_AnyVersion)
_HEAD = msgspec.json.Decoder(ReportHead)
_ENCODER = msgspec.json.Encoder()

STATUS = Codec(Status)
INVENTORY = Codec(Inventory)
_REPORT = Codec(Report)


def decode_report(payload: bytes) -> tuple[str, Report]:
    """The digest and the report. Raises Undecodable."""
    report = _REPORT.decode(payload)
    digest = digest_of(payload)
    if digest is None:
        raise Undecodable(Reason.DIGEST, "digest: missing or not that of this payload")
    return digest, report


def decode_head(payload: bytes) -> tuple[str, ReportHead] | None:
    """Digest and head of a report that does not decode, if at least these can be trusted."""
    digest = digest_of(payload) if len(payload) <= MAX_PAYLOAD else None
    if digest is None:
        return None
    try:
        return digest, _HEAD.decode(payload)
    except (msgspec.DecodeError, ContractError, RecursionError):
        return None


def encode_ack(ack: Ack) -> bytes:
    return _ENCODER.encode(ack)
