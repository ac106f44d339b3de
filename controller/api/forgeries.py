"""Who shows an agent's proof that is none: told in the audit log, and after many told to wait."""

from dataclasses import dataclass

from fastapi import HTTPException

from controller.identity.limit import FailureLimit
from controller.identity.lockout import place_of
from controller.identity.refusals import Kind, Refusals


@dataclass(frozen=True, slots=True)
class Forgeries:
    """Asked after a proof failed, never before: an agent whose proof holds has nothing to do with its neighbours."""

    refusals: Refusals
    limit: FailureLimit

    def tell(self, kind: Kind, source: str, claimed: str) -> None:
        """`claimed`: whom it gives itself out as. Raises HTTPException 429 for one of too many from its place."""
        self.refusals.tell(kind, source, detail=claimed)
        key = f"{kind} {place_of(source)}"
        if self.limit.wait_ms(key) > 0:
            raise HTTPException(429, "too many false proofs; try again later")
        self.limit.failed(key)
