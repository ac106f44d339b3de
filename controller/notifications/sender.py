"""Turns bulletins into deliveries, and sends them. The tables are the queue: at least once, never twice at a time."""

import json
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final, TypeAlias

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from controller.identity import store as people
from controller.identity.policy import Principal
from controller.notifications import store, timing
from controller.notifications.channels import ChannelKind
from controller.notifications.errors import KeyLost
from controller.notifications.outlet import WAIT_S, Message, Outlet
from controller.notifications.readers import may_hear, readers
from controller.notifications.sealing import Seal
from controller.notifications.states import HOPELESS, DeliveryState, Result
from controller.notifications.tables import Bulletin, Channel, Choice, Delivery
from controller.notifications.timing import Quiet
from controller.notifications.topics import ENDS_WITH_IT, TOPIC_OF, USUAL, Topic, matters_by_ms
from controller.scope import CLUSTER

AT_ONCE: Final = 4
"""Attempts at a time, each on another channel."""
SAME_MS: Final = 10 * 60_000
"""The same news to the same reader within this time is one."""
CLAIM_MS: Final = round(1000 * (2 * WAIT_S + 20))
"""How long an attempt is somebody's: longer than it can take, a refresh of tokens and a message."""
_LOOK: Final = 200
_IDLE_S: Final = 2.0
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0
_STOP_S: Final = 10.0
_SWEEP_MS: Final = 3_600_000
_DAY_MS: Final = 86_400_000
_log = logging.getLogger(__name__)

Compose: TypeAlias = Callable[[Bulletin, Principal], Message | None]
"""A bulletin in its reader's words; None if there is nothing to say of it any more."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is known of somebody when a bulletin is spread."""

    who: Principal
    channels: Sequence[Channel]
    choice: Choice | None

    def wants(self, topic: Topic) -> bool:
        return topic in (self.choice.topics if self.choice is not None else USUAL)

    @property
    def quiet(self) -> Quiet | None:
        return quiet_of(self.choice)


def quiet_of(choice: Choice | None) -> Quiet | None:
    """Somebody's quiet hours."""
    if choice is None or choice.quiet_from_min is None or choice.quiet_until_min is None:
        return None
    return Quiet(choice.quiet_from_min, choice.quiet_until_min)


