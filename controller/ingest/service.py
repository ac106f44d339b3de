"""Ingest as a whole: started and stopped by the composition root."""

import gc
import time
from collections.abc import Callable

from sqlalchemy import Engine

from contract.messages import Ack
from contract.topics import Address, Channel
from controller.ingest.codec import encode_ack
from controller.ingest.inbox import Inbox
from controller.ingest.link import BrokerAddress, Link
from controller.ingest.messages import Arrival
from controller.ingest.observer import Observer
from controller.ingest.stats import IngestStats
from controller.ingest.writer import Writer
from controller.telemetry.retention import DEFAULT_DAYS

STOP_S = 10.0
STUCK_S = 10.0
"""A transaction that takes longer than this is told on the pages: the disk, or the server, does not answer."""


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Ingest:
    """Hears every agent, stores what it says, and acknowledges what is committed. Nothing happens before `start`."""

    def __init__(
        self,
        engine: Engine,
        broker: BrokerAddress,
        observer: Observer,
        now_ms: Callable[[], int] = wall_ms,
        retention_days: int = DEFAULT_DAYS,
    ) -> None:
        self.stats = IngestStats()
        self._observer = observer
        self._now_ms = now_ms
        self._inbox = Inbox()
        self._link = Link(broker, self._heard, self._connected)
        self._writer = Writer(
            engine,
            self._inbox,
            observer,
            self.stats,
            now_ms=now_ms,
            acknowledge=self._acknowledge,
            retention_days=retention_days,
        )

    @property
    def storing(self) -> bool:
        """Whether what is heard is written down: the database takes it, and in reasonable time."""
        began_s = self.stats.began_s
        return self.stats.writable and (began_s is None or time.perf_counter() - began_s < STUCK_S)

    @property
    def ready(self) -> bool:
        """Whether what an agent sends now would be stored."""
        return self._link.connected and self.storing

    def start(self) -> None:
        """Begin; needs neither broker nor agents to be there yet."""
        gc.freeze()  # what is here now stays; the collector need not go through it with every few thousand readings
        self._writer.start()
        self._link.start()

    def stop(self) -> None:
        """Hear no more, write what was heard, end."""
        self._link.stop()
        self._writer.stop(STOP_S)

    def say(self, address: Address, channel: Channel, payload: bytes) -> bool:
        """Publish to one agent; False if the broker is not there."""
        return self._link.say(address, channel, payload)

    def _heard(self, topic: str, payload: bytes, retained: bool) -> None:
        self.stats.received += 1
        report = topic.endswith("/report")
        if not self._inbox.put(Arrival(topic, payload, self._now_ms(), retained), spare=not report):
            self.stats.shed += 1

    def _connected(self, connected: bool) -> None:
        self.stats.connected = connected
        self._writer.connected_ms = self._now_ms() if connected else None
        self._observer.broker_connected(connected)

    def _acknowledge(self, address: Address, ack: Ack) -> None:
        self._link.say(address, Channel.ACK, encode_ack(ack))
