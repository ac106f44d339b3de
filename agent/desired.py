"""What the controller wants this agent to be: taken whole or not at all, kept on disk, tried, and given up again.

A new configuration is on trial until the controller has answered under it; the one before stays on disk as the last
that was good. All of it is one file, replaced in one step: a crash at any point leaves one of the states of `Kept`.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from json import dumps
from pathlib import Path

from agent.files import replace_file
from agent.roster import printable
from contract.desired import ConfigStand, Rejection
from contract.messages import Config
from contract.model import ContractError
from contract.wire import decode

FILE = "desired.json"
NOTHING = Config(0, 0)
"""No controller ever wanted anything."""
MOST_STARTS = 3
"""An agent that was started so often under a trial, and never reached the controller, may die of it."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rejected:
    """The newest configuration that was not kept; an empty `how`: there was none."""

    generation: int = 0
    number: int = 0
    how: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """`good` was proven, `trial` (NOTHING: none) is in force and not proven yet, after so many `starts`."""

    good: Config = NOTHING
    trial: Config = NOTHING
    starts: int = 0
    rejected: Rejected = field(default_factory=Rejected)

    @property
    def on_trial(self) -> bool:
        return self.trial != NOTHING

    @property
    def in_force(self) -> Config:
        return self.trial if self.on_trial else self.good

    @property
    def newest(self) -> tuple[int, int]:
        """Generation and number of the newest that was heard, whatever became of it: none is taken twice."""
        heard = (self.good, self.trial, self.rejected)
        return max((each.generation, each.number) for each in heard)

    @property
    def stand(self) -> ConfigStand:
        now, no = self.in_force, self.rejected
        told = (no.generation, no.number, no.how, no.reason)
        return ConfigStand(now.generation, now.number, now.digest if now != NOTHING else "", self.on_trial, *told)


def taken(kept: Kept, config: Config) -> Kept:
    """A newer one that can be. Whoever changes no setting cannot be cut off, so devices alone are no trial."""
    if config.settings == kept.good.settings:
        return replace(kept, good=config, trial=NOTHING, starts=0)
    return replace(kept, trial=config, starts=1)


def rejected(kept: Kept, config: Config, how: Rejection, reason: str) -> Kept:
    """Refused as it came, or given up after its trial: then the last good one is in force again."""
    no = Rejected(config.generation, config.number, how, printable(reason))
    return replace(kept, rejected=no, trial=NOTHING if config == kept.trial else kept.trial, starts=0)


def proven(kept: Kept) -> Kept:
    return replace(kept, good=kept.trial, trial=NOTHING, starts=0) if kept.on_trial else kept


def begun(kept: Kept) -> Kept:
    """The agent starts again, with the trial it had."""
    if not kept.on_trial:
        return kept
    if kept.starts >= MOST_STARTS:
        reason = f"the agent was started {kept.starts} times without reaching the server"
        return rejected(kept, kept.trial, Rejection.ROLLED_BACK, reason)
    return replace(kept, starts=kept.starts + 1)


def read_kept(state: Path) -> Kept:
    """What is on disk; nothing if it cannot be read."""
    try:
        return decode(Kept, (state / FILE).read_bytes())
    except FileNotFoundError:
        return Kept()
    except (OSError, ContractError) as error:
        _log.warning("%s is passed over: %s", state / FILE, error)
        return Kept()


def write_kept(state: Path, kept: Kept) -> None:
    """In one step, and on disk. Raises OSError."""
    replace_file(state / FILE, dumps(asdict(kept), ensure_ascii=False).encode())


class DesiredKeeper:
    """Safe to use from any thread. Nothing is in force that is not on disk.

    `objection` says why a configuration cannot be, empty if it can; `apply` puts one in force; `tell` is given a stable
    code and a detail. A trial ends `patience_ms` after it began, by the clock `mono_ms`.
    """

    def __init__(
        self,
        state: Path,
        tell: Callable[[str, str], None],
        *,
        objection: Callable[[Config], str],
        apply: Callable[[Config], None],
        mono_ms: Callable[[], int],
        patience_ms: int,
    ) -> None:
        self._state = state
        self._tell = tell
        self._objection = objection
        self._apply = apply
        self._mono_ms = mono_ms
        self._patience_ms = patience_ms
        self._lock = threading.RLock()
        self._kept = read_kept(state)
        self._since_ms = mono_ms()
        self._unwritten = False

    @property
    def kept(self) -> Kept:
        return self._kept

    def stand(self) -> ConfigStand:
        return self._kept.stand

    def begin(self) -> None:
        """Call once, before anything is connected: another start is counted, and may be one too many."""
        with self._lock:
            self._move(begun(self._kept))

    def take(self, config: Config) -> None:
        """What came from the controller; an older one and one that was rejected are passed over."""
        with self._lock:
            if (config.generation, config.number) <= self._kept.newest:
                return
            why = self._objection(config)
            if why:
                self._move(rejected(self._kept, config, Rejection.REFUSED, why))
            elif self._move(taken(self._kept, config)):
                how = "on trial until the server answers" if self._kept.on_trial else "in force"
                self._tell("config-taken", f"{_edition(config)}, {how}")

    def reached(self) -> None:
        """The controller answered under what is in force."""
        with self._lock:
            if self._kept.on_trial and self._move(proven(self._kept)):
                self._tell("config-in-force", _edition(self._kept.good))

    def look(self, why: str) -> None:
        """Call now and then. `why` says what keeps the controller from answering; a trial may be over."""
        with self._lock:
            if self._unwritten:
                self._write(self._kept)
            if self._kept.on_trial and self._mono_ms() - self._since_ms >= self._patience_ms:
                reason = f"no answer from the server within {self._patience_ms // 1000} s: {why}"
                self._move(rejected(self._kept, self._kept.trial, Rejection.ROLLED_BACK, reason))

    def reapply(self) -> None:
        """Put in force again what is: something beside it has changed."""
        with self._lock:
            self._apply(self._kept.in_force)

    def _move(self, kept: Kept) -> bool:
        """Be in another state, on disk first. Whether it is: what the disk does not take, is not.

        But a way back to the controller is taken in any case, and written down later. What is rejected is told before:
        a crash tells it twice rather than never.
        """
        before = self._kept
        if kept == before:
            return False
        back = kept.rejected != before.rejected
        if back:
            self._tell(f"config-{kept.rejected.how}", f"{_edition(kept.rejected)}: {kept.rejected.reason}")
        if not self._write(kept) and not back:
            return False
        self._kept = kept
        if kept.trial != before.trial:
            self._since_ms = self._mono_ms()
        if kept.in_force != before.in_force:
            self._apply(kept.in_force)
        return True

    def _write(self, kept: Kept) -> bool:
        """A disk that takes nothing is told of once."""
        try:
            write_kept(self._state, kept)
        except OSError as error:
            if not self._unwritten:
                self._tell("config-not-written", str(error.strerror))
            self._unwritten = True
            return False
        self._unwritten = False
        return True


def _edition(config: Config | Rejected) -> str:
    return f"{config.generation}.{config.number}"
