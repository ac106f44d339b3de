"""What the ways of storing are measured with: the messages, whoever publishes them, and a stopwatch."""

import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from contract.messages import BridgeState, DeviceEntry, Inventory, MetricEntry, ProfileEntry, Report, encode
from contract.model import Kind, Value
from contract.topics import Address, Channel, filter_for

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


@dataclass(frozen=True, slots=True)
class Job:
    """What a child process is told."""

    way: str
    url: str
    port: int
    user: str
    password: str
    values: int


@dataclass(slots=True)
class Seen:
    """How far a way has come: messages, values taken, values committed."""

    messages: int = 0
    stored: int = 0
    committed: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """`cpu_seconds` is the processor time of the process that stores, alone."""

    values: int
    seconds: float
    cpu_seconds: float

    @property
    def stored_per_s(self) -> float:
        return self.values / self.seconds

    @property
    def cpu_us_per_value(self) -> float:
        return self.cpu_seconds / self.values * 1e6


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
    patience = time.monotonic() + 60
    while not first():
        if time.monotonic() > patience:
            raise SystemExit("nothing came")
        time.sleep(0.001)
    began, cpu = time.perf_counter(), time.process_time()
    while (stored := done() - WARM_UP) < values:
        if time.perf_counter() - began > 120:
            raise SystemExit(f"only {stored} of {values} values were stored")
        time.sleep(0.02)
    return Result(values, time.perf_counter() - began, time.process_time() - cpu)


def listen(job: Job, on_message: Callable[[Any, Any, Any], None], seen: Seen) -> Result:
    client = connect(job, job.user, job.user, job.password)
    client.on_message = on_message
    client.subscribe(filter_for(Channel.REPORT), 1)
    client.loop_start()
    time.sleep(0.5)
    ready()
    result = measured(lambda: seen.messages > AGENTS, lambda: seen.committed, job.values)
    client.disconnect()
    client.loop_stop()
    return result
