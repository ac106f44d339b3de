"""HTTP Digest access, the asker's side (RFC 7616): MD5 and MD5-sess, which is what printers speak. Pure."""

import hashlib
import re
from dataclasses import dataclass

from firmware_bridges.base import BadReply

_PART = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a server wants to be answered with each request."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    qop: bool = False
    opaque: str = ""


def challenge(header: str) -> Challenge:
    """Read WWW-Authenticate. Raises BadReply for one that is no Digest, or of a kind that nobody here speaks."""
    scheme, _, rest = header.strip().partition(" ")
    parts = {name.lower(): quoted or plain for name, quoted, plain in _PART.findall(rest)}
    if scheme.lower() != "digest" or not parts.get("nonce") or "realm" not in parts:
        raise BadReply(f"{header[:40]!r} is no Digest challenge")
    algorithm = parts.get("algorithm", "MD5")
    if algorithm.upper() not in ("MD5", "MD5-SESS"):
        raise BadReply(f"Digest with {algorithm[:20]!r}")
    qop = [each.strip() for each in parts.get("qop", "").split(",")]
    if qop != [""] and "auth" not in qop:
        raise BadReply(f"Digest with the protection {parts['qop'][:20]!r}")
    return Challenge(parts["realm"], parts["nonce"], algorithm, qop != [""], parts.get("opaque", ""))


def authorization(
    asked: Challenge, user: str, password: str, method: str, path: str, *, count: int, chosen: str
) -> str:
    """The header for the request number `count` with this challenge; `chosen` is a random text of ours."""
    first = _md5(f"{user}:{asked.realm}:{password}")
    if asked.algorithm.upper() == "MD5-SESS":
        first = _md5(f"{first}:{asked.nonce}:{chosen}")
    second = _md5(f"{method}:{path}")
    number = f"{count:08x}"
    middle = f"{asked.nonce}:{number}:{chosen}:auth" if asked.qop else asked.nonce
    told = {
        "username": user,
        "realm": asked.realm,
        "nonce": asked.nonce,
        "uri": path,
        "response": _md5(f"{first}:{middle}:{second}"),
    }
    if asked.opaque:
        told["opaque"] = asked.opaque
    if asked.qop or asked.algorithm.upper() == "MD5-SESS":
        told["cnonce"] = chosen
    text = ", ".join(f'{name}="{value}"' for name, value in told.items())
    return f"Digest {text}, algorithm={asked.algorithm}" + (f", qop=auth, nc={number}" if asked.qop else "")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
