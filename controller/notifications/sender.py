"""Turns bulletins into deliveries, and sends them: at least once, never twice at a time."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final, TypeAlias

from sqlalchemy import Connection, Engine
from sqlmodel import Session

from controller.identity import store as people
from controller.identity.policy import Principal
from controller.notifications import store, timing
from controller.notifications.carrier import Carrier, Custom
from controller.notifications.channels import ChannelKind
from controller.notifications.errors import KeyLost
from controller.notifications.outlet import WAIT_S, Message, Outlet
from controller.notifications.readers import may_hear, readers
from controller.notifications.sealing import Seal
from controller.notifications.states import DeliveryState, Result
from controller.notifications.tables import Bulletin, Channel, Choice, Delivery
from controller.notifications.timing import Quiet
from controller.notifications.topics import ENDS_WITH_IT, TOPIC_OF, USUAL, Topic, matters_by_ms
from controller.scope import CLUSTER

SAME_MS: Final = 10 * 60_000
"""The same news to the same reader within this time is one."""
CLAIM_MS: Final = round(1000 * (3 * WAIT_S + 20))
"""How long an attempt is somebody's: longer than it can take, a wait for tokens, their refresh and a message."""
_LOOK: Final = 200
_SWEEP_MS: Final = 3_600_000
_DAY_MS: Final = 86_400_000

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
    """Bulletins are spread, and their deliveries carried. What it does not get done is found after a restart."""

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
        self._swept_ms: int | None = None
        self._carrier = Carrier(
            engine,
            store.QUEUE,
            Custom("notification", CLAIM_MS),
            prepare=self._prepare,
            send=self._attempt,
            now_ms=now_ms,
            chance=chance,
        )

    def start(self) -> None:
        self._carrier.start()

    def stop(self) -> None:
        """What does not end in a moment is tried again after the next start. May be called without a start."""
        self._carrier.stop()
        self._outlet.close()
        self._carrier.join()

    def turn(self) -> bool:
        """Spread and send what is due; whether there was anything. Raises SQLAlchemyError."""
        return self._carrier.turn()

    def _prepare(self) -> bool:
        self._sweep_now_and_then()
        return self._spread() > 0

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

    def _attempt(self, delivery_id: int) -> str:
        with Session(self._engine, expire_on_commit=False) as db:
            return self._send(db, db.get_one(Delivery, delivery_id))

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

    def _sweep_now_and_then(self) -> None:
        now_ms = self._now_ms()
        if self._swept_ms is None or now_ms - self._swept_ms >= _SWEEP_MS:
            with self._engine.begin() as connection:
                store.forget(connection, now_ms - self._keep_ms)
            self._swept_ms = now_ms
