"""What was heard at serial ports, kept on disk: each is opened once, and not again because the agent restarts."""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from agent.files import replace_file
from contract.found import Clue
from contract.model import ContractError
from contract.wire import decode

FILE: Final = "discovery.json"
MOST: Final = 200
"""Ports that are remembered; the oldest is forgotten."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard, by the key of the evidence; an empty row: nothing was said."""

    ports: Mapping[str, tuple[Clue, ...]] = field(default_factory=dict)


def read_heard(state: Path) -> Heard:
    try:
        return decode(Heard, (state / FILE).read_bytes())
    except FileNotFoundError:
        return Heard()
    except (OSError, ContractError) as error:
        _log.warning("%s is passed over: %s", state / FILE, error)
        return Heard()


def with_heard(known: Heard, key: str, clues: tuple[Clue, ...]) -> Heard:
    others = [(each, heard) for each, heard in known.ports.items() if each != key]
    return Heard(dict([*others[-MOST + 1 :], (key, clues)]))


def write_heard(state: Path, heard: Heard) -> None:
    """A disk that takes nothing costs a second listening, no more."""
    try:
        replace_file(state / FILE, json.dumps(asdict(heard)).encode())
    except OSError as error:
        _log.warning("%s cannot be written: %s", state / FILE, error.strerror)
