"""What a school's administrator or technician sets: where it tells of what, and what became of it."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import Engine
from sqlmodel import Session

from controller.fleet.tables import School
from controller.identity.policy import Principal
from controller.identity.store import audit
from controller.notifications import channels, timing
from controller.notifications.channels import ChannelKind, Installation
from controller.notifications.errors import KeyLost, WrongField
from controller.notifications.sealing import Seal
from controller.notifications.states import DeliveryState, Result
from controller.webhooks import store
from controller.webhooks.errors import NoSuchWebhook, TestedTooOften, WrongWebhook
from controller.webhooks.events import Happening, put
from controller.webhooks.kinds import CHOICES, EventKind
from controller.webhooks.sender import CLAIM_MS, PACE, WebhookSender
from controller.webhooks.signing import new_secret
from controller.webhooks.tables import Webhook, WebhookDelivery

MOST: Final = 10
"""Webhooks of a school."""
MOST_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class HookView:
    """`host` is all that is shown of its address; `result` is the last attempt's code, empty before the first."""

    id: int
    host: str
    kinds: tuple[EventKind, ...]
    created_ms: int
    tried_ms: int | None
    result: str


@dataclass(frozen=True, slots=True)
class SentView:
    """A delivery. `event` is its id outside; `gone`: its webhook was removed."""

    id: int
    event: str
    kind: EventKind
    host: str
    state: DeliveryState
    created_ms: int
    due_ms: int
    ended_ms: int | None
    attempts: int
    result: str
    gone: bool


@dataclass(frozen=True, slots=True)
class Made:
    """A webhook with the secret that its receiver checks signatures with. Told once."""

    id: int
    secret: str = field(repr=False)


