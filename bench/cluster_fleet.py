"""A cluster's agents in one process: `python -m bench.cluster_fleet`, told what to do by lines on standard input.

Each agent is one MQTT connection with what an outbox promises, kept in memory: numbered batches, a window of those in
flight, and each sent again until it is acknowledged. All are driven by one selector, so that a thousand of them cost a
fraction of a core. They measure nothing: values are made up.
"""

import json
import random
import selectors
import sys
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from contract.messages import (
    Ack,
    BridgeState,
    DeviceEntry,
    Inventory,
    MetricEntry,
    Presence,
    ProfileEntry,
    Report,
    Status,
    encode,
)
from contract.model import Kind
from contract.topics import Address, Channel
from contract.wire import decode

METRICS: dict[str, Kind] = {
    **{f"level-{number}": Kind.FLOAT for number in range(8)},
    "count": Kind.INT,
    "uptime": Kind.INT,
    "printing": Kind.BOOL,
    "state": Kind.TEXT,
}
PERIOD_S = 30.0
"""How often a device's metrics are read, all of them."""
WINDOW = 8
"""Batches of one agent on their way at once."""
AGAIN_S = 15.0
_HOLDS_S = 1_200.0
"""A machine stays as it is for so long, on average."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`agents`: (school, name, password) of each."""

    host: str
    port: int
    devices: int
    agents: Sequence[tuple[str, str, str]]


@dataclass(slots=True)
class Figures:
    """Of all agents since the start: values made and acknowledged, batches sent again, connections lost, and how long
    the oldest value waits that is not acknowledged yet.
    """

    produced: int = 0
    acked: int = 0
    waiting_batches: int = 0
    oldest_s: float = 0.0
    again: int = 0
    refused: int = 0
    lost: int = 0


@dataclass(slots=True)
class Batch:
    number: int
    payload: bytes
    made_s: float
    sent_s: float = 0.0


@dataclass(slots=True)
class Agent:
    """One connection. `due_s`: when its next device is read."""

    address: Address
    client: paho.Client
    epoch: str
    devices: int
    due_s: float
    chance: random.Random
    up: bool = False
    number: int = 0
    turn: int = 0
    printing: set[int] = field(default_factory=set)
    unacked: "OrderedDict[int, Batch]" = field(default_factory=OrderedDict)

    def read(self, now_s: float) -> int:
        """The next device's metrics become a batch; how many values it has."""
        self.number += 1
        at_ms = time.time_ns() // 1_000_000
        device = f"machine-{self.turn}"
        if self.chance.random() < PERIOD_S / _HOLDS_S:
            self.printing ^= {self.turn}
        points = {name: ((0, self._value(kind)),) for name, kind in METRICS.items()}
        self.turn = (self.turn + 1) % self.devices
        report = Report(
            self.epoch, self.number, self.number, len(points), at_ms, boot="b", mono_ms=at_ms, series={device: points}
        )
        self.unacked[self.number] = Batch(self.number, encode(report), now_s)
        return len(points)

    def _value(self, kind: Kind) -> bool | int | float | str:
        if kind is Kind.FLOAT:
            return round(self.chance.uniform(0, 100), 1)
        if kind is Kind.INT:
            return self.chance.randrange(100_000)
        printing = self.turn in self.printing
        return printing if kind is Kind.BOOL else ("printing" if printing else "idle")

    def send(self, now_s: float) -> int:
        """What the window lets through, first what waits for its ack too long; how many went again."""
        if not self.up:
            return 0
        again = 0
        for at, batch in enumerate(self.unacked.values()):
            if at >= WINDOW:
                break
            if batch.sent_s and now_s - batch.sent_s < AGAIN_S:
                continue
            again += batch.sent_s > 0
            batch.sent_s = now_s
            self.client.publish(self.address.topic(Channel.REPORT), batch.payload, 1)
        return again


