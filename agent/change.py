"""Puts what the controller wants in force while the agent runs: settings at once, devices with the next beat.

No worker of a device that stays what it was is touched: opening a port resets many a machine, in mid-print too.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from agent.clock import Clock
from agent.config import AgentConfig
from agent.connection import Broker
from agent.crew import Crew
from agent.desired import DesiredKeeper
from agent.devices import keep_secret
from agent.download import Source, ask_who
from agent.errors import NoFile, WrongConfig
from agent.job_files import JobFiles
from agent.outbox import Outbox
from agent.recorder import Recorder
from contract.messages import Config

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What is changed. `why_away` says what keeps the controller from answering, `move` goes to another broker."""

    recorder: Recorder
    outbox: Outbox
    files: JobFiles
    crew: Crew
    move: Callable[[Broker], None]
    why_away: Callable[[], str]


class Change:
    """Safe to use from any thread, but for `begin` and `look`, which are the beat's. `told` is for events."""

    def __init__(self, config: AgentConfig, parts: Parts, clock: Clock, tell: Callable[[str, str], None]) -> None:
        self.now = config
        """The configuration that is in force."""
        self._followed = config
        self._parts = parts
        self._tell = tell
        self._heard = False
        self._asking: threading.Thread | None = None
        self._silent = ""
        self.keeper = DesiredKeeper(
            config.state,
            tell,
            objection=self._objection,
            apply=self._apply,
            mono_ms=clock.mono_ms,
            patience_ms=config.rollback_ms,
        )
        good = config.given.under_what_can_be(self.keeper.kept.good)
        self._server_proven = good.job_source.url

    def begin(self) -> None:
        """Before anything is connected."""
        self.keeper.begin()

    def answered(self, broker: Broker) -> None:
        """The controller acknowledged something over that broker."""
        if self.keeper.kept.on_trial and broker.same_way(self.now.broker):
            self._heard = True
            self._prove()

    def look(self) -> bool:
        """What a beat looks after; whether there are other devices now."""
        if self.keeper.kept.on_trial:
            self._prove()
        self.keeper.look(self._parts.why_away() or self._silent or "it says nothing")
        now = self.now
        if now is self._followed:
            return False
        self._followed = now
        return self._parts.crew.follow(now.devices)

    def keep_secret(self, device: str, option: str, text: str) -> None:
        """Keep it, and use it from the next beat on. Raises as `agent.devices.keep_secret`."""
        keep_secret(self.now.state, device, option, text)
        self.keeper.reapply()

    def _objection(self, config: Config) -> str:
        try:
            self.now.given.under(config)
        except WrongConfig as error:
            return str(error)
        return ""

    def _apply(self, config: Config) -> None:
        before, self.now = self.now, self.now.given.under_what_can_be(config)
        self._heard = False
        now, parts = self.now, self._parts
        for device in now.given.shadowed(config):
            self._tell("device-shadowed", f"{device} is in agent.toml too, which counts")
        for key in now.given.overridden(config):
            self._tell("setting-shadowed", f"{key} is set in the environment, which counts")
        parts.recorder.flush_s = now.flush_s
        parts.outbox.limits = now.limits
        parts.files.room = now.job_room
        parts.files.source = replace(parts.files.source, url=now.job_source.url)
        if now.broker != before.broker:
            parts.move(now.broker)

    def _prove(self) -> None:
        """Both ways must be good. A server at a new address is asked, in a thread of its own, whether it knows us."""
        source = self._parts.files.source
        if source.url == self._server_proven:
            if self._heard:
                self.keeper.reached()
        elif self._asking is None or not self._asking.is_alive():
            self._asking = threading.Thread(target=self._ask, args=(source,), name="server", daemon=True)
            self._asking.start()

    def _ask(self, source: Source) -> None:
        try:
            ask_who(source)
        except NoFile as error:
            self._silent = str(error)
            _log.warning("the server is not proven: %s", error)
        else:
            self._silent, self._server_proven = "", source.url