class Webhooks:
    """Safe to use from any thread. Every method raises NoSuchWebhook for a school outside of the asker's scope.

    Each change is in the audit log, without address and secret. `address` is where the request came from.
    """

    def __init__(
        self, engine: Engine, sender: WebhookSender, seal: Seal, given: Installation, now_ms: Callable[[], int]
    ) -> None:
        self._engine = engine
        self._sender = sender
        self._seal = seal
        self._given = given
        self._now_ms = now_ms

    @property
    def private(self) -> bool:
        """Whether addresses inside of the network may be told, and without TLS."""
        return self._given.private

    def of(self, who: Principal, school_id: str) -> Sequence[HookView]:
        with self._session(who, school_id) as db:
            return [_view(each) for each in store.hooks(db, school_id)]

    def recent(self, who: Principal, school_id: str, limit: int = MOST_SHOWN) -> Sequence[SentView]:
        """The newest deliveries."""
        with self._session(who, school_id) as db:
            return [
                SentView(
                    id=row.id,
                    event=row.uid,
                    kind=EventKind(row.kind),
                    host=row.hint,
                    state=DeliveryState(row.state),
                    created_ms=row.created_ms,
                    due_ms=row.due_ms,
                    ended_ms=row.ended_ms,
                    attempts=row.attempts,
                    result=row.result,
                    gone=row.removed_ms is not None,
                )
                for row in store.history(db.connection(), school_id, limit)
            ]

    def add(self, who: Principal, school_id: str, url: str, kinds: Collection[str], *, address: str = "") -> Made:
        """Raises WrongWebhook."""
        kept = checked_url(url, self._given)
        chosen = [kind for kind in CHOICES if kind in kinds]
        if not chosen or len(set(kinds)) != len(chosen):
            raise WrongWebhook("kinds", "unknown" if chosen else "empty")
        secret = new_secret()
        with self._session(who, school_id) as db:
            if len(store.hooks(db, school_id)) >= MOST:
                raise WrongWebhook("", "too-many")
            added = Webhook(
                school_id=school_id,
                hint=channels.hint(ChannelKind.WEBHOOK, {"url": kept})[:200],
                sealed=self._sealed(kept, secret),
                kinds=[kind.value for kind in chosen],
                by_id=who.id,
                created_ms=self._now_ms(),
            )
            db.add(added)
            db.flush()
            self._audit(db, who, "webhook-add", added, address=address, detail=",".join(added.kinds))
            db.commit()
            return Made(added.id or 0, secret)

    def renew(self, who: Principal, school_id: str, hook_id: int, *, address: str = "") -> Made:
        """Another secret; what is sent from now on is signed with it. Raises WrongWebhook if its address is lost."""
        secret = new_secret()
        with self._session(who, school_id) as db:
            hook = self._hook(db, school_id, hook_id)
            try:
                url = json.loads(self._seal.open(hook.sealed))["url"]
            except KeyLost:
                raise WrongWebhook("", "key-lost") from None
            hook.sealed = self._sealed(url, secret)
            db.add(hook)
            self._audit(db, who, "webhook-renew", hook, address=address)
            db.commit()
        return Made(hook_id, secret)

    def remove(self, who: Principal, school_id: str, hook_id: int, *, address: str = "") -> None:
        with self._session(who, school_id) as db:
            hook = self._hook(db, school_id, hook_id)
            store.remove(db, hook, self._now_ms())
            self._audit(db, who, "webhook-remove", hook, address=address)
            db.commit()

    def test(self, who: Principal, school_id: str, hook_id: int, *, address: str = "") -> str:
        """Send a test now, once; the attempt's code. Raises TestedTooOften."""
        now_ms = self._now_ms()
        with self._session(who, school_id) as db:
            hook = self._hook(db, school_id, hook_id)
            mark_ms = PACE.after_ms(hook.paced_until_ms, now_ms)
            if mark_ms is None or not store.QUEUE.pace(db.connection(), hook_id, hook.paced_until_ms, mark_ms):
                raise TestedTooOften("this webhook was used too often just now")
            delivery = WebhookDelivery(
                event_id=put(db.connection(), school_id, Happening(EventKind.TEST, {}), now_ms),
                webhook_id=hook_id,
                school_id=school_id,
                state=DeliveryState.SENDING,
                created_ms=now_ms,
                due_ms=now_ms,
                expires_ms=now_ms,  # nobody else takes it up: a test is made once
                claimed_until_ms=now_ms + CLAIM_MS,
                attempts=1,
            )
            db.add(delivery)
            db.commit()
            delivery_id = delivery.id or 0
        result = self._sender.attempt(delivery_id)
        with self._session(who, school_id) as db:
            after = DeliveryState.SENT if result == Result.SENT else DeliveryState.FAILED
            store.QUEUE.settle(db.connection(), delivery_id, after, result=result, ended_ms=self._now_ms())
            store.QUEUE.note_result(db.connection(), hook_id, result, self._now_ms())
            self._audit(db, who, "webhook-test", db.get_one(Webhook, hook_id), address=address, detail=result)
            db.commit()
        return result

    def retry(self, who: Principal, school_id: str, delivery_id: int, *, address: str = "") -> None:
        """Have one sent again that was given up: with its old id, so that a receiver knows it."""
        now_ms = self._now_ms()
        with self._session(who, school_id) as db:
            if not store.retry(db.connection(), school_id, delivery_id, now_ms, now_ms + timing.GIVE_UP_MS):
                raise NoSuchWebhook(f"no delivery {delivery_id} that was given up")
            subject = f"delivery {delivery_id}"
            audit(db, now_ms, "webhook-retry", actor=who.id, subject=subject, school_id=school_id, address=address)
            db.commit()

    def _session(self, who: Principal, school_id: str) -> Session:
        db = Session(self._engine)
        if not who.scope.covers(school_id) or db.get(School, school_id) is None:
            db.close()
            raise NoSuchWebhook(f"no school {school_id}")
        return db

    def _hook(self, db: Session, school_id: str, hook_id: int) -> Webhook:
        found = store.hook(db, hook_id)
        if found is None or found.school_id != school_id:
            raise NoSuchWebhook(f"no webhook {hook_id}")
        return found

    def _sealed(self, url: str, secret: str) -> str:
        return self._seal.close(json.dumps({"url": url, "secret": secret}))

    def _audit(self, db: Session, who: Principal, action: str, hook: Webhook, **more: str) -> None:
        subject, school_id = f"webhook {hook.id}", hook.school_id
        audit(db, self._now_ms(), action, actor=who.id, subject=subject, school_id=school_id, **more)


def checked_url(url: str, given: Installation) -> str:
    """An address that may be told. Raises WrongWebhook.

    Without TLS only where the administrator has allowed addresses inside of the network; when it is sent, such a one
    must lead there (`notifications.courier`).
    """
    fields: Mapping[str, str] = {"url": url}
    try:
        kept = channels.filled(ChannelKind.WEBHOOK, fields, given)["url"]
    except WrongField as wrong:
        raise WrongWebhook("url", wrong.code) from None
    if urlsplit(kept).scheme != "https" and not given.private:
        raise WrongWebhook("url", "scheme")
    return kept


def _view(each: Webhook) -> HookView:
    kinds = tuple(kind for kind in EventKind if kind in each.kinds)
    return HookView(each.id or 0, each.hint, kinds, each.created_ms, each.tried_ms, each.result)
