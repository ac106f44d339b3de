"""A seed: what an image of a disk carries so that each copy of it enrols by itself when it first starts.

It is sown into the state folder of the master, or laid as a file on the boot partition of a card, which any computer
can write.
"""

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from agent.config import CREDENTIALS
from agent.errors import WrongConfig
from agent.files import hand_over, replace_file

SEED = "seed.json"
CARD = "fabfleet-seed.toml"
"""The file's name on a boot partition."""
PARTITIONS = (Path("/boot/firmware"), Path("/boot"))
"""Where boot partitions are mounted: by Raspberry Pi OS since bookworm, and by everything else."""
_KEYS = ("url", "token", "name_from", "name")
_SOURCES = ("hostname", "serial")


@dataclass(frozen=True, slots=True)
class Seed:
    """`name_from` is hostname or serial; a `name` is for one copy. No key and no identity: each copy makes its own."""

    url: str
    token: str = field(repr=False)
    name_from: str = "hostname"
    name: str = ""


def sow(state: Path, seed: Seed) -> None:
    """Raises OSError."""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace_file(state / SEED, json.dumps(asdict(seed)).encode())
    hand_over(state / SEED, state)


def read_seed(state: Path) -> Seed | None:
    """None if there is none. Raises WrongConfig."""
    path = state / SEED
    try:
        return _seed(dict(json.loads(path.read_text("utf-8"))))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise WrongConfig(f"{path}: cannot be read ({error}); sow it again") from None


def sown(state: Path) -> Seed | None:
    """The seed of a copy that has not enrolled yet. Raises WrongConfig."""
    return None if (state / CREDENTIALS).exists() else read_seed(state)


def card_at(partitions: Iterable[Path] = PARTITIONS) -> Path | None:
    """The first such file that there is."""
    return next((path for folder in partitions if (path := folder / CARD).is_file()), None)


def read_card(path: Path) -> Seed:
    """As a person wrote it, with whatever editor. Raises WrongConfig that names the key."""
    try:
        return _seed(tomllib.loads(path.read_text("utf-8-sig")))
    except (OSError, ValueError) as error:
        raise WrongConfig(f"{path}: {error}") from None


def _seed(given: Mapping[str, Any]) -> Seed:
    """Raises ValueError."""
    for key, value in given.items():
        if key not in _KEYS or not isinstance(value, str):
            raise ValueError(f"{key}: only {', '.join(_KEYS)} are known, each a text in quotes")
    for key in ("url", "token"):
        if not given.get(key):
            raise ValueError(f"{key}: it is missing")
    if given.get("name_from", _SOURCES[0]) not in _SOURCES:
        raise ValueError(f"name_from: {given['name_from']!r} is none of {', '.join(_SOURCES)}")
    return Seed(**given)
