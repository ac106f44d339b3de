"""A seed: what an image of a disk carries so that each copy of it enrols by itself when it first starts."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from agent.errors import WrongConfig
from agent.files import hand_over, replace_file

SEED = "seed.json"


@dataclass(frozen=True, slots=True)
class Seed:
    """`name_from` is hostname or serial. No key and no identity: these are made by each copy."""

    url: str
    token: str = field(repr=False)
    name_from: str = "hostname"


def sow(state: Path, seed: Seed) -> None:
    """Raises OSError."""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace_file(state / SEED, json.dumps(asdict(seed)).encode())
    hand_over(state / SEED, state)


def read_seed(state: Path) -> Seed | None:
    """None if there is none. Raises WrongConfig."""
    path = state / SEED
    try:
        given = json.loads(path.read_text("utf-8"))
        return Seed(str(given["url"]), str(given["token"]), str(given["name_from"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WrongConfig(f"{path}: cannot be read ({error}); sow it again") from None
