"""Who may have which machine do what: role x class of machine x action. Pure. Whose machines, the scope says.

An administrator may set what is not `FIXED` otherwise than it is by default; nothing they set reaches beyond that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from contract.lease import STOP
from controller.identity.policy import GRANTS, Permission, Principal, Role, may
from device_profiles.profile import Action, DeviceProfile

_FREE: Final = frozenset({"projector", "board", "robot", "kit"})
"""Families whose every action is a teacher's to ask for."""
_WATCHED: Final = frozenset({"printer-3d", "laser"})
"""Families that a teacher halts and lets go on. What they make begins at a job."""
_WATCHED_ACTIONS: Final = frozenset({"pause", "resume"})
_SIMULATED: Final = "simulated"
_TEACHING: Final = frozenset({Role.TEACHER, Role.COORDINATOR})
_GATES: Final = frozenset({"permit"})
"""Families that stand between people and a machine that can hurt them."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What was set of one action at one class of machine for one role."""

    role: Role
    family: str
    action: str


@dataclass(frozen=True, slots=True)
class Rules:
    """What an administrator set. Of what is not in it, the default counts."""

    set: Mapping[Rule, bool] = field(default_factory=dict)


BY_DEFAULT: Final = Rules()


class Bound(StrEnum):
    """What may be set at all."""

    ALWAYS = "always"
    NEVER = "never"
    FREE = "free"


def bound(role: Role, family: str, action: Action) -> Bound:
    """Everybody stops what they see, and somebody can always do everything. Heat, motion and access are not for those
    who teach: a machine that makes something begins at a job.
    """
    if Permission.COMMAND not in GRANTS[role]:
        return Bound.NEVER
    if action.name == STOP or role is Role.ADMINISTRATOR:
        return Bound.ALWAYS
    if role in _TEACHING:
        begins = action.guarded and not action.file and action.name not in _WATCHED_ACTIONS
        if family in _GATES or (begins and family not in _FREE):
            return Bound.NEVER
    return Bound.FREE


def by_default(role: Role, family: str, action: Action) -> bool:
    """What a role may ask of a class of machine if nobody set it."""
    if role not in _TEACHING:
        return Permission.COMMAND in GRANTS[role]
    if family in _FREE or action.name == STOP:
        return True
    return family in _WATCHED and (action.name in _WATCHED_ACTIONS or action.file)


def allows(rules: Rules, role: Role, family: str, action: Action) -> bool:
    """What a role may ask of a class of machine."""
    limit = bound(role, family, action)
    if limit is not Bound.FREE:
        return limit is Bound.ALWAYS
    return rules.set.get(Rule(role, family, action.name), by_default(role, family, action))


def needs_trial(profile: DeviceProfile, action: Action) -> bool:
    """Whether the action is for nobody before a technician has tried it at the machine itself.

    That is so of a real machine that the profile was never verified against. A stop never waits.
    """
    return profile.verified is None and profile.bridge != _SIMULATED and action.name != STOP


def may_try(who: Principal) -> bool:
    """Whether it is for `who` to try commands at a machine: not for those who teach at it."""
    return may(who, Permission.COMMAND) and who.role not in _TEACHING


def may_command(who: Principal, profile: DeviceProfile, action: Action, rules: Rules = BY_DEFAULT) -> bool:
    """Whether `who` may ask a machine of that profile for `action`, once it was tried if it has to be.

    Everybody stops what they see.
    """
    return may(who, Permission.COMMAND) and allows(rules, who.role, profile.family, action)
