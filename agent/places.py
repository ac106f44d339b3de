"""Where an agent keeps things, by the custom of its system. Pure, but for what it is given."""

import sys
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "FABFLEET_STATE"
"""Environment variable of the state folder: on a computer whose disk is frozen, a folder that is not."""
_STATE = Path("/var/lib/fabfleet")
_CONFIG = Path("/etc/fabfleet/agent.toml")


def state_folder(environment: Mapping[str, str], platform: str = sys.platform) -> Path:
    """What FABFLEET_STATE says, else the system's usual folder."""
    if given := environment.get(VARIABLE):
        return Path(given)
    if platform == "win32":
        return Path(environment.get("ProgramData", r"C:\ProgramData")) / "Fabfleet"
    return _STATE


def config_file(state: Path, platform: str = sys.platform) -> Path:
    """agent.toml of the agent with this state folder: the system's own is in /etc, any other's with its state."""
    return _CONFIG if platform != "win32" and state == _STATE else state / "agent" / "agent.toml"
