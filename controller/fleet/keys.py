"""How an agent proves over HTTP who it is: with the key of its lease books, which itself never travels."""

import hashlib
import hmac
import re
import secrets
from typing import Final

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from contract.topics import Address
from controller.fleet.tables import Agent, Renewal

SCHEME: Final = "Fabfleet"
_HEADER = re.compile(rf"{SCHEME} ([a-z0-9-]{{1,63}})\.([a-z0-9-]{{1,63}}) ([0-9a-f]{{64}})")
_NOBODY = secrets.token_bytes(32)
"""What the proof of an agent that does not exist is compared with, so that it takes as long."""


def proof(key: bytes, request: str) -> str:
    """HMAC-SHA256 of the request's line, `GET /api/v1/files/<digest>`; hexadecimal."""
    return hmac.new(key, request.encode(), hashlib.sha256).hexdigest()


def claimed(authorization: str) -> str:
    """Whom the header gives itself out as, `<school>/<agent>`; empty if it is no such header."""
    found = _HEADER.fullmatch(authorization)
    return f"{found[1]}/{found[2]}" if found else ""


def proven(engine: Engine, authorization: str, request: str) -> int | None:
    """The id of the agent whose key made the header `Authorization: Fabfleet <school>.<agent> <proof>` of `request`.

    None if it did not, or if the agent was revoked. A key that was handed over and not used yet counts too.
    """
    found = _HEADER.fullmatch(authorization)
    if found is None:
        return None
    address = Address(found[1], found[2])
    with Session(engine) as db:
        asked = select(Agent, Renewal).join(Renewal, col(Renewal.agent_id) == Agent.id, isouter=True)
        row = db.exec(asked.where(Agent.school_id == address.school, Agent.name == address.agent)).first()
    agent, renewal = row if row is not None else (None, None)
    known = agent is not None and not agent.revoked and bool(agent.lease_key)
    keys = [bytes.fromhex(agent.lease_key) if agent is not None and known else _NOBODY]
    keys.append(bytes.fromhex(renewal.lease_key) if renewal is not None and known else _NOBODY)
    right = [hmac.compare_digest(found[3], proof(key, request)) for key in keys]
    return agent.id if agent is not None and known and any(right) else None
