"""What a person sets for their own notifications, and what an administrator sees of all."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Engine
from sqlmodel import Session

from controller.identity import store as people
from controller.identity.policy import Principal
from controller.notifications import channels, store, timing
from controller.notifications.channels import ChannelKind, Installation
from controller.notifications.errors import KeyLost, NoSuchChannel, TooSoon, WrongField
from controller.notifications.outlet import Message, Outlet
from controller.notifications.readers import may_hear
from controller.notifications.sealing import Seal
from controller.notifications.sender import quiet_of
from controller.notifications.states import DeliveryState, Result
from controller.notifications.tables import Channel, Choice
from controller.notifications.timing import Quiet
from controller.notifications.topics import USUAL, Topic

MOST_CHANNELS: Final = 8
MOST_SHOWN: Final = 20
DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class ChannelView:
    """`result` is the last attempt's code, empty before the first."""

    id: int
    kind: ChannelKind
    hint: str
    tried_ms: int | None
    result: str


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """`news` is the bulletin's kind; `channel` is gone if its owner removed it."""

    id: int
    news: str
    channel: ChannelKind
    hint: str
    user: str
    state: DeliveryState
    created_ms: int
    due_ms: int
    ended_ms: int | None
    attempts: int
    result: str
    gone: bool


@dataclass(frozen=True, slots=True)
class SettingsView:
    """`topics` are those that come to this person, and whether they are wanted."""

    channels: Sequence[ChannelView]
    topics: Mapping[Topic, bool]
    quiet: Quiet | None
    history: Sequence[DeliveryView]


@dataclass(frozen=True, slots=True)
class Health:
    """How many deliveries are in each state, final ones of the last day. `oldest_ms`: since when the oldest is due."""

    counts: Mapping[DeliveryState, int]
    oldest_ms: int | None
    trouble: Sequence[DeliveryView]


