"""What Prometheus reads: the live picture, the streams, and what the ingest counts. A registry of our own."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from controller.ingest.stats import IngestStats
from controller.scope import CLUSTER
from controller.services import Services
from controller.telemetry.keeper import HistoryStats


def registry_of(services: Services) -> CollectorRegistry:
    """A registry that asks `services` at each scrape."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Fleet(services))
    ProcessCollector(registry=registry)
    return registry


COUNTERS = (
    ("received", "Messages received from the broker."),
    ("shed", "Messages dropped unacknowledged because the queue was full."),
    ("flooded", "Messages dropped unacknowledged because their agent said far too much."),
    ("batches", "Batches committed."),
    ("values", "Readings committed."),
    ("events", "Events committed."),
    ("outcomes", "Outcomes of commands committed."),
    ("duplicates", "Batches that came again, harmlessly."),
    ("conflicts", "Batch numbers that came again with other content."),
    ("deferred", "Batches left unacknowledged until their inventory comes."),
    ("rejected", "Items rejected."),
    ("given_up", "Readings that agents declared as given up."),
    ("commits", "Commits."),
    ("commit_seconds", "Seconds spent in commits."),
    ("commit_failures", "Commits that failed and were tried again."),
)
"""Fields of IngestStats, and what they count."""


class _Fleet(Collector):
    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterator[Metric]:
        services = self._services
        devices = GaugeMetricFamily("fabfleet_devices", "Devices by state.", labels=["state"])
        for state, count in services.live.counts(CLUSTER).items():
            devices.add_metric([state.value], count)
        yield devices
        yield GaugeMetricFamily("fabfleet_streams", "Open live streams.", value=services.hub.streams)
        yield from _commands(services)
        yield from _history(services.plant.history)
        ready = services.plant.ready()
        yield from _ingest(services.plant.stats)
        yield GaugeMetricFamily("fabfleet_broker_connected", "1 if the broker is reached.", value=int(ready.broker))
        yield GaugeMetricFamily("fabfleet_writer_alive", "1 if commits are being made.", value=int(ready.writer))


def _commands(services: Services) -> Iterator[Metric]:
    gauge = GaugeMetricFamily("fabfleet_commands_open", "Commands not at their end, by status.", labels=["status"])
    try:
        counts = services.commands.open_counts()
    except SQLAlchemyError:  # that the database does not answer, another gauge says
        return
    for status, count in counts.items():
        gauge.add_metric([status.value], count)
    yield gauge


HISTORY = (
    ("batches", "Batches rolled up."),
    ("buckets", "Roll-ups written."),
    ("roll_seconds", "Seconds spent in rolling up."),
    ("parts", "Parts added to the archive."),
    ("taken_in", "Readings that came back from files of the archive which the register did not know."),
    ("failures", "Turns of the history's keeper that failed and are tried again."),
)
"""Fields of HistoryStats, and what they count."""


def _history(stats: HistoryStats) -> Iterator[Metric]:
    for name, text in HISTORY:
        yield CounterMetricFamily(f"fabfleet_history_{name}", text, value=getattr(stats, name))
    dropped = CounterMetricFamily("fabfleet_history_dropped", "Days and months given up, by tier.", labels=["tier"])
    for tier, count in list(stats.dropped.items()):
        dropped.add_metric([tier.value], count)
    yield dropped
    size = GaugeMetricFamily("fabfleet_history_bytes", "Bytes when last looked at, by tier.", labels=["tier"])
    for tier, count in list(stats.size.items()):
        size.add_metric([tier.value], count)
    yield size


def _ingest(stats: IngestStats) -> Iterator[Metric]:
    for name, text in COUNTERS:
        yield CounterMetricFamily(f"fabfleet_ingest_{name}", text, value=getattr(stats, name))
    quarantined = CounterMetricFamily("fabfleet_ingest_quarantined", "Items set aside, by reason.", labels=["reason"])
    for reason, count in list(stats.quarantined.items()):
        quarantined.add_metric([reason], count)
    yield quarantined
    yield GaugeMetricFamily("fabfleet_ingest_queue", "Messages waiting to be committed.", value=stats.queue_depth)
