"""A state folder that belongs to another computer: kept where it does no harm, nothing of it is thrown away."""

from pathlib import Path

from agent.files import hand_over, sync_folder

_STAYS = frozenset({"agent.toml", "seed.json"})
"""Which machines are looked after is of the place and not of the identity."""


def put_aside(state: Path, name: str) -> Path:
    """Move what lies in `state` to a new folder in it; where it is now. Raises OSError."""
    number = sum(each.name.startswith(f"{name}-") for each in state.iterdir())
    aside = state / f"{name}-{number + 1}"
    aside.mkdir(mode=0o700)
    for each in list(state.iterdir()):
        if each.name not in _STAYS and not each.name.startswith(f"{name}-"):
            each.rename(aside / each.name)
    hand_over(aside, state, 0o700)
    sync_folder(state)
    return aside
