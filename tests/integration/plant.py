"""Broker, database and ingest as they run, with enrolled agents that tests speak for."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine, NullPool, create_engine, text
from sqlmodel import Session

from contract.messages import (
    Ack,
    BridgeState,
    DeviceEntry,
    Held,
    Inventory,
    MetricEntry,
    Presence,
    ProfileEntry,
    Report,
    Status,
    encode,
)
from contract.model import Event, Gap, Kind, Outcome, Value
from contract.topics import DOWN, Address, Channel
from contract.wire import decode
from controller.broker.access import BrokerUser, hash_password
from controller.broker.embedded import EmbeddedBroker
from controller.fleet.tables import Agent, School
from controller.ingest.link import BrokerAddress
from controller.ingest.observer import Fresh, Told
from controller.ingest.service import Ingest, wall_ms
from controller.ingest.stats import IngestStats
from controller.telemetry.days import table_of
from controller.telemetry.rows import rows_in
from tests.databases import fresh
from tests.integration.mqtt import WAIT_S, Client, eventually

EPOCH = "00000000000000aa"
ME = Address("alpha", "room-1")
OTHER = Address("alpha", "room-2")
PASSWORD = "secret"
PROFILE = ProfileEntry(
    "generic/host",
    "A computer",
    {
        "cpu": MetricEntry("%", Kind.FLOAT),
        "fans": MetricEntry("1", Kind.INT),
        "on-mains": MetricEntry("1", Kind.BOOL),
        "system": MetricEntry("1", Kind.TEXT),
        "disk-*-used": MetricEntry("%", Kind.FLOAT),
    },
)


@dataclass(slots=True)
class Heard:
    """An observer that keeps what it is told."""

    fresh: list[Fresh] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    connected: list[bool] = field(default_factory=list)

    def registry_changed(self, agent_id: int) -> None:
        self.changed.append(agent_id)

    def values_committed(self, values: Sequence[Fresh]) -> None:
        self.fresh.extend(values)

    def outcomes_committed(self, outcomes: Sequence[Told]) -> None:
        self.told.extend(outcomes)

    def broker_connected(self, connected: bool) -> None:
        self.connected.append(connected)


class Clock:
    """The wall clock, set ahead by as much as a test says."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> int:
        return wall_ms() + self.ahead_ms


class Voice:
    """An agent's side of the wire, by hand."""

    def __init__(self, client: Client, address: Address) -> None:
        self.client = client
        self.address = address
        self.number = 0

    def online(self, connection: int = 1, epoch: str = EPOCH, held: tuple[Held, ...] = ()) -> None:
        self.status(Status(epoch, Presence.ONLINE, connection, "1.0", wall_ms(), held=held))

    def status(self, told: Status) -> None:
        self.client.say(self.address.topic(Channel.STATUS), encode(told), retain=True)

    def inventory(self, number: int = 1, devices: Sequence[str] = ("pc",), room: str = "") -> None:
        entries = tuple(
            DeviceEntry(each, each.upper(), "d1", BridgeState.OPEN, wall_ms(), room=room) for each in devices
        )
        told = Inventory(EPOCH, number, {"d1": PROFILE}, entries)
        self.client.say(self.address.topic(Channel.INVENTORY), encode(told), retain=True)

    def report(
        self,
        series: Mapping[str, Mapping[str, Sequence[tuple[int, Value | None]]]],
        base_ms: int | None = None,
        events: tuple[Event, ...] = (),
        outcomes: tuple[Outcome, ...] = (),
        gaps: tuple[Gap, ...] = (),
    ) -> bytes:
        """Send the next batch; what was sent."""
        self.number += 1
        payload = encode(batch(self.number, series, base_ms, events, outcomes, gaps))
        self.send(payload)
        return payload

    def send(self, payload: bytes) -> None:
        self.client.say(self.address.topic(Channel.REPORT), payload)

    def ack(self, timeout_s: float = WAIT_S) -> Ack:
        topic, payload = self.client.next(timeout_s)
        assert topic == self.address.topic(Channel.ACK)
        return decode(Ack, payload)

    def acked(self, number: int) -> Ack:
        """The next Ack that speaks of `number`."""
        while True:
            ack = self.ack()
            if any(first <= number <= last for first, last in ack.committed) or any(
                refusal.number == number for refusal in ack.refused
            ):
                return ack


