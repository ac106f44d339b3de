"""Works a queue of deliveries off: at least once, never twice at a time. The table is the queue, and outlives us."""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from controller.notifications import timing
from controller.notifications.queue import Queue, Tried
from controller.notifications.states import HOPELESS, DeliveryState, Result

AT_ONCE: Final = 4
"""Attempts at a time, each on another way."""
_LOOK: Final = 200
_IDLE_S: Final = 2.0
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0
_STOP_S: Final = 10.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Custom:
    """How a queue is worked off. `name` is its threads', for the log.

    An attempt is ours for `claim_ms`, longer than it can take. After `most_attempts` it is given up (None: only once it
    has run out), and at once after a result that is `hopeless`. `paced` as `timing.paced_ms`.
    """

    name: str
    claim_ms: int
    most_attempts: int | None = None
    hopeless: frozenset[str] = HOPELESS
    paced: Callable[[int, int], int | None] = timing.paced_ms


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
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{custom.name}s", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No more turns; waits a while for the one under way. May be called without a start."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(_STOP_S)

    def turn(self) -> bool:
        """Prepare, and send what is due; whether there was anything. Raises SQLAlchemyError."""
        prepared = self._prepare()
        with self._engine.begin() as connection:
            self._queue.give_up(connection, self._now_ms())
        claimed = self._claim()
        if claimed:
            with ThreadPoolExecutor(AT_ONCE, self._custom.name) as pool:
                list(pool.map(self._attempt, claimed))
        return bool(prepared or claimed)

    def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            try:
                busy = self.turn()
            except SQLAlchemyError as error:
                _log.warning("%ss wait for the database: %s", self._custom.name, type(error).__name__)
            except Exception:  # noqa: BLE001 - outermost loop: the next turn may do better
                _log.exception("%ss go on after an error", self._custom.name)
            else:
                pause_s = _FIRST_PAUSE_S
                if not busy:
                    self._stopping.wait(_IDLE_S)
                continue
            self._stopping.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _claim(self) -> Sequence[int]:
        """The deliveries that are tried now: durably ours before anything is sent."""
        now_ms = self._now_ms()
        claimed: list[int] = []
        with self._engine.begin() as connection:
            for each in self._queue.due(connection, now_ms, _LOOK):
                mark_ms = self._custom.paced(each.paced_until_ms, now_ms)
                if mark_ms is None or len(claimed) >= AT_ONCE:
                    continue
                until_ms = now_ms + self._custom.claim_ms
                if self._queue.claim(connection, each, mark_ms=mark_ms, now_ms=now_ms, until_ms=until_ms):
                    claimed.append(each.id)
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
