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
    AUDITOR = "auditor"


class Permission(StrEnum):
    """What can be asked for. Those up to `PLAN` are limited to the asker's scope.

    `COMMAND` opens the door; which action at which class of machine, controller.commands.policy says. `BOOK` likewise:
    controller.scheduling.policy says what. `MANAGE_BOOKINGS` is to confirm, move and cancel those of others and to see
    whose they are; `PLAN` to say when a school teaches and what can be booked there; `SET_RIGHTS` to say which role
    may ask which class of machine for what; `CONFIGURE` to say what agents are to be: their settings and devices;
    `CONNECT` to have programs of a school's own told what happens there.
    """

    VIEW_DEVICES = "view-devices"
    VIEW_FLEET = "view-fleet"
    COMMAND = "command"
    HANDLE_JOBS = "handle-jobs"
    BOOK = "book"
    MANAGE_BOOKINGS = "manage-bookings"
    PLAN = "plan"
    VIEW_REPORTS = "view-reports"
    VIEW_AUDIT = "view-audit"
    VIEW_QUARANTINE = "view-quarantine"
    VIEW_METRICS = "view-metrics"
    ENROL_AGENTS = "enrol-agents"
    CONFIGURE = "configure"
    CONNECT = "connect"
    MANAGE_USERS = "manage-users"
    SET_RIGHTS = "set-rights"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who has proven who they are, by session or by token. `id` is opaque and is what the audit log names.

    A token may narrow: `only` is what it is good for (None: whatever the role is granted), and one that is `read_only`
    changes nothing.
    """

    id: str
    login: str
    name: str
    role: Role
    school_id: str | None
    language: str = ""
    only: frozenset[Permission] | None = None
    read_only: bool = False

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
        Permission.VIEW_REPORTS,
        Permission.VIEW_QUARANTINE,
        Permission.VIEW_METRICS,
        Permission.ENROL_AGENTS,
        Permission.CONFIGURE,
        Permission.CONNECT,
    }
)
GRANTS: Mapping[Role, frozenset[Permission]] = {
    Role.TEACHER: _TEACHER,
    Role.TECHNICIAN: _TECHNICIAN,
    Role.COORDINATOR: _TEACHER
    | {Permission.VIEW_FLEET, Permission.MANAGE_BOOKINGS, Permission.PLAN, Permission.VIEW_REPORTS},
    Role.ADMINISTRATOR: _TECHNICIAN
    | {Permission.PLAN, Permission.MANAGE_USERS, Permission.SET_RIGHTS, Permission.VIEW_AUDIT},
    Role.AUDITOR: frozenset(
        {Permission.VIEW_DEVICES, Permission.VIEW_FLEET, Permission.VIEW_REPORTS, Permission.VIEW_AUDIT}
    ),
}
CLUSTER_WIDE = frozenset({Permission.VIEW_METRICS, Permission.SET_RIGHTS})
"""What tells of every school at once or counts in each, and so takes the scope of the cluster."""


def may(who: Principal, permission: Permission) -> bool:
    """Whether `who` may do it at all. To what, `who.scope` says."""
    if permission in CLUSTER_WIDE and who.scope.school_id is not None:
        return False
    return permission in GRANTS[who.role] and (who.only is None or permission in who.only)


def home(who: Principal) -> str:
    """The page that `/` leads to."""
    return "/fleet" if may(who, Permission.VIEW_FLEET) else "/my"


def needs_school(role: Role) -> bool:
    """Whether nobody has this role in the whole cluster."""
    return role is Role.TEACHER
