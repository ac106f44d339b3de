"""How fast readings are stored, and what that costs: ours, the least that could do it, and the obvious way.

`python -m bench.ingest [--database sqlite] [--values N]`. One broker, one MQTT client library, the same messages:

- ours: the real ingest, with registry, latest values, ledger, checksums, de-duplication and acknowledgements
- floor: paho, msgspec, and a bare executemany into the same kind of table, which answers for nothing
- naive: paho, pydantic, and an ORM's add_all for each message (fewer values, as it takes so long)

Three rounds, one after the other, medians. CPU is that of the ingest process alone.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from contract.messages import BridgeState, DeviceEntry, Inventory, MetricEntry, ProfileEntry, Report, encode
from contract.model import Kind, Value
from contract.topics import Address, Channel, filter_for
from controller.broker.access import BrokerUser, Login, hash_password, new_password
from controller.broker.embedded import EmbeddedBroker

AGENTS = 10
DEVICES = 10
METRICS: dict[str, Kind] = {
    **{f"level-{number}": Kind.FLOAT for number in range(8)},
    "count": Kind.INT,
    "uptime": Kind.INT,
    "on": Kind.BOOL,
    "state": Kind.TEXT,
}
A_REPORT = DEVICES * len(METRICS)
WARM_UP = AGENTS * A_REPORT
"""Readings before the clock starts: one report of each agent, so that every series is known."""
EPOCH = "00000000000000aa"
SEED = 2026
NAIVE_SHARE = 20
"""The naive way gets a twentieth of the values."""
ROUNDS = 3
WAYS = ("ours", "floor", "naive")


@dataclass(frozen=True, slots=True)
class Job:
    """What a child process is told."""

    way: str
    folder: str
    port: int
    user: str
    password: str
    values: int


@dataclass(frozen=True, slots=True)
class Result:
    values: int
    seconds: float
    cpu_seconds: float

    @property
    def stored_per_s(self) -> float:
        return self.values / self.seconds

    @property
    def cpu_us_per_value(self) -> float:
        return self.cpu_seconds / self.values * 1e6


# What travels


def address_of(number: int) -> Address:
    return Address("bench", f"room-{number}")


def inventory() -> bytes:
    profile = ProfileEntry(
        "bench/machine", "A machine", {name: MetricEntry("1", kind) for name, kind in METRICS.items()}
    )
    devices = tuple(DeviceEntry(f"machine-{at}", f"Machine {at}", "p", BridgeState.OPEN) for at in range(DEVICES))
    return encode(Inventory(EPOCH, 1, {"p": profile}, devices))


def reports(values: int, now_ms: int) -> Iterator[tuple[int, bytes]]:
    """(agent, payload): everything that moved in two seconds, one reading a metric, agents in turn."""
    chance = random.Random(SEED)
    count = (WARM_UP + values) // A_REPORT
    for at in range(count):
        agent, number = at % AGENTS, at // AGENTS + 1
        base_ms = now_ms - 2_000 * (count // AGENTS - number)
        series = {
            f"machine-{device}": {
                name: ((chance.randrange(2_000), reading(kind, chance)),) for name, kind in METRICS.items()
            }
            for device in range(DEVICES)
        }
        yield agent, encode(Report(EPOCH, number, number, A_REPORT, base_ms, boot="b", mono_ms=base_ms, series=series))


def reading(kind: Kind, chance: random.Random) -> Value:
    if kind is Kind.FLOAT:
        return round(chance.uniform(0, 100), 1)
    if kind is Kind.INT:
        return chance.randrange(100_000)
    return chance.random() < 0.5 if kind is Kind.BOOL else chance.choice(["idle", "printing", "paused"])


# Children


def connect(job: Job, client_id: str, user: str, password: str) -> Any:
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id)
    client.username_pw_set(user, password)
    client.max_inflight_messages_set(500)
    client.connect("127.0.0.1", job.port)
    return client


def publish(job: Job) -> None:
    """Encode everything first, then send it as fast as it goes."""
    clients = []
    for number in range(AGENTS):
        address = address_of(number)
        client = connect(job, address.client_id, address.user, job.password)
        client.loop_start()
        clients.append((client, address.topic(Channel.REPORT)))
        client.publish(address.topic(Channel.INVENTORY), inventory(), 1).wait_for_publish(10)
    messages = list(reports(job.values, time.time_ns() // 1_000_000))
    for agent, payload in messages[:AGENTS]:
        clients[agent][0].publish(clients[agent][1], payload, 1).wait_for_publish(10)
    time.sleep(1.0)
    ready()
    sys.stdin.readline()
    sent = [clients[agent][0].publish(clients[agent][1], payload, 1) for agent, payload in messages[AGENTS:]]
    for each in sent:
        each.wait_for_publish(120)
    for client, _ in clients:
        client.disconnect()
        client.loop_stop()


def ready() -> None:
    print("ready", flush=True)


def measured(first: Callable[[], bool], done: Callable[[], int], values: int) -> Result:
    """From the first message after the warm-up until all values are committed."""
    while not first():
        time.sleep(0.001)
    began, cpu = time.perf_counter(), time.process_time()
    while (stored := done() - WARM_UP) < values:
        if time.perf_counter() - began > 120:
            raise SystemExit(f"only {stored} of {values} values were stored")
        time.sleep(0.02)
    return Result(values, time.perf_counter() - began, time.process_time() - cpu)


def run_ours(job: Job) -> Result:
    from sqlmodel import Session

    from controller.database import make_engine, migrate, sqlite_url
    from controller.fleet.tables import Agent, School
    from controller.ingest.link import BrokerAddress
    from controller.ingest.meter import Allowance
    from controller.ingest.observer import Unobserved
    from controller.ingest.service import Ingest
    from controller.ingest.verify import verify

    engine = make_engine(sqlite_url(Path(job.folder) / "ours.db"))
    migrate(engine)
    with Session(engine) as session:
        session.add(School(id="bench", name="Bench"))
        session.flush()
        session.add_all([Agent(school_id="bench", name=address_of(number).agent) for number in range(AGENTS)])
        session.commit()
    broker = BrokerAddress("127.0.0.1", job.port, Login(job.user, job.password))
    ingest = Ingest(engine, broker, Unobserved(), allowance=Allowance(1e12, 1e12, 1e12, 1e12))
    ingest.start()
    while not ingest.ready:
        time.sleep(0.01)
    ready()
    result = measured(lambda: ingest.stats.received > 2 * AGENTS, lambda: ingest.stats.values, job.values)
    ingest.stop()
    if not verify(engine).ok:
        raise SystemExit("the ledger does not balance")
    return result


def run_floor(job: Job) -> Result:
    import msgspec

    from controller.database import make_engine, sqlite_url
    from controller.telemetry.days import table_of

    class Bare(msgspec.Struct):
        base_ms: int
        series: dict[str, dict[str, list[tuple[int, bool | int | float | str | None]]]]

    connection = make_engine(sqlite_url(Path(job.folder) / "floor.db")).raw_connection()
    cursor = connection.cursor()
    table = table_of(time.time_ns() // 86_400_000_000_000)
    cursor.execute(
        f"CREATE TABLE {table} (series INTEGER NOT NULL, at_ms INTEGER NOT NULL, batch INTEGER NOT NULL, value,"
        " PRIMARY KEY (series, at_ms, batch)) WITHOUT ROWID"
    )
    connection.commit()
    insert = f"INSERT INTO {table} VALUES (?, ?, ?, ?)"
    decode = msgspec.json.Decoder(Bare).decode
    ids: dict[tuple[str, str, str], int] = {}
    seen = {"messages": 0, "stored": 0, "committed": 0}

    def on_message(_client: Any, _data: Any, message: Any) -> None:
        seen["messages"] += 1
        batch, topic = seen["messages"], message.topic
        told = decode(message.payload)
        base = told.base_ms
        rows = [
            (ids.setdefault((topic, device, metric), len(ids)), base + dt, batch, value)
            for device, metrics in told.series.items()
            for metric, points in metrics.items()
            for dt, value in points
        ]
        cursor.executemany(insert, rows)
        seen["stored"] += len(rows)
        if time.perf_counter() - clock[0] > 0.1 or seen["stored"] >= WARM_UP + job.values:
            connection.commit()
            clock[0] = time.perf_counter()
            seen["committed"] = seen["stored"]

    clock = [time.perf_counter()]
    return listen(job, on_message, seen)


def run_naive(job: Job) -> Result:
    from pydantic import BaseModel
    from sqlmodel import Field, Session, SQLModel

    from controller.database import make_engine, sqlite_url

    class Told(BaseModel):
        base_ms: int
        series: dict[str, dict[str, list[tuple[int, bool | int | float | str | None]]]]

    class Reading(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        agent: str
        device: str
        metric: str
        at_ms: int
        number: float | None = None
        text: str | None = None

    engine = make_engine(sqlite_url(Path(job.folder) / "naive.db"))
    SQLModel.metadata.create_all(engine)
    seen = {"messages": 0, "stored": 0, "committed": 0}

    def on_message(_client: Any, _data: Any, message: Any) -> None:
        seen["messages"] += 1
        told = Told.model_validate_json(message.payload)
        rows = [
            Reading(
                agent=message.topic,
                device=device,
                metric=metric,
                at_ms=told.base_ms + dt,
                number=None if isinstance(value, str) else value,
                text=value if isinstance(value, str) else None,
            )
            for device, metrics in told.series.items()
            for metric, points in metrics.items()
            for dt, value in points
        ]
        with Session(engine) as session:
            session.add_all(rows)
            session.commit()
        seen["committed"] += len(rows)

    return listen(job, on_message, seen)


def listen(job: Job, on_message: Callable[[Any, Any, Any], None], seen: dict[str, int]) -> Result:
    client = connect(job, job.user, job.user, job.password)
    client.on_message = on_message
    client.subscribe(filter_for(Channel.REPORT), 1)
    client.loop_start()
    time.sleep(0.5)
    ready()
    result = measured(lambda: seen["messages"] > AGENTS, lambda: seen["committed"], job.values)
    client.disconnect()
    client.loop_stop()
    return result


RUNS: dict[str, Callable[[Job], Result]] = {"ours": run_ours, "floor": run_floor, "naive": run_naive}


# The parent


def child(job: Job) -> "subprocess.Popen[str]":
    """Started, and ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.ingest", "--child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps(asdict(job)) + "\n")
    process.stdin.flush()
    if process.stdout.readline() != "ready\n":
        process.kill()
        raise SystemExit(f"{job.way} did not start")
    return process


