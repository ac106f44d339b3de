"""The demo's state: made once, whole or not at all, and never on top of somebody else's fleet."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from agent.config import load_config
from agent.simulate import read_plan
from controller.demo.cluster import LAB_ROOM, PEOPLE, SCHOOLS, TECHNICIAN, THIS_MACHINE_AGENT, THIS_MACHINE_SCHOOL
from controller.demo.errors import NotOurs
from controller.demo.lab import Lab
from controller.demo.secrets import read
from controller.demo.seed import agent_files, seed
from controller.fleet.enrolment import broker_users
from controller.identity import store
from controller.identity.password import Passwords
from controller.identity.policy import Role
from tests.databases import fresh

NOW_MS = 1_795_000_000_000
URL = "http://127.0.0.1:8765"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = fresh(tmp_path / "fabfleet.db")
    yield engine
    engine.dispose()


def test_seed_makes_people_who_can_sign_in_and_agents_that_may_connect(engine: Engine, tmp_path: Path) -> None:
    made = seed(engine, NOW_MS, tmp_path / "secrets", tmp_path / "plan")
    with Session(engine) as db:
        technician = store.user_by_login(db, TECHNICIAN.login)
    assert technician is not None
    assert Passwords().check(made.passwords[TECHNICIAN.login], technician.password_hash)
    plans = {f"{plan.school}.{plan.agent}" for plan in read_plan(tmp_path / "plan")}
    users = {user.address.user for user in broker_users(engine)}
    assert users == plans | {f"{THIS_MACHINE_SCHOOL.slug}.{THIS_MACHINE_AGENT}"}
    assert len(plans) == sum(len(school.rooms) for school in SCHOOLS)


def test_seed_again_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    first = seed(engine, NOW_MS, tmp_path / "secrets", tmp_path / "plan")
    plan = (tmp_path / "plan").read_bytes()
    assert seed(engine, NOW_MS + 1, tmp_path / "secrets", tmp_path / "plan") == first
    assert (tmp_path / "plan").read_bytes() == plan


def test_seed_makes_new_passwords_when_the_old_ones_are_lost(engine: Engine, tmp_path: Path) -> None:
    first = seed(engine, NOW_MS, tmp_path / "secrets", tmp_path / "plan")
    (tmp_path / "secrets").unlink()
    second = seed(engine, NOW_MS, tmp_path / "secrets", tmp_path / "plan")
    assert second.passwords[TECHNICIAN.login] != first.passwords[TECHNICIAN.login]
    with Session(engine) as db:
        hashes = {user.login: user.password_hash for user in store.users(db)}
    assert set(hashes) == {person.login for person in PEOPLE}
    assert Passwords().check(second.passwords[TECHNICIAN.login], hashes[TECHNICIAN.login])


def test_seed_leaves_a_fleet_that_is_not_its_own_alone(engine: Engine, tmp_path: Path) -> None:
    with Session(engine) as db:
        store.add_user(
            db,
            login="somebody",
            name="Somebody",
            role=Role.TECHNICIAN,
            school_id=None,
            password_hash="x",
            now_ms=NOW_MS,
        )
        db.commit()
    with pytest.raises(NotOurs):
        seed(engine, NOW_MS, tmp_path / "secrets", tmp_path / "plan")
    with Session(engine) as db:
        assert [user.login for user in store.users(db)] == ["somebody"]


def test_secrets_are_readable_by_their_owner_alone(engine: Engine, tmp_path: Path) -> None:
    made = seed(engine, NOW_MS, tmp_path / "demo" / "secrets", tmp_path / "demo" / "plan")
    agent_files(tmp_path / "agent", made, URL, Lab(tmp_path, 4001, 4002))
    files = [tmp_path / "demo" / "secrets", tmp_path / "demo" / "plan", *(tmp_path / "agent").iterdir()]
    assert {file.name: oct(file.stat().st_mode & 0o777) for file in files} == dict.fromkeys(
        (file.name for file in files), "0o600"
    )
    assert read(tmp_path / "demo" / "secrets") == made
    assert made.passwords[TECHNICIAN.login] not in repr(made)


def test_agent_of_this_machine_gets_a_configuration_that_it_takes(engine: Engine, tmp_path: Path) -> None:
    made = seed(engine, NOW_MS, tmp_path / "secrets", tmp_path / "plan")
    agent_files(tmp_path / "agent", made, URL, Lab(tmp_path, 4001, 4002))
    config = load_config(tmp_path / "agent" / "agent.toml", tmp_path / "agent", {"FABFLEET_BROKER_PORT": "4711"})
    assert (str(config.address), config.broker.port) == (f"{THIS_MACHINE_SCHOOL.slug}/{THIS_MACHINE_AGENT}", 4711)
    assert config.broker.password == made.agent_password
    assert config.job_source.url == URL
    assert [device.profile.bridge for device in config.devices] == ["host", "network", "marlin", "pjlink"]
    assert [(device.room, device.endpoint) for device in config.devices[2:]] == [
        (LAB_ROOM.slug, "tcp://127.0.0.1:4001"),
        (LAB_ROOM.slug, "tcp://127.0.0.1:4002"),
    ]
