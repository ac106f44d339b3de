"""Simulated agents: their enrolment, and the process that plays them (`agent.simulate`, which this never imports)."""

import json
import os
import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlmodel import Session

from controller.fleet.enrolment import Place, add_agent
from device_profiles.profile import slugs

_SCHOOL_OF = 5
"""Agents of one made-up school."""


@dataclass(frozen=True, slots=True)
class SimulatedDevice:
    """`trouble` is what it has all the time: "lost", "warning", "fault" or nothing."""

    id: str
    name: str
    profile: str
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class SimulatedAgent:
    """Switched off for `away_s` at the end of each `away_every_s` (0: never)."""

    place: Place
    name: str
    devices: tuple[SimulatedDevice, ...]
    away_every_s: float = 0.0
    away_s: float = 0.0


def made_up(agents: int, devices: int, seed: str) -> Iterator[SimulatedAgent]:
    """`agents` agents with `devices` devices each, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    models = [slug for slug in slugs() if slug.startswith("demo/")]
    for number in range(agents):
        school = number // _SCHOOL_OF + 1
        place = Place(
            f"sim-{school}", f"room-{number + 1}", f"Trường mô phỏng {school}", f"MP {school}", f"P.{number + 1}"
        )
        yield SimulatedAgent(place, f"room-{number + 1}", tuple(_devices(devices, models, chance)))


def _devices(count: int, models: Sequence[str], chance: random.Random) -> Iterator[SimulatedDevice]:
    for number in range(1, count + 1):
        profile = chance.choice(models)
        name = f"{profile.partition('/')[2]}-{number:03d}"
        yield SimulatedDevice(name, name, profile)


def enrol_all(db: Session, agents: Iterable[SimulatedAgent]) -> str:
    """Add the agents, or give them new passwords; the file that `agent.simulate` reads. The caller commits."""
    lines = []
    for agent in agents:
        credentials = add_agent(db, agent.place, agent.name, replace=True)
        plan = {
            "school": agent.place.school,
            "agent": agent.name,
            "password": credentials.password,
            "devices": [asdict(device) for device in agent.devices],
            "away_every_s": agent.away_every_s,
            "away_s": agent.away_s,
        }
        lines.append(json.dumps(plan, ensure_ascii=False) + "\n")
    return "".join(lines)


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step; only its owner may read it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def simulator(plan: Path, broker_host: str, broker_port: int, seed: str) -> tuple[str, ...]:
    """The command that plays the agents of `plan`; their outboxes lie beside it."""
    return (
        *(sys.executable, "-m", "agent.simulate"),
        *("--agents", str(plan), "--state", str(plan.parent)),
        *("--broker", f"{broker_host}:{broker_port}", "--seed", seed),
    )
