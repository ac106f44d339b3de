"""Ingest as a whole: started and stopped by the composition root."""

import gc
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Engine

from contract.messages import Ack
from contract.topics import Address, Channel
from controller.ingest.codec import encode_ack
from controller.ingest.inbox import Inbox
from controller.ingest.link import BrokerAddress, Link
from controller.ingest.messages import Arrival
from controller.ingest.meter import Allowance, Meter
from controller.ingest.observer import Observer
from controller.ingest.stats import IngestStats
from controller.ingest.writer import Writer

log = logging.getLogger(__name__)

STOP_S = 10.0
_GARBAGE = 20_000
"""New objects before the collector looks for cycles: decoded readings are that many at once, and hold none."""
STUCK_S = 10.0
"""A transaction that takes longer than this is told on the pages: the disk, or the server, does not answer."""


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Ingest:
    """Hears every agent, stores what it says, and acknowledges what is committed. Nothing happens before `start`.

    Who says more than `allowance` is no longer heard, and `flooded` is told once, in a thread of its own. `echoes` and
    `echo` as in `link.Link`.
    """

    def __init__(
        self,
        engine: Engine,
        broker: BrokerAddress,
        observer: Observer,
        now_ms: Callable[[], int] = wall_ms,
        *,
        allowance: Allowance = Allowance(),  # noqa: B008 - frozen
        flooded: Callable[[Address], None] = lambda _: None,
        echoes: Sequence[str] = (),
        echo: Callable[[str, bytes], None] = lambda _topic, _payload: None,
    ) -> None:
        self.stats = IngestStats()
        self.wanted: Mapping[Address, int] = {}
        """Agents that are to fetch new credentials, and of which number."""
        self._observer = observer
        self._now_ms = now_ms
        self._inbox = Inbox()
        self._meter = Meter(allowance, time.monotonic)
        self._flooded = flooded
        self._forgiven: deque[str] = deque()
        self._link = Link(broker, self._heard, self._connected, echoes=echoes, echo=echo)
        self._writer = Writer(
            engine,
            self._inbox,
            observer,
            self.stats,
            now_ms=now_ms,
            acknowledge=self._acknowledge,
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
        gc.set_threshold(_GARBAGE)
        self._writer.start()
        self._link.start()

    def stop(self) -> None:
        """Hear no more, write what was heard, end."""
        self._link.stop()
        self._writer.stop(STOP_S)

    def say(self, address: Address, channel: Channel, payload: bytes) -> bool:
        """Publish to one agent; False if the broker is not there."""
        return self._link.say(address, channel, payload)

    def tell(self, topic: str, payload: bytes) -> bool:
        """Retain a message for foreign programs; False if the broker is not there."""
        return self._link.tell(topic, payload)

    def _heard(self, topic: str, payload: bytes, retained: bool) -> None:
        self.stats.received += 1
        if self._is_flood(topic, len(payload)):
            self.stats.flooded += 1
            return
        report = topic.endswith("/report")
        if not self._inbox.put(Arrival(topic, payload, self._now_ms(), retained), spare=not report):
            self.stats.shed += 1

    def forgive(self, address: Address) -> None:
        """Hear an agent again that was over its allowance. From any thread."""
        self._forgiven.append(str(address))

    def _is_flood(self, topic: str, size: int) -> bool:
        """Whether it goes beyond what its agent may say: then it is dropped, and its agent keeps it."""
        while self._forgiven:
            self._meter.forgive(self._forgiven.popleft())
        name = "/".join(topic.split("/")[2:4])
        if self._meter.over(name):
            return True
        if not self._meter.count(name, size):
            return False
        log.warning("%s says far too much; it is cut off", name)
        school, _, agent = name.partition("/")
        # not in this thread, which is the only one that hears the others
        threading.Thread(target=self._flooded, args=(Address(school, agent),), name="flood", daemon=True).start()
        return True

    def _connected(self, connected: bool) -> None:
        self.stats.connected = connected
        self._writer.connected_ms = self._now_ms() if connected else None
        self._observer.broker_connected(connected)

    def _acknowledge(self, address: Address, ack: Ack) -> None:
        wanted = self.wanted.get(address, 0) if ack.complete else 0
        self._link.say(address, Channel.ACK, encode_ack(replace(ack, credentials=wanted) if wanted else ack))
