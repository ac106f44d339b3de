"""Commands: judged, journalled, handed to their device's thread, carried out once at most, and their outcome told.

A crash at any point leaves the truth: before `accepted` is in the journal nothing was done and the controller asks
again; from then on until the end is in the journal it is unknown, and never begun again; after that it is told again.
"""

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from functools import partial

from agent.clock import Clock
from agent.errors import CannotWrite, NoFile
from agent.job_files import JobFiles
from agent.journal import Journal
from agent.leases import LeaseKeeper
from agent.recorder import Recorder
from agent.roster import printable
from agent.worker import Execute, Worker
from contract.lease import STOP, Circumstances, refusal
from contract.messages import Order
from contract.model import Command, CommandStatus, Event, Outcome, Value
from device_profiles.profile import DIGEST, PATH, Action
from firmware_bridges.base import BridgeError, Refused

LOCAL = "local-"
"""How the ids of commands begin that are given at the machine. They are told as events, not as outcomes."""
OWN = "own-"
"""How the ids of the agent's own commands begin. They need no lease, and are told as events."""
MAX_UNWRITTEN = 1_000
"""Outcomes that are remembered although the journal did not take them."""
_EVENTS: Mapping[str, str] = {LOCAL: "local-command", OWN: "own-command"}
_log = logging.getLogger(__name__)


