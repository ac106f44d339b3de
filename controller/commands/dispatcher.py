"""Takes what is queued, lease books and configurations to the agents; ends what has waited too long."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import InterfaceError, OperationalError

from contract.lease import STOP
from contract.messages import Order, encode
from contract.model import Command, CommandStatus
from contract.topics import Address, Channel
from controller.commands import store
from controller.commands.moves import Move, Waiting, due
from controller.desired.post import ConfigPost
from controller.fleet import reach
from controller.fleet.reach import Station
from controller.ingest.observer import Fresh, Told
from controller.ingest.turn import generation
from controller.scheduling.leases import LeaseDesk

CALM_MS: Final = 5_000
"""How long it sleeps at the most: lease books come due by themselves, and a broker may be back unheard."""
MOST_AT_ONCE: Final = 1_000
"""Commands that one transaction changes at the most, so that nobody waits long for the database."""
_SPACING_S: Final = 0.05
"""Between two turns: a hundred agents that come at once are one turn's work."""
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 10.0
_STOP_S: Final = 10.0
_DAY_MS: Final = 86_400_000
_SWEEP_MS: Final = 3_600_000
_ENDS: Final[Mapping[Move, tuple[CommandStatus, str]]] = {
    Move.EXPIRE: (CommandStatus.EXPIRED, "expired"),
    Move.GIVE_UP: (CommandStatus.UNKNOWN, "silent"),
}
"""How the controller ends a command, and the code it gives for it."""
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Turn:
    """What one look at the tables found to do."""

    now_ms: int
    generation: int = 0
    stations: Mapping[int, Station] = field(default_factory=dict)
    to_send: list[Waiting] = field(default_factory=list)
    to_end: Mapping[Move, list[Waiting]] = field(default_factory=lambda: {move: [] for move in _ENDS})
    next_ms: int = 0


