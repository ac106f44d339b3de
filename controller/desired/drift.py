"""Is an agent what it is to be? Rules over what was wanted and what it said. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from contract.desired import ConfigStand, Rejection


class Drift(StrEnum):
    """How it stands with an agent's configuration."""

    UNTOLD = "untold"
    """Nothing was ever wanted of it."""
    IN_FORCE = "in-force"
    ON_ITS_WAY = "on-its-way"
    OFFLINE = "offline"
    REFUSED = "refused"
    ROLLED_BACK = "rolled-back"

    @property
    def needs_help(self) -> bool:
        """Whether a person has to do something."""
        return self in (Drift.REFUSED, Drift.ROLLED_BACK)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The newest configuration of an agent, and whether the agent is there to take it. `number` 0: there is none."""

    generation: int
    number: int
    online: bool


def drift(wanted: Wanted, said: ConfigStand) -> Drift:
    """Of a rejected configuration the agent speaks until there is a newer one, so that comes before its absence."""
    newest = (wanted.generation, wanted.number)
    if not wanted.number:
        return Drift.UNTOLD
    if said.how and (said.rejected_generation, said.rejected_number) == newest:
        return Drift.REFUSED if said.how == Rejection.REFUSED else Drift.ROLLED_BACK
    if (said.generation, said.number) == newest and not said.on_trial:
        return Drift.IN_FORCE
    return Drift.ON_ITS_WAY if wanted.online else Drift.OFFLINE
