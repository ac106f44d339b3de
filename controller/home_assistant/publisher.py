"""Keeps the broker telling Home Assistant what the live fleet is."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from controller.fleet.live import LiveFleet
from controller.home_assistant import store
from controller.home_assistant.discovery import AVAILABLE, CONFIGS, appliance, available, configs, values
from controller.home_assistant.pace import Pace
from controller.home_assistant.shelf import Shelf
from controller.ingest.observer import Unobserved
from controller.scope import Scope

ECHOES: Final = (CONFIGS, AVAILABLE)
TURN_S: Final = 2.0
SETTLE_MS: Final = 3_000
"""After a connection the broker first says what it holds."""
MOST: Final = 1_000
"""Messages of one turn: agents share the broker."""
_STOP_S: Final = 5.0
_log = logging.getLogger(__name__)

Tell: TypeAlias = Callable[[str, bytes], bool]
"""Retains a message at the broker; False if it is not there."""


class Publisher(Unobserved):
    """One thread. Schools that are switched on are told of, and nothing else lies at the broker."""

    def __init__(self, engine: Engine, live: LiveFleet, now_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._live = live
        self._now_ms = now_ms
        self._shelf = Shelf()
        self._pace = Pace()
        self._echoed: deque[tuple[str, bytes]] = deque()
        self._connected_ms: int | None = None
        self._fresh = False
        self._tell: Tell = lambda _topic, _payload: False
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="home-assistant", daemon=True)

    def start(self, tell: Tell) -> None:
        self._tell = tell
        self._thread.start()

    def stop(self) -> None:
        """What is retained stays: values run out by themselves. May be called without a start."""
        self._stopping.set()
        self._woken.set()
        if self._thread.ident is not None:
            self._thread.join(_STOP_S)

    def wake(self) -> None:
        """Something was switched: look at once."""
        self._woken.set()

    def echo(self, topic: str, payload: bytes) -> None:
        """The broker says what lies there. From the link's thread."""
        self._echoed.append((topic, payload))

    def broker_connected(self, connected: bool) -> None:
        self._fresh = True
        self._connected_ms = self._now_ms() if connected else None

    def turn(self) -> int:
        """Tell what is new; how many messages that were. Raises SQLAlchemyError."""
        if self._fresh:
            self._fresh = False
            self._shelf.forget()
            self._pace = Pace()
        for _ in range(len(self._echoed)):
            self._shelf.heard(*self._echoed.popleft())
        since_ms = self._connected_ms
        if since_ms is None or self._now_ms() < since_ms + SETTLE_MS:
            return 0
        return self._tell_all()

    def _tell_all(self) -> int:
        wanted: dict[str, bytes] = {}
        told: dict[str, bytes] = {}
        for school, language in store.languages(self._engine).items():
            for sheet in self._live.sheets(Scope(school)):
                if sheet.present:
                    device = appliance(sheet, language)
                    wanted |= configs(device)
                    wanted[device.available_topic] = available(sheet.view.state)
                    told[device.state_topic] = values(device, sheet)
        count = 0
        for topic, payload in self._shelf.changes(wanted):
            count += 1
            if not self._tell(topic, payload) or count >= MOST:
                return count  # without a broker all is told anew; beyond that, at the next turn
        self._pace.keep(told)
        now_ms = self._now_ms()
        for topic, payload in told.items():
            if self._pace.due(topic, payload, now_ms):
                count += 1
                self._tell(topic, payload)
        return count

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._woken.wait(TURN_S)
            self._woken.clear()
            if self._stopping.is_set():
                return
            try:
                self.turn()
            except SQLAlchemyError as error:
                _log.warning("Home Assistant waits for the database: %s", type(error).__name__)
            except Exception:  # noqa: BLE001 - outermost loop: the next turn may do better
                _log.exception("telling Home Assistant goes on after an error")
