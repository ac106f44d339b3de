"""Sends what webhooks are told: see `notifications.carrier`."""

import json
from collections.abc import Callable
from typing import Final

from sqlalchemy import Engine
from sqlmodel import Session

from controller.notifications.carrier import Carrier, Custom
from controller.notifications.errors import KeyLost
from controller.notifications.outlet import WAIT_S, Outlet
from controller.notifications.sealing import Seal
from controller.notifications.states import HOPELESS, Result
from controller.notifications.timing import Pace
from controller.webhooks import store
from controller.webhooks.body import body
from controller.webhooks.signing import headers
from controller.webhooks.tables import WebhookDelivery, WebhookEvent

MOST_ATTEMPTS: Final = 10
"""Over at most 24 hours, by `timing.again_ms`; then it is given up, and can be sent again by hand."""
CLAIM_MS: Final = round(1000 * (WAIT_S + 20))
GONE: Final = "http-410"
"""The receiver says that it will never want it."""
PACE: Final = Pace(1_000, burst=60)
_SWEEP_MS: Final = 3_600_000
_DAY_MS: Final = 86_400_000


class WebhookSender:
    """Carries deliveries, and forgets those that ended `keep_days` ago."""

    def __init__(
        self,
        engine: Engine,
        outlet: Outlet,
        seal: Seal,
        *,
        keep_days: int,
        now_ms: Callable[[], int],
        chance: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._outlet = outlet
        self._seal = seal
        self._keep_ms = keep_days * _DAY_MS
        self._now_ms = now_ms
        self._swept_ms: int | None = None
        self._carrier = Carrier(
            engine,
            store.QUEUE,
            Custom("webhook", CLAIM_MS, MOST_ATTEMPTS, HOPELESS | {GONE}, PACE),
            prepare=self._sweep_now_and_then,
            send=self.attempt,
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
        """Send what is due; whether there was anything. Raises SQLAlchemyError."""
        return self._carrier.turn()

    def attempt(self, delivery_id: int) -> str:
        """Send it once, signed with the time of this attempt; its code."""
        with Session(self._engine) as db:
            delivery = db.get_one(WebhookDelivery, delivery_id)
            hook = store.hook(db, delivery.webhook_id)
            event = db.get_one(WebhookEvent, delivery.event_id)
            if hook is None:
                return Result.REMOVED
            content = body(event.uid, event.at_ms, event.school_id, event.kind, event.data)
            uid, sealed = event.uid, hook.sealed
        try:
            kept = json.loads(self._seal.open(sealed))
        except KeyLost:
            return Result.KEY_LOST
        at_s = self._now_ms() // 1000
        return self._outlet.post(kept["url"], content, headers(kept["secret"], uid, at_s, content))

    def _sweep_now_and_then(self) -> bool:
        now_ms = self._now_ms()
        if self._swept_ms is None or now_ms - self._swept_ms >= _SWEEP_MS:
            with self._engine.begin() as connection:
                store.forget(connection, now_ms - self._keep_ms)
            self._swept_ms = now_ms
        return False
