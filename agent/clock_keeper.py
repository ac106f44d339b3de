"""What the agent knows of the time, on disk: a restart of the agent in the same boot forgets nothing."""

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

from agent.clock import JUMP_MS, Anchor
from agent.files import replace_file
from contract.model import ContractError
from contract.wire import decode

FILE = "clock.json"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Noted:
    boot: str
    base_ms: int
    heard: bool


class ClockKeeper:
    """Keeps the anchor of the boot `boot`. `known` is the one on disk, None if there is none of this boot."""

    def __init__(self, state: Path, boot: str) -> None:
        self._path = state / FILE
        self._boot = boot
        self.known = _read(self._path, boot)

    def keep(self, anchor: Anchor) -> None:
        """Write it down if it says something new: seldom, for the sake of memory cards."""
        known = self.known
        if known and known.heard is anchor.heard and abs(known.base_ms - anchor.base_ms) < JUMP_MS:
            return
        try:
            replace_file(self._path, json.dumps(asdict(_Noted(self._boot, anchor.base_ms, anchor.heard))).encode())
        except OSError as error:
            _log.warning("the time is not written down: %s", error)
            return
        self.known = anchor


def _read(path: Path, boot: str) -> Anchor | None:
    try:
        noted = decode(_Noted, path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ContractError) as error:
        _log.warning("%s is passed over: %s", path, error)
        return None
    return Anchor(noted.base_ms, noted.heard) if noted.boot == boot else None
