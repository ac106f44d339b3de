"""An agent whom the broker no longer knows asks the controller why: its credentials may have been made anew.

So after two computers were found to live under one name: one keeps it, the other gets a name of its own.
"""

import logging
import random
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from agent.batches import BatchState
from agent.door import Door
from agent.enrol import Enrolled, read_enrolled
from agent.errors import AgentError
from agent.identity import keep_identity, new_identity
from agent.settle import settle

if TYPE_CHECKING:
    from agent.config import AgentConfig

_DOOR = "/api/v1/enrol/reclaim"
_FIRST_MS = 2_000
_LONGEST_MS = 300_000
_log = logging.getLogger(__name__)


class Reclaim:
    """Asks in a thread of its own, at growing intervals: whoever was revoked for good does no harm."""

    def __init__(self, config: Callable[[], "AgentConfig"], epoch: str) -> None:
        self._config = config
        self._epoch = epoch
        self._tries = 0
        self._next_ms = 0
        self._asking: threading.Thread | None = None
        self.done = False

    def ask(self, now_ms: int) -> None:
        """Returns at once; `done` tells when it was granted and is on disk. `now_ms` is monotonic."""
        busy = self._asking is not None and self._asking.is_alive()
        if busy or self.done or now_ms < self._next_ms or self._config().identity is None:
            return
        self._tries += 1
        wait_ms = min(_LONGEST_MS, _FIRST_MS * 2 ** min(self._tries, 10))
        self._next_ms = now_ms + round(wait_ms * random.uniform(0.5, 1.0))  # noqa: S311 - spreads the askers
        self._asking = threading.Thread(target=self._ask, name="reclaim", daemon=True)
        self._asking.start()

    def _ask(self) -> None:
        try:
            self.done = reclaim(self._config(), self._epoch)
        except (AgentError, OSError, sqlite3.Error) as error:
            _log.warning("no new credentials: %s", error)


def reclaim(config: "AgentConfig", epoch: str) -> bool:
    """Ask once, and write down what is granted. Raises AgentError, OSError, sqlite3.Error; then ask again later.

    The new key is shown before it is kept: an answer that gets lost is given again for the old one.
    """
    old = config.identity
    if old is None or not config.job_source.url:
        return False
    authority = Path(config.job_source.tls_ca).read_text("utf-8") if config.job_source.tls_ca else ""
    door = Door(config.job_source.url, authority)
    new = new_identity(old.salt)
    question = {
        "school": config.address.school,
        "agent": config.address.agent,
        "key": old.key,
        "new_key": new.key,
        "machine": old.facts(),
        "epoch": epoch,
    }
    answer = door.post(_DOOR, question)
    if answer.code != 201:
        _log.warning("no new credentials (%d): %s", answer.code, answer.reason)
        return False
    enrolled = read_enrolled(answer.given, door)
    _move(config, enrolled)
    keep_identity(config.state, new)
    settle(enrolled, config.source, config.state, moved=False)
    return True


def _move(config: "AgentConfig", enrolled: Enrolled) -> None:
    """Under a new name, what the controller has of the old one is not told again: it is that one's history."""
    if enrolled.address == config.address:
        return
    with closing(sqlite3.connect(config.state / "outbox.db", timeout=10)) as outbox, outbox:
        outbox.execute("DELETE FROM batch WHERE state = ?", (int(BatchState.ACKED),))
