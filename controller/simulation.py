"""Simulated agents: their enrolment, and the process that plays them (`agent.simulate`, which this never imports)."""

import argparse
import json
import os
import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

from sqlmodel import Session

from contract.found import Clue
from controller.broker.nats import NatsSettings, address
from controller.config import ConfigError, ControllerConfig, load
from controller.database import make_engine, migrate
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
class SimulatedThing:
    """What an agent sees beside its devices: at the serial port `path`, or in the network at `host`.

    `key`, `name`, `identity`: see contract.found.Found. What it may be is for the agent to find out, by `clues`.
    """

    key: str
    name: str
    identity: str
    clues: tuple[Clue, ...]
    path: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True)
class SimulatedAgent:
    """Switched off for `away_s` at the end of each `away_every_s` (0: never). `sees`: what nobody has adopted."""

    place: Place
    name: str
    devices: tuple[SimulatedDevice, ...]
    away_every_s: float = 0.0
    away_s: float = 0.0
    sees: tuple[SimulatedThing, ...] = ()


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
            "sees": [asdict(each) for each in agent.sees],
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


def simulator(plan: Path, broker: str, seed: str) -> tuple[str, ...]:
    """The command that plays the agents of `plan`; their outboxes lie beside it. `broker` is HOST:PORT."""
    return (
        *(sys.executable, "-m", "agent.simulate"),
        *("--agents", str(plan), "--state", str(plan.parent)),
        *("--broker", broker, "--seed", seed),
    )


def main(arguments: Sequence[str]) -> int:
    """The command `fabfleet simulate`: enrol the agents in the state's database, then play them until a signal."""
    parser = argparse.ArgumentParser(prog="fabfleet simulate", description="Run simulated agents until Ctrl-C.")
    parser.add_argument("--agents", type=int, default=10, help="how many (default 10)")
    parser.add_argument("--devices", type=int, default=15, help="devices of each agent (default 15)")
    parser.add_argument("--seed", default="1", help="the same seed makes the same fleet and the same values")
    parser.add_argument("--state", type=Path, help="state of the controller, running or not")
    parser.add_argument("--config", type=Path, help="settings of the controller")
    parser.add_argument("--broker", help="HOST:PORT, if not the controller's own")
    options = parser.parse_args(arguments)
    try:
        config = load(options.config, os.environ, state=options.state)
    except ConfigError as error:
        print(f"fabfleet simulate: {error}", file=sys.stderr)
        return 2
    os.umask(0o077)
    config.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    plan = config.state / "simulate" / "made-up" / "agents.jsonl"
    engine = make_engine(config.database)
    try:
        migrate(engine)
        with Session(engine) as db:
            write_private(plan, enrol_all(db, made_up(options.agents, options.devices, options.seed)))
            db.commit()
    finally:
        engine.dispose()
    broker = options.broker or _broker(config)
    print(f"{options.agents} agents with {options.devices} devices each, to {broker}; Ctrl-C stops them", flush=True)
    return _become(simulator(plan, broker, options.seed))


def _broker(config: ControllerConfig) -> str:
    """Where the broker listens: as the embedded one does or last did, else as the settings say."""
    embedded = address(NatsSettings(config.folder / "broker", "", 0).file) if config.broker.embedded else None
    host, port = embedded or (config.broker_host, config.broker_port)
    return f"{host}:{port}"


def _become(command: tuple[str, ...]) -> NoReturn:
    """Run the command in this process's place, so that signals and the terminal are its own."""
    os.execv(command[0], command)  # noqa: S606 - a module of ours
