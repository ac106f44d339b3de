"""Who may do what: role x permission x scope. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from controller.scope import Scope


class Role(StrEnum):
    TEACHER = "teacher"
    TECHNICIAN = "technician"
    COORDINATOR = "coordinator"
    ADMINISTRATOR = "administrator"


class Permission(StrEnum):
    """What can be asked for. Those up to `PLAN` are limited to the asker's scope.

    `COMMAND` opens the door; which action at which class of machine, controller.commands.policy says. `BOOK` likewise:
    controller.scheduling.policy says what. `MANAGE_BOOKINGS` is to confirm, move and cancel those of others and to see
    whose they are; `PLAN` to say when a school teaches and what can be booked there.
    """

    VIEW_DEVICES = "view-devices"
    VIEW_FLEET = "view-fleet"
    COMMAND = "command"
    HANDLE_JOBS = "handle-jobs"
    BOOK = "book"
    MANAGE_BOOKINGS = "manage-bookings"
    PLAN = "plan"
    VIEW_QUARANTINE = "view-quarantine"
    VIEW_METRICS = "view-metrics"
    VIEW_AUDIT = "view-audit"
    ENROL_AGENTS = "enrol-agents"
    MANAGE_USERS = "manage-users"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who has proven who they are, by session or by token. `id` is opaque and is what the audit log names."""

    id: str
    login: str
    name: str
    role: Role
    school_id: str | None
    language: str = ""

    @property
    def scope(self) -> Scope:
        """A teacher without a school sees nothing: no school's id is empty."""
        if self.role is Role.TEACHER and self.school_id is None:
            return Scope("")
        return Scope(self.school_id)


_TEACHER = frozenset({Permission.VIEW_DEVICES, Permission.COMMAND, Permission.HANDLE_JOBS, Permission.BOOK})
_TECHNICIAN = frozenset(
    {
        Permission.VIEW_DEVICES,
        Permission.VIEW_FLEET,
        Permission.COMMAND,
        Permission.HANDLE_JOBS,
        Permission.BOOK,
        Permission.MANAGE_BOOKINGS,
        Permission.VIEW_QUARANTINE,
        Permission.VIEW_METRICS,
        Permission.ENROL_AGENTS,
    }
)
GRANTS: Mapping[Role, frozenset[Permission]] = {
    Role.TEACHER: _TEACHER,
    Role.TECHNICIAN: _TECHNICIAN,
    Role.COORDINATOR: _TEACHER | {Permission.VIEW_FLEET, Permission.MANAGE_BOOKINGS, Permission.PLAN},
    Role.ADMINISTRATOR: _TECHNICIAN | {Permission.PLAN, Permission.VIEW_AUDIT, Permission.MANAGE_USERS},
}
CLUSTER_WIDE = frozenset({Permission.VIEW_METRICS})
"""What tells of every school at once, and so takes the scope of the cluster."""


def may(who: Principal, permission: Permission) -> bool:
    """Whether `who` may do it at all. To what, `who.scope` says."""
    if permission in CLUSTER_WIDE and who.scope.school_id is not None:
        return False
    return permission in GRANTS[who.role]


def home(who: Principal) -> str:
    """The page that `/` leads to."""
    return "/fleet" if may(who, Permission.VIEW_FLEET) else "/my"
