"""The composition root: reads the configuration, wires the parts, runs them until told to stop."""

import gc
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from agent import VERSION
from agent.change import Change, Parts
from agent.clock import Clock
from agent.clock_keeper import ClockKeeper
from agent.commands import Commands
from agent.config import AgentConfig
from agent.connection import Broker
from agent.control import ControlServer
from agent.crew import Crew, make_bridge
from agent.devices import DeviceConfig
from agent.discovery import Discovery, at_serial_port
from agent.download import Source
from agent.errors import AgentError
from agent.identity import Identity
from agent.job_files import FOLDER, JobFiles
from agent.journal import Journal
from agent.keyring import Keyring
from agent.lease_watch import LeaseWatch
from agent.leases import LeaseKeeper
from agent.local import answer
from agent.outbox import Outbox
from agent.reclaim import Reclaim
from agent.recorder import Recorder
from agent.renewal import Renewal
from agent.roster import Roster, printable
from agent.service import Manager, Notifier
from agent.session import Copy, Listeners, Login
from agent.uplink import Uplink
from agent.worker import Worker
from contract.messages import BridgeState, Config, DeviceEntry, LeaseBook
from contract.model import ContractError, Event

BEAT_S = 5.0
COLLECT_S = 60.0
"""An agent makes so little garbage that Python by itself would leave it lying for hours, and memory would rise."""
LOOK_S = 300.0
"""How long a look for new devices may take before whoever asked for it is answered."""
_JOIN_S = 1.0
_log = logging.getLogger(__name__)


