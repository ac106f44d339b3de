"""Looks at the live fleet of schools with webhooks, and has them told of what changed."""

import logging
import threading
from collections.abc import Callable
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from controller.fleet.live import LiveFleet
from controller.scope import Scope
from controller.webhooks import store
from controller.webhooks.events import happened
from controller.webhooks.watch import Note, changes

TURN_S: Final = 1.0
_STOP_S: Final = 5.0
_log = logging.getLogger(__name__)


class Watcher:
    """One thread. What was told is in the database: after a restart it tells what changed meanwhile, nothing twice."""

    def __init__(self, engine: Engine, live: LiveFleet, now_ms: Callable[[], int], new_id: Callable[[], str]) -> None:
        self._engine = engine
        self._live = live
        self._now_ms = now_ms
        self._new_id = new_id
        self._notes: dict[str, dict[str, Note]] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhook-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """May be called without a start."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(_STOP_S)

    def turn(self) -> None:
        """Look once. Without the broker nothing is known that could be told. Raises SQLAlchemyError."""
        if not self._live.broker:
            return
        with self._engine.connect() as connection:
            schools = store.watched(connection)
            if self._notes is None:
                self._notes = {school: dict(found) for school, found in store.notes(connection).items()}
        for school in [each for each in self._notes if each not in schools]:
            with self._engine.begin() as connection:
                store.forget_notes(connection, school)
            del self._notes[school]
        for school in sorted(schools):
            self._look(school, self._notes.setdefault(school, {}))

    def _look(self, school: str, notes: dict[str, Note]) -> None:
        scope, now_ms = Scope(school), self._now_ms()
        found = changes(notes, self._live.devices(scope), self._live.attention(scope), now_ms, self._new_id)
        if not found:
            return
        with self._engine.begin() as connection:
            store.write_notes(connection, school, found)
            for each in found:
                if each.told is not None:
                    happened(connection, school, each.told, now_ms)
        for each in found:
            if each.note is None:
                notes.pop(each.key, None)
            else:
                notes[each.key] = each.note

    def _run(self) -> None:
        while not self._stopping.wait(TURN_S):
            try:
                self.turn()
            except SQLAlchemyError as error:
                _log.warning("webhooks wait for the database: %s", type(error).__name__)
            except Exception:  # noqa: BLE001 - outermost loop: the next turn may do better
                _log.exception("watching for webhooks goes on after an error")