class Commands:
    """`workers` may be filled after construction, before the first command. Safe to use from any thread.

    The detail of a refusal is a stable code: `no-such-device`, `no-such-action`, `bad-arguments`, `busy`,
    `journal`, `stopped` (a stop came before it began) or one of `contract.lease.refusal`.
    """

    def __init__(
        self,
        workers: Mapping[str, Worker],
        *,
        journal: Journal,
        leases: LeaseKeeper,
        files: JobFiles,
        recorder: Recorder,
        clock: Clock,
        online: Callable[[], bool],
    ) -> None:
        self._workers = workers
        self._journal = journal
        self._leases = leases
        self._files = files
        self._recorder = recorder
        self._clock = clock
        self._online = online
        self._lock = threading.Lock()
        self._waiting: dict[str, queue.SimpleQueue[Outcome]] = {}
        self._accepted: dict[str, Command] = {}
        """What has not begun. Who takes a command out of it, and nobody else, says what becomes of it."""
        self._unwritten: dict[str, Outcome] = {}
        self._closing = False

    def recover(self) -> None:
        """Call once before anything else: tell what a crash left untold, and as unknown what it cut short."""
        for outcome in self._journal.unfinished():
            cut_short = _forgotten(outcome.command_id)
            self._settle(cut_short, CommandStatus.UNKNOWN, "the agent ended while it was carried out")
        for outcome in self._journal.untold():
            self._tell(_forgotten(outcome.command_id), outcome)

    def take(self, order: Order) -> None:
        """A command from the controller. One that is known already is not begun again: its outcome is told again."""
        if _told_as(order.command):
            self._recorder.tell(Outcome(order.command.id, CommandStatus.REFUSED, self._now_ms(), "bad-arguments"))
            return
        self._begin(order.command)

    def begin_own(self, command: Command) -> None:
        """A command of the agent's own, with an id that begins with OWN."""
        self._begin(command)

    def run_local(self, command: Command, timeout_s: float) -> Outcome | None:
        """A command given at the machine; waits for its end. None if that did not come in time."""
        answers: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._waiting[command.id] = answers
        try:
            self._begin(command)
            return answers.get(timeout=timeout_s)
        except queue.Empty:
            return None
        finally:
            del self._waiting[command.id]

    def carry_out(self, command: Command, execute: Execute | None) -> None:
        """Called by the device's worker, in its thread."""
        if command.id not in self._accepted:
            return  # it ended while it waited
        why = self._objection(command)
        if why:
            self._call_off(command, *_refused(why))
        elif execute is None:
            self._call_off(command, CommandStatus.FAILED, "no contact")
        else:
            if not _told_as(command):
                self._recorder.tell(Outcome(command.id, CommandStatus.RUNNING, self._now_ms()))
            args = self._with_file(command)
            if args is not None and self._accepted.pop(command.id, None) is not None:
                self._execute(command, args, execute)

    def expire(self) -> None:
        """Call now and then: give up what waits for a device that hangs, or for its file, once its time is over."""
        now_ms = self._clock.true_ms()
        for command in tuple(self._accepted.values()):
            if command.expires_ms and now_ms >= command.expires_ms:
                self._call_off(command, CommandStatus.EXPIRED, "expired")

    def call_off_dismissed(self) -> None:
        """There are other devices now: what waits for one that is gone never begins."""
        for command in tuple(self._accepted.values()):
            if command.device not in self._workers:
                self._call_off(command, CommandStatus.REFUSED, "no-such-device")

    def close(self) -> None:
        """The agent ends: what has not begun never will, and no more is taken; the controller asks again."""
        self._closing = True
        for command in tuple(self._accepted.values()):
            self._call_off(command, CommandStatus.FAILED, "the agent ended before it began")

    def _with_file(self, command: Command) -> Mapping[str, Value] | None:
        """The arguments with the path of the job file, if there is one to have; None if the command ended here."""
        worker = self._workers.get(command.device)
        if worker is None or not worker.profile.actions[command.action].file:
            return command.args
        try:
            path = self._files.fetch(str(command.args[DIGEST]), command.device, partial(self._over, command))
        except NoFile as error:
            self._call_off(command, CommandStatus.FAILED, f"the job file: {error}")
            return None
        why = self._objection(command)  # that took its time
        if why:
            self._call_off(command, *_refused(why))
            return None
        return {**command.args, PATH: str(path)}

    def _over(self, command: Command) -> str:
        return "" if command.id in self._accepted else "it is not wanted any more"

    def _execute(self, command: Command, args: Mapping[str, Value], execute: Execute) -> None:
        try:
            execute(command.action, args)
        except Refused as error:
            self._settle(command, CommandStatus.REFUSED, str(error))
        except BridgeError as error:
            self._settle(command, CommandStatus.FAILED, str(error))
        except BaseException as error:
            self._settle(command, CommandStatus.FAILED, f"fault in the bridge: {type(error).__name__}")
            raise
        else:
            self._settle(command, CommandStatus.DONE, "")

    def _begin(self, command: Command) -> None:
        with self._lock:
            if self._closing:
                return
            known = self._journal.find(command.id)
            outcome = self._unwritten.get(command.id) or (known.outcome if known else None)
            if outcome:
                self._tell(command, outcome)
                return
            why = self._objection(command)
            if why:
                self._settle(command, *_refused(why))
                return
            accepted = Outcome(command.id, CommandStatus.ACCEPTED, self._now_ms())
            try:
                self._journal.enter(accepted)
            except CannotWrite as error:
                _log.warning("command %s refused: %s", command.id, error)
                refused = Outcome(command.id, CommandStatus.REFUSED, self._now_ms(), "journal")
                self._remember(refused)
                self._tell(command, refused)
                return
            self._accepted[command.id] = command
            if not _told_as(command):
                self._recorder.tell(accepted)
        if command.action == STOP:
            self._call_off_before(command)
        worker = self._workers.get(command.device)  # it may have been dismissed at this moment
        if worker is None or not worker.submit(command):
            self._call_off(command, CommandStatus.REFUSED, "busy" if worker else "no-such-device")

    def _call_off_before(self, stop: Command) -> None:
        """Who stops a machine does not want it to begin what it was told before."""
        for command in tuple(self._accepted.values()):
            if command.device == stop.device and command.action != STOP:
                self._call_off(command, CommandStatus.REFUSED, "stopped")

    def _call_off(self, command: Command, status: CommandStatus, detail: str) -> None:
        """End a command that has not begun, unless it did or ended at this moment."""
        if self._accepted.pop(command.id, None) is not None:
            self._settle(command, status, detail)

    def _objection(self, command: Command) -> str | None:
        worker = self._workers.get(command.device)
        if worker is None:
            return "no-such-device"
        action = worker.profile.actions.get(command.action)
        if action is None:
            return "no-such-action"
        if not _fits(action, command):
            return "bad-arguments"
        now_ms = self._clock.true_ms()
        if not action.guarded or command.id.startswith(OWN):
            return "expired" if command.expires_ms and now_ms >= command.expires_ms else None
        circumstances = Circumstances(self._clock.certain, self._online())
        return refusal(command, self._leases.leases, now_ms, circumstances)

    def _settle(self, command: Command, status: CommandStatus, detail: str) -> None:
        """Journal a final outcome, then tell it. If it cannot be journalled, a restart tells `unknown` as well."""
        outcome = Outcome(command.id, status, self._now_ms(), printable(detail))
        try:
            self._journal.enter(outcome)
        except CannotWrite as error:
            _log.warning("outcome of %s not journalled: %s", command.id, error)
            self._remember(outcome)
        self._tell(command, outcome)

    def _remember(self, outcome: Outcome) -> None:
        """What was told stays so while this process lives, also if the order comes again when the disk is mended."""
        while len(self._unwritten) >= MAX_UNWRITTEN:
            del self._unwritten[next(iter(self._unwritten))]
        self._unwritten[outcome.command_id] = outcome

    def _tell(self, command: Command, outcome: Outcome) -> None:
        final = outcome.status.final
        waiting = self._waiting.get(command.id)
        if waiting and final:
            waiting.put(outcome)
        event = _told_as(command)
        if not event:
            self._recorder.tell(outcome)
        elif final:
            detail = printable(f"{command.by}: {command.action}: {outcome.status} {outcome.detail}")
            self._recorder.tell(Event(event, outcome.at_ms, command.device, detail))
        entry = self._journal.find(command.id)
        if final and entry and entry.outcome == outcome and self._recorder.keep():
            try:
                self._journal.mark_told(command.id)
            except CannotWrite as error:
                _log.warning("outcome of %s will be told again: %s", command.id, error)

    def _now_ms(self) -> int:
        return max(0, self._clock.now_ms())


def _told_as(command: Command) -> str:
    """The event that tells of a command that the controller did not give; empty for one of its own."""
    return next((event for start, event in _EVENTS.items() if command.id.startswith(start)), "")


def _fits(action: Action, command: Command) -> bool:
    """Exactly the declared arguments, each of its kind."""
    if action.args.keys() != command.args.keys():
        return False
    return all(value is not None and action.args[name].holds(value) for name, value in command.args.items())


def _refused(why: str) -> tuple[CommandStatus, str]:
    return (CommandStatus.EXPIRED if why == "expired" else CommandStatus.REFUSED), why


def _forgotten(command_id: str) -> Command:
    """Stands for a command of which only the journal knows."""
    return Command(command_id, device="agent", action="forgotten")
