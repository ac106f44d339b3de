"""Whose rows somebody may read. Every query of what belongs to a school takes one. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """One school, or with `school_id` None the whole cluster."""

    school_id: str | None = None

    def covers(self, school_id: str | None) -> bool:
        """Whether a row of that school may be read. A row of no school belongs to the cluster."""
        return self.school_id is None or self.school_id == school_id


CLUSTER = Scope()
