"""Works a queue of deliveries off: at least once, never twice at a time. The table is the queue, and outlives us."""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from controller.notifications import timing
from controller.notifications.queue import Due, Queue, Tried
from controller.notifications.states import HOPELESS, DeliveryState, Result
from controller.notifications.timing import CHANNEL_PACE, Pace

AT_ONCE: Final = 4
"""Attempts at a time, each on another way."""
IN_VAIN_AT_ONCE: Final = 2
"""Of these on ways whose last attempt failed: however many receivers are dead or slow, the others find a place."""
_IDLE_S: Final = 2.0
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0
_GRACE_S: Final = 3.0
"""A stop waits so long for what is under way: what comes through by then is known to have, and not sent once more."""
_STOP_S: Final = 10.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Custom:
    """How a queue is worked off. `name` is its threads', for the log.

    An attempt is ours for `claim_ms`, longer than it can take. After `most_attempts` it is given up (None: only once it
    has run out), and at once after a result that is `hopeless`. `pace` is that of each way.
    """

    name: str
    claim_ms: int
    most_attempts: int | None = None
    hopeless: frozenset[str] = HOPELESS
    pace: Pace = CHANNEL_PACE


class Carrier:
    """One thread, and a few for attempts. What it does not get done is found again after a restart.

    `prepare` is called in each turn, before anything is sent, and says whether it did something. `send` makes the
    attempt at a delivery, and gives its code (`states.Result`).
    """

    def __init__(
        self,
        engine: Engine,
        queue: Queue,
        custom: Custom,
        *,
        prepare: Callable[[], bool],
        send: Callable[[int], str],
        now_ms: Callable[[], int],
        chance: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._queue = queue
        self._custom = custom
        self._prepare = prepare
        self._send = send
        self._now_ms = now_ms
        self._chance = chance
        self._under_way: list[tuple[Future[None], Due]] = []
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{custom.name}s", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No more attempts; waits a moment for those under way. May be called without a start."""
        self._stopping.set()
        self._wake.set()
        self._wait(_GRACE_S)

    def join(self) -> None:
        """Wait for those that somebody has cut off meanwhile."""
        self._wait(_STOP_S)

    def turn(self) -> bool:
        """A round, and wait for its attempts; whether there was anything to do. Raises SQLAlchemyError."""
        with ThreadPoolExecutor(AT_ONCE, self._custom.name) as pool:
            return self._round(pool)

    def _wait(self, limit_s: float) -> None:
        if self._thread.ident is not None:
            self._thread.join(limit_s)

    def _run(self) -> None:
        with ThreadPoolExecutor(AT_ONCE, self._custom.name) as pool:
            self._go_on(pool)

    def _go_on(self, pool: ThreadPoolExecutor) -> None:
        """Round after round, the next as soon as an attempt has ended: none waits for another."""
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            try:
                busy = self._round(pool)
            except SQLAlchemyError as error:
                _log.warning("%ss wait for the database: %s", self._custom.name, type(error).__name__)
            except Exception:  # noqa: BLE001 - outermost loop: the next turn may do better
                _log.exception("%ss go on after an error", self._custom.name)
            else:
                pause_s = _FIRST_PAUSE_S
                if not busy and self._wake.wait(_IDLE_S):
                    self._wake.clear()
                continue
            self._stopping.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _round(self, pool: ThreadPoolExecutor) -> bool:
        """Prepare, and begin attempts at what is due; whether there was anything to do."""
        prepared = self._prepare()
        with self._engine.begin() as connection:
            self._queue.give_up(connection, self._now_ms())
        claimed = self._claim()
        for each in claimed:
            attempt = pool.submit(self._attempt, each.id)
            self._under_way.append((attempt, each))
            attempt.add_done_callback(lambda _: self._wake.set())
        return bool(prepared or claimed)

    def _claim(self) -> Sequence[Due]:
        """The deliveries that are tried now, as many as find a place: durably ours before anything is sent."""
        self._under_way = [(attempt, each) for attempt, each in self._under_way if not attempt.done()]
        places = AT_ONCE - len(self._under_way)
        if places == 0:
            return ()
        now_ms = self._now_ms()
        in_vain = min(places, IN_VAIN_AT_ONCE - sum(each.in_vain for _, each in self._under_way))
        open_ms, until_ms = self._custom.pace.open_ms(now_ms), now_ms + self._custom.claim_ms
        claimed: list[Due] = []
        with self._engine.begin() as connection:
            well = self._queue.due(connection, now_ms, places, open_ms=open_ms, in_vain=False)
            bad = self._queue.due(connection, now_ms, in_vain, open_ms=open_ms, in_vain=True)
            for each in sorted((*well, *bad), key=lambda due: (due.tried_ms, due.id))[:places]:
                mark_ms = self._custom.pace.after_ms(each.paced_until_ms, now_ms)
                if mark_ms is not None and self._queue.claim(
                    connection, each, mark_ms=mark_ms, now_ms=now_ms, until_ms=until_ms
                ):
                    claimed.append(each)
        return claimed

    def _attempt(self, delivery_id: int) -> None:
        try:
            self._settle(delivery_id, self._send(delivery_id))
        except SQLAlchemyError as error:  # the claim runs out, and it is tried again
            _log.warning("an attempt at a %s could not be noted: %s", self._custom.name, type(error).__name__)
        except Exception:  # noqa: BLE001 - outermost loop of its thread: the others go on
            _log.exception("an attempt at a %s came to an error", self._custom.name)

    def _settle(self, delivery_id: int, result: str) -> None:
        now_ms = self._now_ms()
        with self._engine.begin() as connection:
            tried = self._queue.tried(connection, delivery_id)
            if result == Result.STOPPED:
                again = {"due_ms": tried.due_ms, "attempts": max(0, tried.attempts - 1)}
                self._queue.settle(connection, delivery_id, DeliveryState.WAITING, **again)
                return
            after = self._after(result, tried, now_ms)
            values: dict[str, object] = {"result": result}
            if after is DeliveryState.WAITING:
                values["due_ms"] = now_ms + timing.again_ms(tried.attempts, self._chance())
            else:
                values["ended_ms"] = now_ms
            self._queue.settle(connection, delivery_id, after, **values)
            if after is not DeliveryState.DROPPED:
                self._queue.note_result(connection, tried.way_id, result, now_ms)
        if after is DeliveryState.FAILED:
            _log.warning("%s %d was given up: %s", self._custom.name, delivery_id, result)

    def _after(self, result: str, tried: Tried, now_ms: int) -> DeliveryState:
        """What an attempt leads to."""
        if result == Result.SENT:
            return DeliveryState.SENT
        if result in (Result.REMOVED, Result.NOTHING):
            return DeliveryState.DROPPED
        most = self._custom.most_attempts
        over = now_ms >= tried.expires_ms or (most is not None and tried.attempts >= most)
        return DeliveryState.FAILED if over or result in self._custom.hopeless else DeliveryState.WAITING
