"""The demo's schools are what the wire, the profiles and a page can take."""

from collections import Counter

import pytest

from contract.model import check_name
from contract.topics import Address
from controller.demo.cluster import (
    LAB_NAMES,
    LAB_ROOM,
    PEOPLE,
    SCHOOLS,
    THIS_MACHINE_AGENT,
    THIS_MACHINE_ROOM,
    THIS_MACHINE_SCHOOL,
    DemoSchool,
    agents,
)
from controller.demo.farends.faults import FAULTS
from controller.demo.finds import FINDS
from controller.identity.policy import Role
from device_profiles.profile import load


@pytest.mark.parametrize("school", SCHOOLS, ids=lambda school: school.slug)
def test_school_has_rooms_with_names_of_the_wire_and_25_to_40_devices(school: DemoSchool) -> None:
    assert 25 <= school.devices <= 40
    for room in school.rooms:
        Address(school.slug, room.slug)
        names = Counter(device.id for device in room.devices)
        assert max(names.values()) == 1
        for name in names:
            check_name(name, "device")


@pytest.mark.parametrize("school", SCHOOLS, ids=lambda school: school.slug)
def test_every_device_has_a_profile(school: DemoSchool) -> None:
    for slug in {device.profile for room in school.rooms for device in room.devices}:
        assert load(slug).slug == slug


def test_this_machine_has_an_agent_of_its_own_in_a_computer_room() -> None:
    assert THIS_MACHINE_ROOM in THIS_MACHINE_SCHOOL.rooms
    assert "Tin học" in THIS_MACHINE_ROOM.name
    assert THIS_MACHINE_AGENT not in {room.slug for room in THIS_MACHINE_SCHOOL.rooms}


def test_machines_of_the_lab_stand_in_a_room_with_names_that_no_other_device_has() -> None:
    assert LAB_ROOM in THIS_MACHINE_SCHOOL.rooms
    assert LAB_NAMES.keys() == FAULTS.keys()
    simulated = {device.name for school in SCHOOLS for room in school.rooms for device in room.devices}
    assert not simulated & set(LAB_NAMES.values())


def test_there_is_a_technician_of_the_cluster_and_a_teacher_of_each_school() -> None:
    assert [person.school for person in PEOPLE if person.role == Role.TECHNICIAN] == [None]
    assert {person.school for person in PEOPLE if person.role == Role.TEACHER} == {school.slug for school in SCHOOLS}


def test_what_is_found_is_told_by_the_agent_of_its_room() -> None:
    told = {(agent.place.school, agent.name, thing.key) for agent in agents() for thing in agent.sees}
    assert told == {(find.school, find.room, find.thing.key) for find in FINDS}
    assert len([find for find in FINDS if find.ignored]) == 1