def one_round(way: str, values: int) -> Result:
    password = new_password()
    with tempfile.TemporaryDirectory() as folder:
        broker = EmbeddedBroker(Path(folder) / "broker", 0)
        hashed = hash_password(password)
        broker.set_users([BrokerUser(address_of(number), hashed) for number in range(AGENTS)])
        broker.start()
        try:
            ingest = child(Job(way, folder, broker.port, broker.login.user, broker.login.password, values))
            publisher = child(Job("publisher", folder, broker.port, "", password, values))
            time.sleep(1.0)
            publisher.communicate("go\n", timeout=180)
            output, _ = ingest.communicate(timeout=180)
            if ingest.returncode or publisher.returncode:
                raise SystemExit(f"{way} failed")
            return Result(**json.loads(output))
        finally:
            broker.stop()


def run_child() -> None:
    job = Job(**json.loads(sys.stdin.readline()))
    if job.way == "publisher":
        publish(job)
    else:
        print(json.dumps(asdict(RUNS[job.way](job))), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=["sqlite"], default="sqlite")
    parser.add_argument("--values", type=int, default=480_000, help="readings a round")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        run_child()
        return
    results: dict[str, list[Result]] = {way: [] for way in WAYS}
    for number in range(ROUNDS):
        for way in WAYS:
            share = NAIVE_SHARE if way == "naive" else 1
            values = options.values // share // (A_REPORT * AGENTS) * A_REPORT * AGENTS
            results[way].append(one_round(way, values))
            last = results[way][-1]
            print(f"{number + 1} {way:6} {last.stored_per_s:10,.0f} values/s {last.cpu_us_per_value:8.2f} us CPU/value")
    stored = {way: statistics.median(each.stored_per_s for each in those) for way, those in results.items()}
    cpu = {way: statistics.median(each.cpu_us_per_value for each in those) for way, those in results.items()}
    print(f"\n{'median':8} {'values/s':>12} {'us CPU/value':>14}")
    for way in WAYS:
        print(f"{way:8} {stored[way]:12,.0f} {cpu[way]:14.2f}")
    figures = {
        "database": options.database,
        "values": options.values,
        **{f"stored_per_s_{way}": round(stored[way]) for way in WAYS},
        **{f"cpu_us_per_value_{way}": round(cpu[way], 3) for way in WAYS},
    }
    ratios = {
        "stored_per_s_vs_naive": round(stored["ours"] / stored["naive"], 2),
        "cpu_per_value_vs_floor": round(cpu["ours"] / cpu["floor"], 3),
    }
    print(json.dumps({"bench": "ingest", "figures": figures, "ratios": ratios}))


if __name__ == "__main__":
    main()
