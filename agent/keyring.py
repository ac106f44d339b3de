"""The agent's credentials while it runs: which are in use, and how new ones take the place of the old.

The old ones are kept until the broker has let the agent in with the new: a controller that was put back may not know
those.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from agent.config import Credentials, write_credentials
from agent.connection import Broker

_log = logging.getLogger(__name__)


class Keyring:
    """Safe to use from any thread."""

    def __init__(self, state: Path, credentials: Credentials) -> None:
        self._state = state
        self._newest = credentials
        self._in_use = credentials
        self._refused = False
        self._spent = False
        self._lock = threading.Lock()

    @property
    def number(self) -> int:
        """Of the newest there are."""
        return self._newest.number

    @property
    def newest(self) -> Credentials:
        return self._newest

    @property
    def in_use(self) -> Credentials:
        """What this connection was made with."""
        return self._in_use

    @property
    def uses_newest(self) -> bool:
        return self._in_use is self._newest

    @property
    def spent(self) -> bool:
        """Whether none of them let the agent in when they were tried last."""
        return self._spent

    def login(self, broker: Broker) -> Broker:
        """The broker as it is to be signed in to now: with the newest, and after a refusal with those before."""
        with self._lock:
            former = self._newest.former
            self._in_use = former if self._refused and former is not None else self._newest
            self._refused = False
            return replace(broker, username=self._in_use.user, password=self._in_use.password)

    def take(self, credentials: Credentials) -> None:
        """Keep new ones, on disk first, and use them from the next connection on. Raises OSError."""
        with self._lock:
            newest = replace(credentials, former=replace(self._in_use, former=None), address=self._newest.address)
            write_credentials(self._state, newest)
            self._newest = newest
            self._spent = False

    def refused(self) -> None:
        """The broker did not let the agent in with those in use."""
        with self._lock:
            self._refused = self._in_use is self._newest
            self._spent = not self._refused or self._newest.former is None

    def settle(self, ready: Callable[[bytes], bool]) -> None:
        """The newest were good. The former end once `ready` says that their key is no longer needed beside this one."""
        with self._lock:
            newest = self._newest
            if newest.former is None or self._in_use is not newest or not ready(newest.lease_key):
                return
            settled = replace(newest, former=None)
            try:
                write_credentials(self._state, settled)
            except OSError as error:
                _log.warning("the former credentials are still on disk: %s", error)
                return
            self._newest = self._in_use = settled
