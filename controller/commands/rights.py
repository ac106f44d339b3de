"""What administrators set of who may ask which class of machine for what: kept, read and changed."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache

from sqlalchemy import ColumnElement, Engine, and_, delete
from sqlmodel import Session, col, select

from controller.commands.policy import Bound, Rule, Rules, bound, by_default
from controller.commands.tables import CommandRule
from controller.identity import store
from controller.identity.policy import Principal, Role
from device_profiles.profile import Action, load, slugs


@dataclass(frozen=True, slots=True)
class Kind:
    """An action at a class of machine. If models differ, the most dangerous one stands for all."""

    family: str
    action: Action


@cache
def kinds() -> tuple[Kind, ...]:
    """Of every model that there is a profile of, by class and then in the order of the first profile that has them."""
    found: dict[tuple[str, str], Kind] = {}
    for profile in sorted((load(slug) for slug in slugs()), key=lambda each: each.family):
        for action in profile.actions.values():
            key = (profile.family, action.name)
            if key not in found or (action.guarded and not found[key].action.guarded):
                found[key] = Kind(profile.family, action)
    return tuple(found.values())


class Rights:
    """Safe to use from any thread."""

    def __init__(self, engine: Engine, now_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._now_ms = now_ms

    def rules(self) -> Rules:
        with Session(self._engine) as db:
            rows = db.exec(select(CommandRule)).all()
            return Rules({Rule(Role(row.role), row.family, row.action): row.allowed for row in rows})

    def set(self, who: Principal, allowed: Mapping[Rule, bool]) -> Collection[Rule]:
        """Keep what differs from the default; those that changed. What is bound stays as it is."""
        wanted = {rule: yes for kind in kinds() for rule, yes in _of(kind, allowed)}
        before = self.rules()
        defaults = {rule: by_default(rule.role, kind.family, kind.action) for kind in kinds() for rule in _rules(kind)}
        changed = [rule for rule, yes in wanted.items() if before.set.get(rule, defaults[rule]) is not yes]
        with Session(self._engine) as db:
            for rule in changed:
                db.execute(delete(CommandRule).where(_is(rule)))
                if wanted[rule] is not defaults[rule]:
                    row = CommandRule(role=rule.role, family=rule.family, action=rule.action, allowed=wanted[rule])
                    db.add(row)
                word = "yes" if wanted[rule] else "no"
                detail = f"{rule.family} {rule.action}: {word}"
                store.audit(db, self._now_ms(), "command-rule", actor=who.id, subject=rule.role, detail=detail)
            db.commit()
        return changed


def _rules(kind: Kind) -> list[Rule]:
    """Those of it that can be set."""
    free = [role for role in Role if bound(role, kind.family, kind.action) is Bound.FREE]
    return [Rule(role, kind.family, kind.action.name) for role in free]


def _of(kind: Kind, allowed: Mapping[Rule, bool]) -> list[tuple[Rule, bool]]:
    return [(rule, allowed[rule]) for rule in _rules(kind) if rule in allowed]


def _is(rule: Rule) -> ColumnElement[bool]:
    row = col(CommandRule.role), col(CommandRule.family), col(CommandRule.action)
    return and_(row[0] == rule.role.value, row[1] == rule.family, row[2] == rule.action)