class Agent:
    """All parts of one agent. Raises CannotWrite or OSError when the state folder cannot be used at all."""

    def __init__(self, config: AgentConfig, clock: Clock, manager: Manager | None = None) -> None:
        self._config = config
        self._clock = clock
        state = config.state
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._clock_keeper = ClockKeeper(state, clock.boot)
        if self._clock_keeper.known:
            clock.resume(self._clock_keeper.known)
        self.outbox = Outbox(state / "outbox.db", clock.now_ms, config.limits)
        self.roster = Roster()
        self.recorder = Recorder(self.outbox, clock, config.flush_s, self._wake)
        self._keyring = Keyring(state, config.credentials)
        former = config.credentials.former
        self._leases = LeaseKeeper(
            state / "leases.json", config.address, config.lease_key, self.tell, former.lease_key if former else b""
        )
        self._crew = Crew(self.roster, hire=self._hire, entry=self._entry)
        self._files = JobFiles(state / FOLDER, config.job_source, config.job_room)
        self._renewal = Renewal(state, self._keyring, self._source, self._renewed, self._sign_in_anew)
        self._commands = Commands(
            self._crew,
            journal=Journal(state / "commands.journal"),
            leases=self._leases,
            files=self._files,
            recorder=self.recorder,
            clock=clock,
            online=lambda: self.uplink.in_touch,
        )
        self._watch = LeaseWatch(
            state,
            {device.id: device.profile for device in config.devices},
            leases=lambda: self._leases.leases,
            roster=self.roster,
            clock=clock,
            begin=self._commands.begin_own,
            tell=self.recorder.tell,
        )
        parts = Parts(self.recorder, self.outbox, self._files, self._crew, self._move, self._why_away)
        self._change = Change(config, parts, clock, self.tell)
        self.uplink = Uplink(
            config.broker,
            config.address,
            outbox=self.outbox,
            roster=self.roster,
            clock=clock,
            listeners=Listeners(
                order=self._commands.take,
                leases=self._take_leases,
                config=self._take_config,
                event=self.recorder.tell,
                credentials=self._take_number,
                answered=self._change.answered,
            ),
            book=self._leases.held,
            login=Login(self._keyring.login, lambda: self._keyring.in_use.number, self._keyring.refused),
            copy=_copy(config.identity),
            config=self._change.keeper.stand,
        )
        self._reclaim = Reclaim(lambda: self._change.now, self.outbox.epoch)
        self.discovery = Discovery(
            lambda: self._change.now.discovery,
            state,
            held=lambda: (device.endpoint for device in self._change.now.devices),
            publish=self.roster.find,
            plugged=self._plugged,
            tell=self.tell,
            clock=clock,
        )
        self._control = ControlServer(
            state,
            {
                "status": self._answer_status,
                "do": self._answer_do,
                "discover": self._answer_discover,
                "secret": self._answer_secret,
            },
        )
        self._manager = manager or Notifier()
        self._crew.follow(config.devices)

    def start(self) -> None:
        self.roster.changed = self._wake
        self.tell("agent-started", VERSION)
        self._commands.recover()
        self.recorder.start()
        self._change.begin()
        self.uplink.start()
        self._crew.start()
        self.discovery.start()
        self._control.start()
        self._manager.ready()

    def beat(self) -> None:
        """What is looked after every BEAT_S seconds, and when a lease ends."""
        jump = self._clock.jump()
        if jump:
            self.tell("clock-jump", f"{jump.by_ms} ms")
        self._clock_keeper.keep(self._clock.anchor)
        if self.uplink.refused and self._keyring.spent:
            self._reclaim.ask(self._clock.mono_ms())
        if self._change.look():
            self._watch.follow(self._crew.profiles)
            self._commands.call_off_dismissed()
            self.discovery.refresh()
        self._watch.look()
        self._crew.check_hung()
        self._commands.expire()
        if self._leases.write():
            self._wake()
        self._manager.alive()

    @property
    def reclaimed(self) -> bool:
        """Whether there are new credentials on disk, under this name or another."""
        return self._reclaim.done

    def rest_s(self) -> float:
        """How long until the next beat."""
        end_ms = self._watch.next_end_ms()
        return BEAT_S if end_ms is None else min(BEAT_S, (max(0, end_ms - self._clock.true_ms()) + 1) / 1000)

    def stop(self) -> None:
        """Write down what there is, say goodbye, let go. A device that hangs is not waited for."""
        if not self.reclaimed:  # else it goes on at once, under another name
            self._manager.ending()
        self._renewal.stop()
        self.discovery.stop()
        self._control.stop()
        self._commands.close()
        self._crew.stop(_JOIN_S)
        self.recorder.stop()
        self.uplink.stop()
        self.outbox.close()

    def tell(self, kind: str, detail: str) -> None:
        """An event of the agent itself."""
        self.recorder.tell(Event(kind, max(0, self._clock.now_ms()), detail=printable(detail)))

    def _plugged(self) -> None:
        """A port has come or gone: whoever hangs at one shall notice now."""
        for device in self._change.now.devices:
            worker = self._crew.get(device.id)
            if worker is not None and at_serial_port(device.endpoint):
                worker.wake()

    def _wake(self) -> None:
        self.uplink.wake()

    def _take_leases(self, book: LeaseBook) -> None:
        if self._leases.take(book):
            self._watch.look()

    def _take_config(self, config: Config) -> None:
        self._change.keeper.take(config)

    def _move(self, broker: Broker) -> None:
        self.uplink.move(broker)

    def _why_away(self) -> str:
        return self.uplink.figures().why

    def _take_number(self, wanted: int) -> None:
        """Which credentials the controller wants this agent to have, 0 for those it has."""
        self._files.source = self._source()
        if wanted > self._keyring.number or (wanted and not self._keyring.uses_newest):
            self._renewal.wanted(wanted)
        else:
            self._keyring.settle(self._leases.forget_former)

    def _source(self) -> Source:
        return replace(self._change.now.job_source, key=self._keyring.in_use.lease_key)

    def _renewed(self) -> None:
        self._leases.rekey(self._keyring.newest.lease_key)
        self.tell("credentials-renewed", str(self._keyring.number))
        self._sign_in_anew()

    def _sign_in_anew(self) -> None:
        self.uplink.reconnect()

    def _entry(self, device: DeviceConfig) -> DeviceEntry:
        return DeviceEntry(
            id=device.id,
            name=device.name,
            profile=device.profile.digest,
            state=BridgeState.STARTING,
            since_ms=max(0, self._clock.now_ms()),
            identity=device.endpoint,
            room=device.room or self._config.room,
        )

    def _hire(self, device: DeviceConfig) -> Worker:
        return Worker(
            device.id,
            device.profile,
            partial(make_bridge, device),
            recorder=self.recorder,
            roster=self.roster,
            clock=self._clock,
            carry_out=self._commands.carry_out,
            answered=self._watch.answered,
        )

    def _answer_status(self, _given: Mapping[str, Any]) -> Mapping[str, Any]:
        return {
            "version": VERSION,
            "process": os.getpid(),
            "address": str(self._config.address),
            "uplink": asdict(self.uplink.figures()),
            "outbox": asdict(self.outbox.figures()),
            "clock": {"certain": self._clock.certain, "offset_ms": self._clock.offset_ms},
            "config": asdict(self._change.keeper.stand()),
            "devices": [
                {**asdict(device), "polls": asdict(worker.polls)}
                for device in self.roster.inventory(self.outbox.epoch).devices
                if (worker := self._crew.get(device.id)) is not None
            ],
        }

    def _answer_discover(self, _given: Mapping[str, Any]) -> Mapping[str, Any]:
        ended = self.discovery.look(LOOK_S)
        return {"ended": ended, "found": [asdict(each) for each in self.discovery.found]}

    def _answer_do(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        return answer(given, self._crew.profiles, self._commands, self._clock.true_ms)

    def _answer_secret(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            self._change.keep_secret(str(given["device"]), str(given["option"]), str(given["text"]))
        except (AgentError, ContractError, OSError) as error:
            return {"refused": str(error)}
        return {"refused": ""}


def _copy(identity: Identity | None) -> Copy:
    return Copy() if identity is None else Copy(identity.instance, identity.facts())


def run(config: AgentConfig, *, die_with_parent: bool, ready: Callable[[], None] = lambda: None) -> bool:
    """Run until SIGTERM, SIGINT or, if wanted, until standard input closes; False then.

    True: it has new credentials. Read the configuration again and run on.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if die_with_parent:
        threading.Thread(target=_wait_for_end_of_input, args=(stop,), name="parent", daemon=True).start()
    return run_until(stop, config, Notifier(), ready)


def run_until(
    stop: threading.Event, config: AgentConfig, manager: Manager, ready: Callable[[], None] = lambda: None
) -> bool:
    """Run until `stop` is set, by whomever; False then. True: as with `run`."""
    agent = Agent(config, Clock(), manager)
    agent.start()
    gc.collect()
    gc.freeze()  # what is loaded stays: it need not be looked through each time
    ready()
    _log.info("agent %s of %s devices runs", config.address, len(config.devices))
    collected_s = time.monotonic()
    while not agent.reclaimed and not stop.wait(agent.rest_s()):
        try:
            agent.beat()
        except Exception:  # noqa: BLE001 - outermost loop: the next beat may do better
            _log.exception("fault in the beat")
        if time.monotonic() - collected_s >= COLLECT_S:
            gc.collect()
            collected_s = time.monotonic()
    agent.stop()
    return agent.reclaimed and not stop.is_set()


def _wait_for_end_of_input(stop: threading.Event) -> None:
    try:
        while os.read(0, 4096):
            pass
    except OSError:
        pass
    stop.set()
