"""Fills an empty state with the demo's schools, people and agents, in one transaction."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from controller.demo import secrets
from controller.demo.cluster import (
    LAB_NAMES,
    LAB_ROOM,
    PEOPLE,
    TECHNICIAN,
    THIS_MACHINE_AGENT,
    THIS_MACHINE_NAME,
    THIS_MACHINE_ROOM,
    THIS_MACHINE_SCHOOL,
    agents,
)
from controller.demo.errors import NotOurs
from controller.demo.farends.faults import PRINTER, PROJECTOR
from controller.demo.finds import FINDS
from controller.demo.lab import Lab
from controller.demo.secrets import Secrets
from controller.fleet.enrolment import Place, add_agent
from controller.fleet.tables import Agent
from controller.found.states import FoundState
from controller.found.tables import FoundThing
from controller.identity import store
from controller.identity.password import Passwords, generate
from controller.identity.policy import Role
from controller.identity.tables import User
from controller.simulation import enrol_all, write_private


def seed(engine: Engine, now_ms: int, secrets_file: Path, plan_file: Path) -> Secrets:
    """Make everything if the state is empty; what is in it otherwise. Raises NotOurs."""
    known = secrets.read(secrets_file)
    with Session(engine) as db:
        logins = {user.login for user in store.users(db)}
        if known and logins >= set(known.passwords) and plan_file.exists():
            return known
        if logins - {person.login for person in PEOPLE}:
            raise NotOurs(f"{secrets_file.parent.parent} holds a fleet of its own; give another STATE")
        made = _fill(db, now_ms, plan_file)
        secrets.write(secrets_file, made)  # before the commit: what is committed can always be signed in to
        db.commit()
    return made


def _fill(db: Session, now_ms: int, plan_file: Path) -> Secrets:
    write_private(plan_file, enrol_all(db, agents()))
    school, room = THIS_MACHINE_SCHOOL, THIS_MACHINE_ROOM
    mine = add_agent(db, Place(school.slug, room.slug), THIS_MACHINE_AGENT, replace=True)
    passwords = {person.login: generate() for person in PEOPLE}
    _people(db, passwords, now_ms)
    _set_aside(db, now_ms)
    store.audit(db, now_ms, "demo-seeded")
    return Secrets(passwords, mine.password, mine.lease_key)


def _people(db: Session, passwords: Mapping[str, str], now_ms: int) -> None:
    with ThreadPoolExecutor() as pool:  # each takes a third of a second, on a core of its own
        hashed = dict(zip(passwords, pool.map(Passwords().hash, passwords.values()), strict=True))
    for user in db.exec(select(User).where(col(User.login).in_(passwords))):
        user.password_hash = hashed[user.login]
        db.add(user)
    present = {user.login for user in store.users(db)}
    for person in PEOPLE:
        if person.login not in present:
            store.add_user(
                db,
                login=person.login,
                name=person.name,
                role=Role(person.role),
                school_id=person.school,
                password_hash=hashed[person.login],
                now_ms=now_ms,
            )


def _set_aside(db: Session, now_ms: int) -> None:
    """The technician's word on things that the agents tell of when they run."""
    technician = store.user_by_login(db, TECHNICIAN.login)
    by_id = technician.id if technician else ""
    known = set(db.exec(select(FoundThing.key)))
    for find in FINDS:
        if not find.ignored or find.thing.key in known:
            continue
        agent = db.exec(select(Agent).where(Agent.school_id == find.school, Agent.name == find.room)).one()
        db.add(
            FoundThing(
                school_id=find.school,
                agent_id=agent.id or 0,
                key=find.thing.key,
                name=find.thing.name,
                first_ms=now_ms,
                seen_ms=now_ms,
                state=FoundState.IGNORED,
                reason=find.ignored,
                by_id=by_id,
                decided_ms=now_ms,
            )
        )
        about = f"{find.school} {find.thing.key}"
        store.audit(db, now_ms, "found-ignore", actor=by_id, subject=about, school_id=find.school, detail=find.ignored)


def agent_files(folder: Path, made: Secrets, url: str, lab: Lab) -> None:
    """Configuration and credentials of this machine's agent, as enrolment would have written them.

    `url` is the controller's, with its port.
    """
    controller = urlsplit(url)
    school, room = THIS_MACHINE_SCHOOL, THIS_MACHINE_ROOM
    machines = (
        (PRINTER, "creality/ender-3", lab.printer_port),
        (PROJECTOR, "pjlink/projector", lab.projector_port),
    )
    devices = "".join(
        f"""
[[devices]]
id = "{machine}"
name = "{LAB_NAMES[machine]}"
profile = "{profile}"
room = "{LAB_ROOM.slug}"
endpoint = "tcp://127.0.0.1:{port}"
"""
        for machine, profile, port in machines
    )
    write_private(
        folder / "agent.toml",
        f"""\
school = "{school.slug}"
agent = "{THIS_MACHINE_AGENT}"
room = "{room.slug}"

[controller]
url = "{url}"

[[devices]]
id = "this-machine"
name = "{THIS_MACHINE_NAME}"
profile = "computer/classroom-pc"

[[devices]]
id = "network"
name = "{THIS_MACHINE_NAME}: mạng"
profile = "network/uplink"

[devices.options]
controller_host = "{controller.hostname}"
controller_port = {controller.port}
{devices}""",
    )
    credentials = {"password": made.agent_password, "lease_key": made.agent_lease_key}
    write_private(folder / "credentials.json", json.dumps(credentials, indent=1))