def batch(
    number: int,
    series: Mapping[str, Mapping[str, Sequence[tuple[int, Value | None]]]],
    base_ms: int | None = None,
    events: tuple[Event, ...] = (),
    outcomes: tuple[Outcome, ...] = (),
    gaps: tuple[Gap, ...] = (),
    epoch: str = EPOCH,
) -> Report:
    """A report whose count is right, of now unless said otherwise."""
    points = {device: {name: tuple(each) for name, each in metrics.items()} for device, metrics in series.items()}
    readings = sum([len(each) for metrics in points.values() for each in metrics.values()])
    return Report(
        epoch=epoch,
        number=number,
        first=number,
        count=readings + len(events) + len(outcomes) + sum([gap.count for gap in gaps]),
        base_ms=wall_ms() if base_ms is None else base_ms,
        series=points,
        events=events,
        outcomes=outcomes,
        gaps=gaps,
    )


class Plant:
    """Everything real, in one folder."""

    def __init__(self, folder: Path, clock: Clock, engine: Engine | None = None) -> None:
        self.engine = engine or fresh(folder / "fabfleet.db")
        self._asking = create_engine(self.engine.url, poolclass=NullPool)
        self.clock = clock
        self.heard = Heard()
        self.broker = EmbeddedBroker(folder / "broker", 0)
        self.ingest = self._make()

    def _make(self) -> Ingest:
        address = BrokerAddress(self.broker.host, self.broker.port, self.broker.login)
        return Ingest(self.engine, address, self.heard, self.clock)

    @property
    def sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @property
    def stats(self) -> IngestStats:
        return self.ingest.stats

    def enrol(self, *addresses: Address) -> None:
        with Session(self.engine) as session:
            for school in sorted({address.school for address in addresses}):
                session.add(School(id=school, name=school.title()))
            session.commit()
            for address in addresses:
                session.add(Agent(school_id=address.school, name=address.agent))
            session.commit()
        self.broker.set_users([BrokerUser(address, hash_password(PASSWORD)) for address in addresses])

    def start(self) -> None:
        self.broker.start()
        self.ingest.start()
        eventually(lambda: self.ingest.ready, "ingest is ready")

    def stop(self) -> None:
        self.ingest.stop()
        self.broker.stop()
        self.engine.dispose()

    def restart_ingest(self) -> None:
        self.ingest.stop()
        self.heard = Heard()
        self.ingest = self._make()
        self.ingest.start()
        eventually(lambda: self.ingest.ready, "ingest is ready again")

    @contextmanager
    def agent(self, address: Address = ME, will: Status | None = None) -> Iterator[Voice]:
        told = (address.topic(Channel.STATUS), encode(will)) if will else None
        with Client(self.broker.port, address.user, PASSWORD, address.client_id, told) as client:
            for channel in DOWN:
                assert client.subscribe(address.topic(channel))
            yield Voice(client, address)

    def rows(self, sql: str, **values: object) -> list[tuple[object, ...]]:
        """Asked over a connection of its own."""
        with self._asking.connect() as connection:
            return [tuple(row) for row in connection.execute(text(sql), values)]

    def change(self, *statements: str) -> None:
        """By somebody else, over a connection of their own."""
        with self._asking.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def days(self) -> list[str]:
        """The tables that readings lie in, the oldest first."""
        with self._asking.connect() as connection:
            return [table_of(day) for day in rows_in(connection).days(connection)]

    def readings(self) -> list[tuple[object, ...]]:
        """(device, metric, at_ms, value) of every stored reading."""
        series = {
            row[0]: row[1:]
            for row in self.rows("SELECT series.id, slug, metric FROM series JOIN device ON device.id = device_id")
        }
        with self._asking.begin() as connection:
            rows = rows_in(connection)
            found = [row for day in rows.days(connection) for few in rows.of_day(connection, day) for row in few]
        return sorted([(*series[row[0]], row[1], row[3]) for row in found], key=lambda each: (each[2], each[:2]))

    def quarantined(self) -> dict[str, int]:
        found = self.rows("SELECT reason, sum(item_count) FROM quarantine GROUP BY reason")
        return {str(reason): int(str(count)) for reason, count in found}


def settle() -> None:
    """Time enough for several commits to have happened, where nothing is to be seen of them."""
    time.sleep(0.6)