class Fleet:
    """All agents and their selector."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._selector = selectors.DefaultSelector()
        self.speed = 1.0
        self.figures = Figures()
        chance = random.Random(1)
        now_s = time.monotonic()
        self.agents = [self._agent(each, random.Random(chance.random()), now_s) for each in plan.agents]
        self._lost: list[Agent] = []

    def connect(self) -> None:
        """All, a few at a time."""
        for at, agent in enumerate(self.agents):
            agent.client.connect(self._plan.host, self._plan.port, keepalive=60)
            if at % 20 == 19:
                self.turn(0.05)
        deadline = time.monotonic() + 60
        while not all(agent.up for agent in self.agents):
            self.turn(0.1)
            if time.monotonic() > deadline:
                raise SystemExit("not all agents could connect")

    def turn(self, patience_s: float) -> None:
        """Serve the sockets that are ready."""
        for key, events in self._selector.select(patience_s):
            client: paho.Client = key.data.client
            if events & selectors.EVENT_READ:
                client.loop_read()
            if events & selectors.EVENT_WRITE:
                client.loop_write()
        for agent in self._lost:
            self.figures.lost += 1
            agent.client.reconnect()
        self._lost.clear()

    def keep_alive(self) -> None:
        for agent in self.agents:
            agent.client.loop_misc()

    def read_and_send(self, now_s: float) -> None:
        """Every device that is due, then everything that may go."""
        for agent in self.agents:
            if self.speed and now_s >= agent.due_s:
                self.figures.produced += agent.read(now_s)
                agent.due_s += PERIOD_S / agent.devices / self.speed
            if agent.unacked:
                self.figures.again += agent.send(now_s)

    def look(self, now_s: float) -> Figures:
        waiting = [agent.unacked for agent in self.agents if agent.unacked]
        self.figures.waiting_batches = sum(map(len, waiting))
        self.figures.oldest_s = max((now_s - next(iter(each.values())).made_s for each in waiting), default=0.0)
        return self.figures

    def set_speed(self, speed: float, now_s: float) -> None:
        """So many times as often as each 30 s; 0: read nothing more."""
        self.speed = speed
        for agent in self.agents:
            gap_s = PERIOD_S / agent.devices / speed if speed else 0.0
            agent.due_s = now_s + agent.chance.random() * gap_s

    def _agent(self, about: tuple[str, str, str], chance: random.Random, now_s: float) -> Agent:
        address = Address(about[0], about[1])
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=address.client_id)
        client.username_pw_set(address.user, about[2])
        client.max_inflight_messages_set(10 * WINDOW)
        epoch = f"{chance.getrandbits(64):016x}"
        agent = Agent(address, client, epoch, self._plan.devices, now_s, chance)
        will = Status(epoch, Presence.OFFLINE, 1, "bench", time.time_ns() // 1_000_000)
        client.will_set(address.topic(Channel.STATUS), encode(will), 1, retain=True)
        client.on_connect = lambda *_: self._welcome(agent)
        client.on_message = lambda _c, _d, message: self._hear(agent, message)
        client.on_disconnect = lambda *_: self._part(agent)
        client.on_socket_open = lambda _c, _d, sock: self._register(agent, sock)
        client.on_socket_close = lambda _c, _d, sock: self._forget(sock)
        client.on_socket_register_write = lambda _c, _d, sock: self._watch(agent, sock, write=True)
        client.on_socket_unregister_write = lambda _c, _d, sock: self._watch(agent, sock, write=False)
        return agent

    def _register(self, agent: Agent, sock: Any) -> None:
        self._selector.register(sock, selectors.EVENT_READ, agent)

    def _forget(self, sock: Any) -> None:
        self._selector.unregister(sock)

    def _watch(self, agent: Agent, sock: Any, *, write: bool) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if write else 0)
        if sock.fileno() >= 0:
            self._selector.modify(sock, events, agent)

    def _welcome(self, agent: Agent) -> None:
        agent.client.subscribe(agent.address.topic(Channel.ACK), 1)
        profile = ProfileEntry("demo/printer-3d", "A machine", {n: MetricEntry("1", k) for n, k in METRICS.items()})
        now_ms = time.time_ns() // 1_000_000
        devices = tuple(
            DeviceEntry(f"machine-{at}", f"Machine {at}", "p", BridgeState.OPEN, now_ms) for at in range(agent.devices)
        )
        online = Status(agent.epoch, Presence.ONLINE, 1, "bench", now_ms)
        agent.client.publish(agent.address.topic(Channel.STATUS), encode(online), 1, retain=True)
        inventory = Inventory(agent.epoch, 1, {"p": profile}, devices)
        agent.client.publish(agent.address.topic(Channel.INVENTORY), encode(inventory), 1, retain=True)
        agent.up = True

    def _hear(self, agent: Agent, message: paho.MQTTMessage) -> None:
        ack = decode(Ack, bytes(message.payload))
        if ack.epoch != agent.epoch:
            return
        for first, last in ack.committed:
            for number in [each for each in agent.unacked if first <= each <= last]:
                del agent.unacked[number]
                self.figures.acked += len(METRICS)
        self.figures.refused += len(ack.refused)

    def _part(self, agent: Agent) -> None:
        agent.up = False
        self._lost.append(agent)


def main() -> None:
    """First line: the plan as JSON. Then lines with a new speed; an end of file ends it. Prints figures each second."""
    plan = Plan(**json.loads(sys.stdin.readline()))
    fleet = Fleet(plan)
    fleet.connect()
    orders = selectors.DefaultSelector()
    orders.register(sys.stdin, selectors.EVENT_READ)
    fleet.set_speed(0.0, time.monotonic())
    print("ready", flush=True)
    second = time.monotonic()
    while True:
        now_s = time.monotonic()
        fleet.read_and_send(now_s)
        fleet.turn(0.02)
        if now_s - second < 1.0:
            continue
        second = now_s
        fleet.keep_alive()
        print(json.dumps(asdict(fleet.look(now_s))), flush=True)
        if orders.select(0):
            line = sys.stdin.readline()
            if not line:
                return
            fleet.set_speed(float(line), now_s)


if __name__ == "__main__":
    main()