class Notifications:
    """Safe to use from any thread. Each change is in the audit log: whose and of what kind, without secrets."""

    def __init__(self, engine: Engine, outlet: Outlet, seal: Seal, now_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._outlet = outlet
        self._seal = seal
        self._now_ms = now_ms

    @property
    def given(self) -> Installation:
        """What the administrator has set up for everybody."""
        return self._outlet.given

    def of(self, who: Principal) -> SettingsView:
        with Session(self._engine) as db:
            found = [_channel(each) for each in store.channels(db, [who.id])]
            choice = store.choices(db, [who.id]).get(who.id)
            wanted: Collection[str] = choice.topics if choice is not None else USUAL
            topics = {each: each in wanted for each in Topic if may_hear(who, each)}
            return SettingsView(found, topics, quiet_of(choice), self._shown(db, store.of_user(who.id)))

    def add(self, who: Principal, kind: ChannelKind, fields: Mapping[str, str], *, address: str = "") -> int:
        """A channel of one's own; its id. Raises WrongField. `address` is where the request came from, as below."""
        kept = channels.filled(kind, fields, self.given)
        sealed = self._seal.close(json.dumps(kept))
        with Session(self._engine) as db:
            if len(store.channels(db, [who.id])) >= MOST_CHANNELS:
                raise WrongField("", "too-many")
            added = Channel(
                user_id=who.id,
                kind=kind.value,
                hint=channels.hint(kind, kept)[:200],
                sealed=sealed,
                created_ms=self._now_ms(),
            )
            db.add(added)
            db.flush()
            channel_id = added.id or 0
            self._audit(db, who, "notification-channel-add", f"channel {channel_id}", address=address, detail=kind)
            db.commit()
            return channel_id

    def remove(self, who: Principal, channel_id: int, *, address: str = "") -> None:
        """Raises NoSuchChannel."""
        with Session(self._engine) as db:
            found = self._own(db, who, channel_id)
            store.remove(db, found, self._now_ms())
            self._audit(
                db, who, "notification-channel-remove", f"channel {channel_id}", address=address, detail=found.kind
            )
            db.commit()

    def choose(self, who: Principal, topics: Collection[Topic], quiet: Quiet | None, *, address: str = "") -> None:
        """What does not come to `who` at all stays as it was usual: a role may change."""
        wanted = {each for each in Topic if (each in topics if may_hear(who, each) else each in USUAL)}
        with Session(self._engine) as db:
            db.merge(
                Choice(
                    user_id=who.id,
                    topics=sorted(wanted),
                    quiet_from_min=quiet.from_min if quiet else None,
                    quiet_until_min=quiet.until_min if quiet else None,
                    changed_ms=self._now_ms(),
                )
            )
            hours = f" quiet {quiet.from_min}-{quiet.until_min}" if quiet else ""
            self._audit(
                db, who, "notification-choose", "", address=address, detail=f"{','.join(sorted(wanted))}{hours}"
            )
            db.commit()

    def test(self, who: Principal, channel_id: int, message: Message, *, address: str = "") -> str:
        """Send `message` now, whatever the hour; the attempt's code. Raises NoSuchChannel, TooSoon."""
        with Session(self._engine) as db:
            found = self._own(db, who, channel_id)
            kind, sealed = ChannelKind(found.kind), found.sealed
            mark_ms = timing.CHANNEL_PACE.after_ms(found.paced_until_ms, self._now_ms())
            if mark_ms is None or not store.QUEUE.pace(db.connection(), channel_id, found.paced_until_ms, mark_ms):
                raise TooSoon("this channel was used too often just now")
            db.commit()
        try:
            result = self._outlet.send(kind, json.loads(self._seal.open(sealed)), message)
        except KeyLost:
            result = Result.KEY_LOST
        with Session(self._engine) as db:
            store.QUEUE.note_result(db.connection(), channel_id, result, self._now_ms())
            self._audit(
                db, who, "notification-test", f"channel {channel_id}", address=address, detail=f"{kind}: {result}"
            )
            db.commit()
        return result

    # the queue

    def health(self, who: Principal) -> Health:
        """Of the deliveries in the scope of `who`."""
        with Session(self._engine) as db:
            counts, oldest_ms = store.health(db.connection(), who.scope, self._now_ms() - DAY_MS)
            return Health(counts, oldest_ms, self._shown(db, store.troubled(who.scope), 2 * MOST_SHOWN))

    def retry(self, who: Principal, delivery_id: int | None, *, address: str = "") -> int:
        """Try again what failed, one delivery or all in the scope of `who`; how many."""
        now_ms = self._now_ms()
        with Session(self._engine) as db:
            count = store.retry(db.connection(), who.scope, delivery_id, now_ms, now_ms + timing.GIVE_UP_MS)
            subject = "all" if delivery_id is None else f"delivery {delivery_id}"
            self._audit(db, who, "notification-retry", subject, address=address, detail=str(count))
            db.commit()
            return count

    def _own(self, db: Session, who: Principal, channel_id: int) -> Channel:
        found = store.channel(db, channel_id)
        if found is None or found.user_id != who.id:
            raise NoSuchChannel(f"no channel {channel_id}")
        return found

    def _shown(self, db: Session, whose: ColumnElement[bool], limit: int = MOST_SHOWN) -> list[DeliveryView]:
        found = store.history(db.connection(), whose, limit)
        names = people.names(db, {row.user_id for row in found})
        return [
            DeliveryView(
                id=row.id,
                news=row.news,
                channel=ChannelKind(row.channel),
                hint=row.hint,
                user=names.get(row.user_id, ""),
                state=DeliveryState(row.state),
                created_ms=row.created_ms,
                due_ms=row.due_ms,
                ended_ms=row.ended_ms,
                attempts=row.attempts,
                result=row.result,
                gone=row.removed_ms is not None,
            )
            for row in found
        ]

    def _audit(self, db: Session, who: Principal, action: str, subject: str, *, address: str, detail: str) -> None:
        people.audit(
            db,
            self._now_ms(),
            action,
            actor=who.id,
            subject=subject,
            school_id=who.school_id,
            address=address,
            detail=detail,
        )


def _channel(each: Channel) -> ChannelView:
    return ChannelView(each.id or 0, ChannelKind(each.kind), each.hint, each.tried_ms, each.result)
