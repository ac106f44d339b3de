"""What the controller wants this agent's settings to be: kept on disk, in force from the next start."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from agent.files import replace_file
from contract.messages import Config, encode
from contract.model import ContractError, Value
from contract.wire import decode

FILE = "desired.json"
KEYS = frozenset({"flush_s", "outbox.budget_mb", "outbox.kept_mb", "outbox.kept_h", "broker.keepalive_s"})
"""What the controller may set. Not where the broker is: a slip would cut the agent off for good."""
_log = logging.getLogger(__name__)


def read_desired(state: Path) -> Config | None:
    """The newest that was heard; None if there is none that can be read."""
    try:
        return decode(Config, (state / FILE).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ContractError) as error:
        _log.warning("%s is passed over: %s", state / FILE, error)
        return None


def settings(config: Config | None) -> Mapping[str, Value]:
    """Those of its settings that a controller may set."""
    return {key: value for key, value in config.settings.items() if key in KEYS} if config else {}


class DesiredKeeper:
    """Keeps the newest. `tell` is given a stable code and a detail."""

    def __init__(self, state: Path, tell: Callable[[str, str], None]) -> None:
        self._path = state / FILE
        self._tell = tell
        self._config = read_desired(state)

    def take(self, config: Config) -> None:
        known = self._config
        if known is not None and (config.generation, config.number) <= (known.generation, known.number):
            return
        unknown = sorted(config.settings.keys() - KEYS)
        if unknown:
            self._tell("config-refused", f"not for the controller to set: {', '.join(unknown)[:200]}")
        try:
            replace_file(self._path, encode(config))
        except OSError as error:
            self._tell("config-refused", f"cannot be written: {error.strerror}")
            return
        self._config = config
        if settings(config) != settings(known):
            self._tell("config-taken", f"{config.generation}.{config.number}, in force from the next start")
