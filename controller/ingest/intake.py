"""What one transaction does with the messages in it. Everything here runs in the writer's thread."""

import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Final

import msgspec
from sqlalchemy import Connection, Table, insert

from contract.messages import MAX_RANGES, Inventory, Presence, Report, Status
from contract.model import Event, Gap, Outcome
from contract.topics import Channel
from controller.commands import store as commands
from controller.fleet import renewals
from controller.ingest import presence
from controller.ingest.acks import Acks, Complete
from controller.ingest.attacks import Attacks
from controller.ingest.codec import Reason, Undecodable, decode_head
from controller.ingest.ledger import Counts, Entry, Epoch, LedgerBook, Seen
from controller.ingest.messages import Batch, Decoded
from controller.ingest.observer import Fresh, Told
from controller.ingest.quarantine import Quarantine
from controller.ingest.readings import Aside, Sifted, Span, plausible, sifted, straight
from controller.ingest.registry import AgentState, Registry
from controller.ingest.stats import IngestStats
from controller.ingest.tables import DeclaredGap, StoredEvent, StoredOutcome
from controller.ingest.twins import Twins
from controller.telemetry import checksum
from controller.telemetry.checksum import Row
from controller.telemetry.days import DAY_MS
from controller.telemetry.latest import LatestValues
from controller.telemetry.rows import Rows

log = logging.getLogger(__name__)

MAX_COUNT: Final = 1_000_000_000
"""Most items that one batch may say it stands for; sums over all batches of an epoch then fit into 64 bits."""
_MAX_DEFERRED = 10_000
_MAX_EARLY = 100
"""So many of those are kept until their inventory comes."""
_HEARD_EVERY_MS = 5_000
_ASIDE_SHOWN = 50

_EVENT: Table = StoredEvent.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_OUTCOME: Table = StoredOutcome.__table__  # type: ignore[attr-defined]
_GAP: Table = DeclaredGap.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class _Sorted:
    """What one batch holds: rows in the order of their key, the times they span, their checksum, readings not stored,
    outcomes of known commands.
    """

    batch_id: int
    rows: list[Row]
    span: Span | None
    checksum: int
    aside: list[Aside]
    told: list[Told] = field(default_factory=list)


@dataclass(slots=True)
class _Drafts:
    """What a transaction writes at its end, in few statements."""

    events: list[dict[str, object]] = field(default_factory=list)
    outcomes: list[dict[str, object]] = field(default_factory=list)
    gaps: list[dict[str, object]] = field(default_factory=list)
    heard: dict[int, AgentState] = field(default_factory=dict)
    changed: set[int] = field(default_factory=set)
    told: list[Told] = field(default_factory=list)
    received_ms: int = 0
    counted: IngestStats = field(default_factory=IngestStats)


@dataclass(frozen=True, slots=True)
class Settled:
    """What a committed transaction has to tell."""

    fresh: list[Fresh]
    changed_agents: set[int]
    told: list[Told]
    counted: IngestStats


