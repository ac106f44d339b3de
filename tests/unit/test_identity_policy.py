"""Who may do what."""

from dataclasses import replace

import pytest

from controller.identity.policy import GRANTS, Permission, Principal, Role, home, may
from controller.scope import CLUSTER, Scope

TABLE = {
    # teacher of a school, technician of a school; technician, coordinator, administrator and auditor of the cluster
    Permission.VIEW_DEVICES: (True, True, True, True, True, True),
    Permission.VIEW_FLEET: (False, True, True, True, True, True),
    Permission.COMMAND: (True, True, True, True, True, False),
    Permission.HANDLE_JOBS: (True, True, True, True, True, False),
    Permission.BOOK: (True, True, True, True, True, False),
    Permission.MANAGE_BOOKINGS: (False, True, True, True, True, False),
    Permission.PLAN: (False, False, False, True, True, False),
    Permission.VIEW_REPORTS: (False, True, True, True, True, True),
    Permission.VIEW_AUDIT: (False, False, False, False, True, True),
    Permission.VIEW_QUARANTINE: (False, True, True, False, True, False),
    Permission.ENROL_AGENTS: (False, True, True, False, True, False),
    Permission.CONFIGURE: (False, True, True, False, True, False),
    Permission.CONNECT: (False, True, True, False, True, False),
    Permission.VIEW_METRICS: (False, False, True, False, True, False),
    Permission.MANAGE_USERS: (False, False, False, False, True, False),
    Permission.SET_RIGHTS: (False, False, False, False, True, False),
}


def person(role: Role, school: str | None) -> Principal:
    return Principal("0123", "someone", "Some One", role, school)


ASKERS = (
    person(Role.TEACHER, "an-phu"),
    person(Role.TECHNICIAN, "an-phu"),
    person(Role.TECHNICIAN, None),
    person(Role.COORDINATOR, None),
    person(Role.ADMINISTRATOR, None),
    person(Role.AUDITOR, None),
)


def test_policy_table_covers_every_permission() -> None:
    assert set(TABLE) == set(Permission)


@pytest.mark.parametrize("permission", list(Permission))
def test_policy_grants_what_the_table_says(permission: Permission) -> None:
    assert tuple(may(who, permission) for who in ASKERS) == TABLE[permission]


def test_scope_of_a_school_covers_that_school_alone() -> None:
    scope = person(Role.TECHNICIAN, "an-phu").scope

    assert scope.covers("an-phu")
    assert not scope.covers("binh-minh")
    assert not scope.covers(None)


def test_scope_of_the_cluster_covers_everything() -> None:
    assert person(Role.TECHNICIAN, None).scope == CLUSTER
    assert CLUSTER.covers("an-phu")
    assert CLUSTER.covers(None)


def test_teacher_without_a_school_sees_nothing() -> None:
    scope = person(Role.TEACHER, None).scope

    assert scope == Scope("")
    assert not scope.covers("an-phu")
    assert not scope.covers(None)


def test_home_is_a_page_that_one_may_see() -> None:
    assert home(person(Role.TEACHER, "an-phu")) == "/my"
    assert home(person(Role.TECHNICIAN, None)) == "/fleet"


def test_token_narrows_what_its_owner_may_and_never_widens_it() -> None:
    technician = person(Role.TECHNICIAN, None)
    narrow = replace(technician, only=frozenset({Permission.VIEW_FLEET, Permission.MANAGE_USERS}))

    assert [each for each in Permission if may(narrow, each)] == [Permission.VIEW_FLEET]


def test_auditor_has_only_permissions_to_look() -> None:
    assert all(each.value.startswith("view-") for each in GRANTS[Role.AUDITOR])
