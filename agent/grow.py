"""The first start of a copy of a seeded image: it enrols by itself, however long the network or a person takes."""

import logging
from collections.abc import Callable
from pathlib import Path

from agent.enrol import Wish, checked_name, default_name, enrol
from agent.errors import EnrolmentRefused, NotTrusted, Unreachable
from agent.seed import SEED, Seed
from agent.settle import settle

AGAIN_S = 30.0
_log = logging.getLogger(__name__)


def grow(seed: Seed, config: Path, state: Path, *, tell: Callable[[str], None], rest: Callable[[float], None]) -> None:
    """Enrol; on return the agent can run. Each attempt that failed is told. Raises WrongConfig, OSError."""
    enrolled = None
    while enrolled is None:
        try:
            name = checked_name(seed.name) if seed.name else default_name(seed.name_from)
            enrolled = enrol(Wish(seed.url, seed.token, name, own_name=not seed.name), state, tell, rest)
        except (EnrolmentRefused, NotTrusted, Unreachable) as error:
            tell(f"fabfleet-agent: {error}; trying again in {AGAIN_S:.0f} s")
            rest(AGAIN_S)
    settle(enrolled, config, state)


def consume(card: Path | None, state: Path) -> None:
    """Take away what the seed lay in: a token is nothing to leave on a partition that everybody can read."""
    for path in filter(None, (card, state / SEED)):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("%s holds a token and cannot be removed: %s", path, error.strerror)