class Dispatcher:
    """One thread. The tables are the queue: it holds nothing that a crash could lose. An ingest Observer.

    Commands are forgotten `keep_days` after they were over; what was done stays in the audit log.
    """

    def __init__(
        self,
        engine: Engine,
        leases: LeaseDesk,
        now_ms: Callable[[], int],
        touched: Callable[[int], None],
        keep_days: int = 400,
    ) -> None:
        self._engine = engine
        self._leases = leases
        self._configs = ConfigPost(engine, now_ms)
        self._now_ms = now_ms
        self._touched = touched
        self._say: Callable[[Address, Channel, bytes], bool] = lambda _address, _channel, _payload: False
        self._keep_ms = keep_days * _DAY_MS
        self._swept_ms: int | None = None
        self._reached = False
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)

    def start(self, say: Callable[[Address, Channel, bytes], bool]) -> None:
        """Begin; `say` publishes to one agent and is False if the broker is not there.

        Nothing is said before `broker_connected` tells that it is.
        """
        self._say = say
        self._thread.start()

    def stop(self) -> None:
        """End the thread. May be called without a start."""
        self._stopping.set()
        self._woken.set()
        if self._thread.ident is not None:
            self._thread.join(_STOP_S)

    def wake(self) -> None:
        """There is something to do. From any thread."""
        self._woken.set()

    def registry_changed(self, agent_id: int) -> None:  # noqa: ARG002 - whose, the tables say
        self.wake()

    def values_committed(self, values: Sequence[Fresh]) -> None:
        pass

    def outcomes_committed(self, outcomes: Sequence[Told]) -> None:
        pass

    def broker_connected(self, connected: bool) -> None:
        self._reached = connected
        self._configs.connected()
        self.wake()

    def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            self._woken.clear()
            try:
                wait_ms = self._turn()
                self._sweep_now_and_then()
            except (OperationalError, InterfaceError) as error:
                _log.error("commands wait for the database: %s", error.orig)
            except Exception:  # noqa: BLE001 - outermost loop: the next turn may do better
                _log.exception("commands go on after an error")
            else:
                pause_s = _FIRST_PAUSE_S
                self._stopping.wait(_SPACING_S)
                self._woken.wait(wait_ms / 1000)
                continue
            self._stopping.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _turn(self) -> int:
        """Do what is due; for how many milliseconds there is nothing to do if nobody wakes it."""
        connected = self._reached and self._say_books() and self._say_configs()
        turn = self._look()
        for move, commands in turn.to_end.items():
            self._end(turn, move, commands[:MOST_AT_ONCE])
        if not connected or not self._send(turn, turn.to_send[:MOST_AT_ONCE]):
            return CALM_MS
        if max(len(turn.to_send), *map(len, turn.to_end.values())) > MOST_AT_ONCE:
            return 0
        return max(0, min(CALM_MS, turn.next_ms - self._now_ms()))

    def sweep(self) -> None:
        """Forget the commands that were over long ago. Raises SQLAlchemyError."""
        gone = MOST_AT_ONCE
        while gone == MOST_AT_ONCE and not self._stopping.is_set():
            with self._engine.begin() as connection:
                gone = store.forget(connection, self._now_ms() - self._keep_ms, MOST_AT_ONCE)

    def _sweep_now_and_then(self) -> None:
        now_ms = self._now_ms()
        if self._swept_ms is None or now_ms - self._swept_ms >= _SWEEP_MS:
            self.sweep()
            self._swept_ms = now_ms

    def _say_books(self) -> bool:
        """Lease books go first, so that a command finds its lease. False if the broker is not there."""
        books = self._leases.books_to_send()
        return all(self._say(address, Channel.LEASES, encode(book)) for address, book in books)

    def _say_configs(self) -> bool:
        return all(self._say(address, Channel.CONFIG, encode(config)) for address, config in self._configs.due())

    def _look(self) -> _Turn:
        turn = _Turn(now_ms := self._now_ms(), next_ms=now_ms + CALM_MS)
        with self._engine.connect() as connection:
            commands = store.open_commands(connection)
            if not commands:
                return turn
            turn.generation = generation(connection)
            turn.stations = reach.stations(connection, {command.agent_id for command in commands})
        for command in commands:
            found = due(command, turn.stations[command.agent_id], turn.generation, now_ms)
            if found.move in _ENDS:
                turn.to_end[found.move].append(command)
            elif found.move is Move.WAIT:
                turn.next_ms = min(turn.next_ms, found.until_ms)
            else:
                turn.to_send.append(command)
        turn.to_send.sort(key=lambda command: command.action != STOP)  # what was asked of a machine before is cut short
        return turn

    def _end(self, turn: _Turn, move: Move, commands: Sequence[Waiting]) -> None:
        if not commands:
            return
        with self._engine.begin() as connection:
            ended = store.conclude(connection, commands, *_ENDS[move], turn.now_ms)
        for device_id in {command.device_id for command in commands if command.id in ended}:
            self._touched(device_id)

    def _send(self, turn: _Turn, wanted: Sequence[Waiting]) -> bool:
        """Mark what is to be sent, durably, then send it: a crash in between costs a repetition and no more.

        False if the broker went at this moment: what it did not take is sent again in its time, as after a crash.
        """
        if not wanted:
            return True
        with self._engine.begin() as connection:
            marked = store.mark_sent(connection, [command.id for command in wanted], turn.now_ms)
            slugs = reach.slugs(connection, {command.device_id for command in wanted})
        commands = [command for command in wanted if command.id in marked]
        taken = all(self._publish(command, slugs[command.device_id], turn) for command in commands)
        for device_id in {command.device_id for command in commands if command.status is CommandStatus.QUEUED}:
            self._touched(device_id)
        return taken

    def _publish(self, command: Waiting, slug: str, turn: _Turn) -> bool:
        order = Command(
            id=command.id,
            device=slug,
            action=command.action,
            args=command.args,
            by=command.by_id,
            expires_ms=command.expires_ms,
        )
        address = turn.stations[command.agent_id].address
        return self._say(address, Channel.COMMAND, encode(Order(order, turn.generation)))
