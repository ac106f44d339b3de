"""The way to agents as the tables have it: how each is addressed, whether it is there, which lease book it holds."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Table, select

from contract.messages import Presence
from contract.topics import Address
from controller.fleet.tables import Agent, Device

_AGENT: Table = Agent.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_DEVICE: Table = Device.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Station:
    """One agent. `since_ms`: when its presence began, by the controller's clock. `book`: generation and number."""

    address: Address
    online: bool
    since_ms: int
    revoked: bool
    book: tuple[int, int]

    @property
    def hears(self) -> bool:
        """Whether what is sent to it arrives, as far as is known."""
        return self.online and not self.revoked


def stations(connection: Connection, agent_ids: Collection[int]) -> Mapping[int, Station]:
    """Each of these agents by its id."""
    rows = connection.execute(select(_AGENT).where(_AGENT.c.id.in_(agent_ids)))
    return {
        row.id: Station(
            address=Address(row.school_id, row.name),
            online=row.presence == Presence.ONLINE,
            since_ms=row.since_ms,
            revoked=row.revoked,
            book=(row.held_generation, row.held_number),
        )
        for row in rows
    }


def slugs(connection: Connection, device_ids: Collection[int]) -> Mapping[int, str]:
    """What their agents call these devices, by id."""
    rows = connection.execute(select(_DEVICE.c.id, _DEVICE.c.slug).where(_DEVICE.c.id.in_(device_ids)))
    return {row.id: row.slug for row in rows}
