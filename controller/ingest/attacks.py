"""What agents tell of attacks, for the audit log."""

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Connection

from controller.identity.store import audit

KINDS: Final = frozenset({"lease-book-refused", "lease-book-unusable"})
"""Events of an agent that was given something forged; the audit log has them under the same names."""


def audit_attacks(connection: Connection, events: Sequence[Mapping[str, object]]) -> None:
    """One line for each agent and kind, however many there are in this transaction."""
    found = {(event["agent_id"], event["kind"]): event for event in events if event["kind"] in KINDS}
    for (agent_id, kind), event in found.items():
        school_id, received_ms = event["school_id"], event["received_ms"]
        if isinstance(school_id, str) and isinstance(received_ms, int):
            detail = str(event["detail"])
            audit(connection, received_ms, str(kind), subject=f"agent {agent_id}", school_id=school_id, detail=detail)
