"""What the words of agents give away of attacks, for the audit log."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, Table, func, select

from contract.messages import Inventory
from contract.model import CommandStatus
from controller.commands import store as commands
from controller.identity.store import audit
from controller.ingest.tables import StoredOutcome
from controller.sparing import Sparing, with_count

KINDS: Final = frozenset(
    {
        "lease-book-refused",
        "lease-book-unusable",
        "certificate-expired",
        "certificate-name",
        "certificate-authority",
    }
)
"""Events of an agent that was given something forged, or met somebody who is not its server; the audit log has them
under the same names."""
UNKNOWN: Final = "command-unknown"
"""An agent was given a command that was not given here."""
REPEATED: Final = "command-repeated"
"""An agent was given a command more often than it was sent from here, and did not carry it out again."""
SCRIPT: Final = "device-name-script"
"""A device calls itself something that a page without care would run."""
_OUTCOME: Table = StoredOutcome.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_WINDOW_MS: Final = 60_000
_MARKUP: Final = re.compile(r"<\s*[a-z!/?]|javascript:", re.IGNORECASE)
_FINAL: Final = frozenset(str(status) for status in CommandStatus if status.final)


@dataclass(frozen=True, slots=True)
class _Sign:
    agent_id: int
    school_id: str
    kind: str
    received_ms: int
    detail: str = ""


@dataclass(slots=True)
class Attacks:
    """Collects what one transaction sees, and writes it in `flush`: one line a minute for each agent and kind."""

    _signs: list[_Sign] = field(default_factory=list)
    _sparing: Sparing[tuple[int, str]] = field(default_factory=Sparing)

    def forget(self) -> None:
        """Nothing of the transaction happened."""
        self._signs.clear()

    def see_inventory(self, agent_id: int, school_id: str, inventory: Inventory, received_ms: int) -> None:
        """Names are shown as the text they are; that somebody tried is worth a line."""
        for entry in inventory.devices:
            if _MARKUP.search(entry.name):
                self._signs.append(_Sign(agent_id, school_id, SCRIPT, received_ms, f"{entry.id}: {entry.name}"))

    def flush(
        self,
        connection: Connection,
        events: Sequence[Mapping[str, object]],
        outcomes: Sequence[Mapping[str, object]],
    ) -> None:
        """Rows of events and outcomes as they were written in this transaction, outcomes before this is called."""
        self._signs += [_sign(event, str(event["kind"]), event["detail"]) for event in events if event["kind"] in KINDS]
        self._signs += [_sign(each, UNKNOWN, each["command_id"]) for each in outcomes if not each["known"]]
        ends = {str(each["command_id"]): each for each in outcomes if each["known"] and each["status"] in _FINAL}
        for command_id in _told_too_often(connection, ends):
            self._signs.append(_sign(ends[command_id], REPEATED, command_id))
        for sign in self._signs:
            besides = self._sparing.besides((sign.agent_id, sign.kind), sign.received_ms, _WINDOW_MS)
            if besides is not None:
                told, subject = with_count(sign.detail, besides), f"agent {sign.agent_id}"
                audit(connection, sign.received_ms, sign.kind, subject=subject, school_id=sign.school_id, detail=told)
        self._signs.clear()


def _told_too_often(connection: Connection, command_ids: Collection[str]) -> Sequence[str]:
    """Of these, those whose end was told more often than they were sent: an order that comes again is answered with its
    end, so somebody else sent it too. An agent that crashed while it told an end may have told it twice."""
    if not command_ids:
        return ()
    sent = commands.sends(connection, command_ids)
    told = (
        select(_OUTCOME.c.command_id, func.count().label("times"))
        .where(_OUTCOME.c.command_id.in_(command_ids), _OUTCOME.c.known, _OUTCOME.c.status.in_(_FINAL))
        .group_by(_OUTCOME.c.command_id)
    )
    return [row.command_id for row in connection.execute(told) if row.times > sent.get(row.command_id, 0)]


def _sign(row: Mapping[str, object], kind: str, detail: object) -> _Sign:
    return _Sign(int(str(row["agent_id"])), str(row["school_id"]), kind, int(str(row["received_ms"])), str(detail))