class Sender:
    """One thread, and a few for attempts. What it does not get done is found again after a restart."""

    def __init__(
        self,
        engine: Engine,
        outlet: Outlet,
        seal: Seal,
        compose: Compose,
        *,
        zone: tzinfo,
        keep_days: int,
        now_ms: Callable[[], int],
        chance: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._outlet = outlet
        self._seal = seal
        self._compose = compose
        self._zone = zone
        self._keep_ms = keep_days * _DAY_MS
        self._now_ms = now_ms
        self._chance = chance
        self._swept_ms: int | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notifications", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End what is under way: it is tried again after the next start. May be called without a start."""
        self._stopping.set()
        self._outlet.close()
        if self._thread.ident is not None:
            self._thread.join(_STOP_S)

    def turn(self) -> bool:
        """Spread and send what is due; whether there was anything. Raises SQLAlchemyError."""
        self._sweep_now_and_then()
        spread = self._spread()
        with self._engine.begin() as connection:
            store.give_up(connection, self._now_ms())
        claimed = self._claim()
        if claimed:
            with ThreadPoolExecutor(AT_ONCE, "notification") as pool:
                list(pool.map(self._attempt, claimed))
        return bool(spread or claimed)

    def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            try:
                busy = self.turn()
            except SQLAlchemyError as error:
                _log.warning("notifications wait for the database: %s", type(error).__name__)
            except Exception:  # noqa: BLE001 - outermost loop: the next turn may do better
                _log.exception("notifications go on after an error")
            else:
                pause_s = _FIRST_PAUSE_S
                if not busy:
                    self._stopping.wait(_IDLE_S)
                continue
            self._stopping.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    # spreading

    def _spread(self) -> int:
        """Make deliveries of new bulletins, each in a transaction of its own; of how many."""
        with Session(self._engine) as db:
            found = store.unspread(db, _LOOK)
            readings = {each.id: self._readings(db, each) for each in found}
        for bulletin in found:
            with self._engine.begin() as connection:
                now_ms = self._now_ms()
                if store.take_to_spread(connection, bulletin.id or 0, now_ms):
                    for reading in readings[bulletin.id]:
                        self._deliver(connection, bulletin, reading, now_ms)
        return len(found)

    def _readings(self, db: Session, bulletin: Bulletin) -> Sequence[_Reading]:
        """Who is told of it: never who did it, and nobody without a channel."""
        topic = TOPIC_OF.get(bulletin.kind)
        if topic is None:
            return ()
        if bulletin.user_id is None:
            active = [people.principal(each) for each in people.staff(db, CLUSTER)]
            told = readers(bulletin.kind, bulletin.school_ids, active)
        else:
            user = people.user(db, bulletin.user_id)
            known = people.principal(user) if user is not None and not user.disabled else None
            told = [known] if known is not None and may_hear(known, topic) else []
        ids = [who.id for who in told if who.id != bulletin.by_id]
        choices, channels = store.choices(db, ids), store.channels(db, ids)
        found = [
            _Reading(who, [each for each in channels if each.user_id == who.id], choices.get(who.id))
            for who in told
            if who.id in ids
        ]
        return [each for each in found if each.channels and each.wants(topic)]

    def _deliver(self, connection: Connection, bulletin: Bulletin, reading: _Reading, now_ms: int) -> None:
        matters_ms = matters_by_ms(bulletin.kind, bulletin.detail)
        due_ms = timing.due_ms(now_ms, reading.quiet, self._zone, matters_ms)
        expires_ms = due_ms + timing.GIVE_UP_MS
        if matters_ms is not None and TOPIC_OF[bulletin.kind] in ENDS_WITH_IT:
            expires_ms = min(expires_ms, matters_ms)
        for channel in reading.channels:
            if store.was_sent(connection, channel.id or 0, bulletin.key, now_ms - SAME_MS):
                continue
            added = Delivery(
                bulletin_id=bulletin.id or 0,
                channel_id=channel.id or 0,
                school_id=bulletin.school_id,
                user_id=reading.who.id,
                key=bulletin.key,
                state=DeliveryState.WAITING,
                created_ms=now_ms,
                due_ms=due_ms,
                expires_ms=expires_ms,
            )
            store.add_delivery(connection, added)

    # sending

    def _claim(self) -> Sequence[int]:
        """The deliveries that are tried now: durably ours before anything is sent."""
        now_ms = self._now_ms()
        claimed: list[int] = []
        with self._engine.begin() as connection:
            for each in store.due(connection, now_ms, _LOOK):
                mark_ms = timing.paced_ms(each.paced_until_ms, now_ms)
                if mark_ms is None or len(claimed) >= AT_ONCE:
                    continue
                if store.claim(connection, each, mark_ms=mark_ms, now_ms=now_ms, until_ms=now_ms + CLAIM_MS):
                    claimed.append(each.id)
        return claimed

    def _attempt(self, delivery_id: int) -> None:
        try:
            with Session(self._engine, expire_on_commit=False) as db:
                delivery = db.get_one(Delivery, delivery_id)
                result = self._send(db, delivery)
            self._settle(delivery, result)
        except SQLAlchemyError as error:  # the claim runs out, and it is tried again
            _log.warning("an attempt at a notification could not be noted: %s", type(error).__name__)
        except Exception:  # noqa: BLE001 - outermost loop of its thread: the others go on
            _log.exception("an attempt at a notification came to an error")

    def _send(self, db: Session, delivery: Delivery) -> str:
        channel, bulletin = store.channel(db, delivery.channel_id), db.get_one(Bulletin, delivery.bulletin_id)
        user = people.user(db, delivery.user_id)
        if channel is None or user is None or user.disabled:
            return Result.REMOVED
        try:
            fields = json.loads(self._seal.open(channel.sealed))
        except KeyLost:
            return Result.KEY_LOST
        db.expunge_all()
        db.rollback()  # nobody waits for a connection while something is sent
        message = self._compose(bulletin, people.principal(user))
        return Result.NOTHING if message is None else self._outlet.send(ChannelKind(channel.kind), fields, message)

    def _settle(self, delivery: Delivery, result: str) -> None:
        now_ms, delivery_id = self._now_ms(), delivery.id or 0
        with self._engine.begin() as connection:
            if result == Result.STOPPED:
                again = {"due_ms": delivery.due_ms, "attempts": max(0, delivery.attempts - 1)}
                store.settle(connection, delivery_id, DeliveryState.WAITING, **again)
                return
            after = _after(result, delivery.expires_ms, now_ms)
            values: dict[str, object] = {"result": result}
            if after is DeliveryState.WAITING:
                values["due_ms"] = now_ms + timing.again_ms(delivery.attempts, self._chance())
            else:
                values["ended_ms"] = now_ms
            store.settle(connection, delivery_id, after, **values)
            if after is not DeliveryState.DROPPED:
                store.note_result(connection, delivery.channel_id, result, now_ms)
        if after is DeliveryState.FAILED:
            _log.warning("notification %d was given up: %s", delivery_id, result)

    def _sweep_now_and_then(self) -> None:
        now_ms = self._now_ms()
        if self._swept_ms is None or now_ms - self._swept_ms >= _SWEEP_MS:
            with self._engine.begin() as connection:
                store.forget(connection, now_ms - self._keep_ms)
            self._swept_ms = now_ms


def _after(result: str, expires_ms: int, now_ms: int) -> DeliveryState:
    """What an attempt leads to."""
    if result == Result.SENT:
        return DeliveryState.SENT
    if result in (Result.REMOVED, Result.NOTHING):
        return DeliveryState.DROPPED
    return DeliveryState.FAILED if result in HOPELESS or now_ms >= expires_ms else DeliveryState.WAITING
