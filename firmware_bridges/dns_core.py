"""One DNS question and the head of its answer (RFC 1035), without a socket."""

import struct
from dataclasses import dataclass
from typing import Final

from firmware_bridges.base import BadReply

PORT: Final = 53
MAX_REPLY: Final = 4_096
NAME_SERVERS: Final = 2
"""The question kind NS: every resolver has the answer to it for the root, whose name is "."."""
ADDRESS: Final = 1

_HEADER: Final = struct.Struct("!HHHHHH")
_QUESTION: Final = struct.Struct("!HH")
_INTERNET = 1
_REPLY, _RECURSE, _TRUNCATED, _CODE = 0x8000, 0x0100, 0x0200, 0x000F
_CODES: Final = ("ok", "format-error", "server-failure", "no-such-name", "not-implemented", "refused")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a resolver said to `name`: `code` is "ok", "no-such-name", "server-failure", ... or "code-NN"."""

    number: int
    name: str
    kind: int
    code: str
    records: int
    truncated: bool


def question(name: str, kind: int, number: int) -> bytes:
    """A query for `name` under the id `number`, recursion desired. Raises ValueError for what is no domain name."""
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".")] if name != "." else []
    if any(not 0 < len(label) <= 63 for label in labels) or sum(len(label) + 1 for label in labels) > 254:
        raise ValueError(f"not a domain name: {name[:80]!r}")
    encoded = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return _HEADER.pack(number, _RECURSE, 1, 0, 0, 0) + encoded + _QUESTION.pack(kind, _INTERNET)


def answer(datagram: bytes) -> Answer:
    """Read a reply's header and question. Raises BadReply."""
    if not _HEADER.size <= len(datagram) <= MAX_REPLY:
        raise BadReply(f"dns: a reply of {len(datagram)} bytes")
    number, flags, questions, records, _, _ = _HEADER.unpack_from(datagram)
    if not flags & _REPLY or questions != 1:
        raise BadReply("dns: not the reply to one question")
    name, at = _name(datagram, _HEADER.size)
    if len(datagram) - at < _QUESTION.size:
        raise BadReply("dns: cut off in its question")
    code = flags & _CODE
    return Answer(
        number=number,
        name=name,
        kind=_QUESTION.unpack_from(datagram, at)[0],
        code=_CODES[code] if code < len(_CODES) else f"code-{code}",
        records=records,
        truncated=bool(flags & _TRUNCATED),
    )


def _name(datagram: bytes, at: int) -> tuple[str, int]:
    """The name at `at` and where it ends. The first name of a message has nothing to point back to."""
    labels: list[str] = []
    start = at
    while True:
        if at >= len(datagram):
            raise BadReply("dns: cut off in a name")
        length = datagram[at]
        if length > 63 or at + 1 + length > len(datagram) or at - start > 254:
            raise BadReply("dns: a name that cannot be")
        at += 1
        if not length:
            return ".".join(labels) or ".", at
        labels.append(datagram[at : at + length].decode("ascii", "replace").lower())
        at += length