class Intake:
    """Call `take` for each message, then `flush`; after the commit `settle`, after a rollback `forget`."""

    def __init__(self, rows: Rows) -> None:
        self.latest = LatestValues()
        self.acks = Acks()
        self._registry = Registry()
        self._ledger = LedgerBook()
        self._quarantine = Quarantine()
        self._rows = rows
        self._deferred: OrderedDict[tuple[int, str, int], None] = OrderedDict()
        self._early: OrderedDict[tuple[int, str, int], Decoded] = OrderedDict()
        self._twins = Twins()
        self._held_back: set[tuple[int, str]] = set()
        self._attacks = Attacks()
        self._drafts = _Drafts()

    def load(self, connection: Connection) -> None:
        """Know what the tables say."""
        self.forget()
        self._registry.load_all(connection)
        self.latest.load(connection)

    def forget(self) -> None:
        """Nothing of the transaction happened. `load` must follow before the next one."""
        self._registry.forget()
        self._ledger.forget()
        self._quarantine.settle()
        self._rows.forget()
        self.acks.clear()
        self._attacks.forget()
        self._drafts = _Drafts()

    def take(self, connection: Connection, message: Decoded) -> None:
        """Everything that follows from one message, whatever it is."""
        content, arrival = message.content, message.arrival
        self._drafts.received_ms = arrival.received_ms
        agent = self._registry.agent(connection, message.address) if message.address else None
        if agent is None:
            self._set_aside_message(message, None)
        elif agent.doubled and not isinstance(content, Status):
            self._hold_back(agent, message)
        elif isinstance(content, Batch):
            self._take_report(connection, agent, content, message)
        elif isinstance(content, Status):
            self._take_status(connection, agent, content, message)
        elif isinstance(content, Inventory):
            if self._registry.apply(connection, agent, content, arrival.received_ms):
                self._drafts.changed.add(agent.id)
                self._attacks.see_inventory(agent.id, agent.school_id, content, arrival.received_ms)
                self._take_deferred(connection, agent)
        else:
            self._take_undecodable(connection, agent, content, message)

    def set_aside(self, message: Decoded, detail: str) -> None:
        """Quarantine a message that nothing else can be done with."""
        quarantined = Undecodable(Reason.INTERNAL, detail)
        self._set_aside_message(Decoded(message.arrival, message.address, message.channel, quarantined), None)

    def watch(self, connection: Connection, now_ms: int, connected_ms: int) -> None:
        """Give up agents that have been silent for too long."""
        for agent in self._registry.agents():
            if presence.overdue(agent, now_ms, connected_ms):
                presence.give_up(agent, now_ms)
                self._registry.save_presence(connection, agent)
                self._drafts.changed.add(agent.id)

    def anyone_overdue(self, now_ms: int, connected_ms: int) -> bool:
        return any(presence.overdue(agent, now_ms, connected_ms) for agent in self._registry.agents())

    def flush(self, connection: Connection) -> None:
        """Write everything that was taken."""
        drafts = self._drafts
        self._rows.flush(connection)
        self.latest.flush(connection, self._rows, drafts.received_ms)
        for table, values in ((_EVENT, drafts.events), (_OUTCOME, drafts.outcomes), (_GAP, drafts.gaps)):
            if values:
                connection.execute(insert(table), values)
        self._attacks.flush(connection, drafts.events, drafts.outcomes)
        self._registry.save_presences(connection, drafts.heard.values())
        self._ledger.flush(connection, self._rows)
        self._quarantine.flush(connection)

    def settle(self) -> Settled:
        """After the commit."""
        drafts, self._drafts = self._drafts, _Drafts()
        self._ledger.settle()
        self._quarantine.settle()
        fresh = [
            Fresh(
                series,
                slot.about.device_id,
                slot.about.metric,
                at_ms,
                bool(value) if slot.truth and value is not None else value,
            )
            for series, at_ms, _, value in self.latest.settle()
            if (slot := self._registry.slot_by_series(series)) is not None
        ]
        return Settled(fresh, drafts.changed, drafts.told, drafts.counted)

    # Reports

    def _take_report(self, connection: Connection, agent: AgentState, batch: Batch, message: Decoded) -> None:
        report = batch.report
        if report.count > MAX_COUNT:
            too_many = Undecodable(Reason.CONTRACT, f"count: {report.count}, at most {MAX_COUNT} are believed")
            self._take_undecodable(connection, agent, too_many, message)
            return
        epoch = self._ledger.epoch(connection, agent.id, agent.school_id, report.epoch)
        if epoch.numbers.touches(report.first, report.number):
            self._take_again(connection, agent, epoch, Seen(report.first, report.number, batch.digest), message)
            return
        readings = self._sort(connection, agent, report, message)
        if readings is not None:
            if report.outcomes:
                readings.told.extend(self._match(connection, agent, report.outcomes, message.arrival.received_ms))
            self._enter(agent, epoch, batch, readings, message)
            self._hear(agent, readings.span, message.arrival.received_ms)

    def _sort(self, connection: Connection, agent: AgentState, report: Report, message: Decoded) -> _Sorted | None:
        """Each reading where it goes; None if the batch is left for later."""
        batch_id = self._ledger.new_batch(connection)
        believed = plausible(message.arrival.received_ms)
        quick = straight(report, batch_id, agent.slots, believed)
        if quick is not None:
            return _Sorted(batch_id, *quick, self._place(connection, *quick), aside=[])
        slow = sifted(report, batch_id, partial(self._registry.slot, connection, agent), believed)
        if self._defer(agent, report, slow, message):
            return None
        return _Sorted(batch_id, slow.rows, slow.span, self._place(connection, slow.rows, slow.span), slow.aside)

    def _match(
        self, connection: Connection, agent: AgentState, outcomes: Sequence[Outcome], received_ms: int
    ) -> list[Told]:
        """Have commands that were given to this agent take over what it says of them."""
        told = commands.hear(connection, agent.id, outcomes, received_ms)
        self._drafts.told += told
        return told

    def _enter(self, agent: AgentState, epoch: Epoch, batch: Batch, readings: _Sorted, message: Decoded) -> None:
        """Into the ledger, to the latest values, and among the acknowledged."""
        report, rows, span = batch.report, readings.rows, readings.span
        counts = Counts(
            produced=report.count,
            accepted=len(rows) + len(report.events) + len(readings.told),
            quarantined=len(readings.aside),
            rejected=len(report.outcomes) - len(readings.told),
            given_up=sum([gap.count for gap in report.gaps]),
        )
        entry = Entry(
            id=readings.batch_id,
            first=report.first,
            number=report.number,
            digest=batch.digest,
            received_ms=message.arrival.received_ms,
            counts=counts,
            row_count=len(rows),
            checksum=readings.checksum,
            from_ms=span.from_ms if span else None,
            to_ms=span.to_ms if span else None,
        )
        self._ledger.enter(epoch, entry)
        self.latest.offer(rows)
        self.acks.commit(agent.address, report.epoch, report.first, report.number)
        self._drafts.counted.batches += 1
        self._drafts.counted.values += len(rows)
        if counts.accepted != counts.produced or report.events or report.outcomes:
            self._keep_rest(agent, report, readings, message)

    def _place(self, connection: Connection, rows: list[Row], span: Span | None) -> int:
        """Put rows to those of their days, in order; their checksum."""
        rows.sort()
        if span is None:
            return 0
        first, last = span.from_ms // DAY_MS, span.to_ms // DAY_MS
        if first == last:
            self._rows.add(connection, first, rows)
            return checksum.of_rows(rows)
        days: dict[int, list[Row]] = {}
        for row in rows:
            days.setdefault(row[1] // DAY_MS, []).append(row)
        for day, part in days.items():
            self._rows.add(connection, day, part)
        return checksum.combined(checksum.of_rows(part) for part in days.values())

    def _defer(self, agent: AgentState, report: Report, found: Sifted, message: Decoded) -> bool:
        """Leave a batch with undeclared readings for later, once: the inventory may be on its way.

        A broker keeps the order of one topic's messages alone.
        """
        key = (agent.id, report.epoch, report.number)
        if not found.undeclared or key in self._deferred:
            self._deferred.pop(key, None)
            self._early.pop(key, None)
            return False
        self._deferred[key] = None
        self._early[key] = message
        if len(self._early) > _MAX_EARLY:
            self._early.popitem(last=False)
        if len(self._deferred) > _MAX_DEFERRED:
            self._deferred.popitem(last=False)
        self._drafts.counted.deferred += 1
        return True

    def _take_deferred(self, connection: Connection, agent: AgentState) -> None:
        """What came before the inventory that declares all of it. The rest waits until its agent sends it again."""
        for key, message in list(self._early.items()):
            batch = message.content
            if key[0] != agent.id or not isinstance(batch, Batch):
                continue
            slot_of = partial(self._registry.slot, connection, agent)
            if not sifted(batch.report, 0, slot_of, plausible(message.arrival.received_ms)).undeclared:
                del self._early[key]
                self._deferred.pop(key, None)
                self._take_report(connection, agent, batch, message)

    def _take_again(
        self, connection: Connection, agent: AgentState, epoch: Epoch, again: Seen, message: Decoded
    ) -> None:
        """Numbers that were taken before: the same batch again, or another one under its number."""
        first, number = again.first, again.number
        seen = self._ledger.seen(connection, epoch, first, number)
        counted = self._drafts.counted
        if seen is None or (seen.digest, seen.first, seen.number) == (again.digest, first, number):
            counted.duplicates += 1
            if seen and seen.refused:
                self.acks.refuse(agent.address, epoch.epoch, number, seen.refused)
            else:
                self.acks.commit(agent.address, epoch.epoch, first, number)
            return
        counted.conflicts += 1
        self._ledger.conflict(epoch)
        detail = f"batch {number} of epoch {epoch.epoch} came again with other content"
        log.error("%s: %s", agent.address, detail)
        self._set_aside_message(
            Decoded(message.arrival, message.address, message.channel, Undecodable(Reason.CONFLICT, detail)), agent
        )
        self._note(agent, "batch-conflict", detail, message.arrival.received_ms)
        self.acks.refuse(agent.address, epoch.epoch, number, Reason.CONFLICT)

    def _take_undecodable(
        self, connection: Connection, agent: AgentState, fault: Undecodable, message: Decoded
    ) -> None:
        """Quarantine the whole payload; if its head can be trusted, account for it and tell the agent."""
        received_ms = message.arrival.received_ms
        told = decode_head(message.arrival.payload) if message.channel is Channel.REPORT else None
        items = 1
        if told is not None and told[1].count <= MAX_COUNT:
            digest, head = told
            epoch = self._ledger.epoch(connection, agent.id, agent.school_id, head.epoch)
            if epoch.numbers.touches(head.first, head.number):
                self._take_again(connection, agent, epoch, Seen(head.first, head.number, digest), message)
                return
            items = head.count
            counts = Counts(produced=items, quarantined=items)
            batch_id = self._ledger.new_batch(connection)
            self._ledger.enter(
                epoch, Entry(batch_id, head.first, head.number, digest, received_ms, counts, refused=fault.reason)
            )
            self.acks.refuse(agent.address, head.epoch, head.number, fault.reason)
        if fault.reason is Reason.VERSION:
            self._note(agent, "unknown-version", fault.detail, received_ms)
        self._set_aside_message(Decoded(message.arrival, message.address, message.channel, fault), agent, items)

    def _keep_rest(self, agent: AgentState, report: Report, readings: _Sorted, message: Decoded) -> None:
        """Events, outcomes, gaps, and readings that are not stored."""
        known = {each.command_id for each in readings.told}
        counted, received_ms = self._drafts.counted, message.arrival.received_ms
        owner = {"school_id": agent.school_id, "agent_id": agent.id, "batch_id": readings.batch_id}
        heard = {"received_ms": received_ms}
        self._drafts.events += [owner | heard | _fields(event) for event in report.events]
        self._drafts.outcomes += [
            owner | heard | _fields(outcome) | {"known": outcome.command_id in known} for outcome in report.outcomes
        ]
        self._drafts.gaps += [owner | _fields(gap) for gap in report.gaps]
        counted.events += len(report.events)
        counted.outcomes += len(report.outcomes)
        counted.rejected += len(report.outcomes) - len(readings.told)
        counted.given_up += sum([gap.count for gap in report.gaps])
        by_reason: dict[Reason, list[Aside]] = {}
        for each in readings.aside:
            by_reason.setdefault(each.reason, []).append(each)
        for reason, those in by_reason.items():
            counted.quarantined[reason] += len(those)
            self._quarantine.add(
                reason,
                message.arrival.topic,
                msgspec.json.encode([each[1:] for each in those[:_ASIDE_SHOWN]]),
                received_ms,
                detail=f"batch {report.number} of epoch {report.epoch}",
                item_count=len(those),
                school_id=agent.school_id,
                agent_id=agent.id,
            )

    # Presence

    def _take_status(self, connection: Connection, agent: AgentState, status: Status, message: Decoded) -> None:
        arrival = message.arrival
        if status.presence is Presence.ONLINE and not arrival.retained:
            self._look_for_twins(connection, agent, status, arrival.received_ms)
        if not presence.hear_status(agent, status, arrival.received_ms, retained=arrival.retained):
            return
        more = {"version": status.agent_version, "boot": status.boot, "clock_certain": status.clock_certain}
        if status.presence is Presence.ONLINE:
            more |= {"held_generation": status.lease_generation, "held_number": status.lease_number}
        self._registry.save_presence(connection, agent, more)
        self._drafts.changed.add(agent.id)
        if status.presence is not Presence.ONLINE:
            return
        self._registry.hear_config(connection, agent, status.config)
        if status.credentials != agent.login_number and renewals.used(connection, agent.id, status.credentials):
            agent.login_number = status.credentials
        for held in status.held:
            epoch = self._ledger.known_epoch(connection, agent.id, held.epoch)
            ranges = tuple(epoch.numbers) if epoch else ()
            refused = self._ledger.refusals(connection, epoch, MAX_RANGES) if epoch else ()
            self.acks.complete(agent.address, held.epoch, Complete(ranges, refused))

    def _look_for_twins(self, connection: Connection, agent: AgentState, status: Status, received_ms: int) -> None:
        """From the proof on nothing of either is taken until a person has parted them: both keep it on their disks."""
        was_doubled = agent.doubled
        if was_doubled and not self._registry.still_doubled(connection, agent):
            self._twins.forget(agent.id)
            self._held_back = {key for key in self._held_back if key[0] != agent.id}
        proof = self._twins.hear(agent.id, status)
        if proof and not agent.doubled:
            detail = "two live agents with one identity: nothing of theirs is taken until they are parted"
            log.error("%s: %s", agent.address, detail)
            self._note(agent, "doubled-identity", detail, received_ms)
        if proof or agent.doubled:
            self._registry.double(connection, agent, self._twins.sights(agent.id), received_ms)
            self._drafts.changed.add(agent.id)

    def _hold_back(self, agent: AgentState, message: Decoded) -> None:
        """No ack: its sender keeps it. One entry in the quarantine for each epoch shows what it is like."""
        content = message.content
        epoch = content.report.epoch if isinstance(content, Batch) else ""
        if (agent.id, epoch) not in self._held_back:
            self._held_back.add((agent.id, epoch))
            fault = Undecodable(Reason.DOUBLED, f"held back at its sender; epoch {epoch}")
            self._set_aside_message(Decoded(message.arrival, message.address, message.channel, fault), agent, 0)

    def _hear(self, agent: AgentState, span: Span | None, received_ms: int) -> None:
        if presence.hear_report(agent, span.to_ms if span else None, received_ms):
            self._drafts.changed.add(agent.id)
            self._drafts.heard[agent.id] = agent
        elif agent.heard_ms - agent.written_heard_ms >= _HEARD_EVERY_MS:
            self._drafts.heard[agent.id] = agent

    # Quarantine and notes

    def _set_aside_message(self, message: Decoded, agent: AgentState | None, items: int = 1) -> None:
        content, arrival = message.content, message.arrival
        if isinstance(content, Undecodable):
            reason, detail = content.reason, content.detail
        else:
            reason, detail = Reason.UNKNOWN_AGENT, f"no agent {message.address} is enrolled"
        self._drafts.counted.quarantined[reason] += items
        self._quarantine.add(
            reason,
            arrival.topic,
            arrival.payload,
            arrival.received_ms,
            detail=detail,
            item_count=items,
            school_id=agent.school_id if agent else None,
            agent_id=agent.id if agent else None,
        )

    def _note(self, agent: AgentState, kind: str, detail: str, now_ms: int) -> None:
        """An event of the controller's own."""
        self._drafts.events.append(
            {
                "school_id": agent.school_id,
                "agent_id": agent.id,
                "batch_id": None,
                "device": "",
                "kind": kind,
                "at_ms": now_ms,
                "received_ms": now_ms,
                "detail": detail,
            }
        )


def _fields(told: Event | Outcome | Gap) -> dict[str, object]:
    return {each.name: getattr(told, each.name) for each in fields(told)}
