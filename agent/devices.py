"""One device to look after, as agent.toml or the controller tells it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.errors import WrongConfig
from agent.files import replace_file
from contract.desired import DesiredDevice, is_secret
from contract.model import ContractError, check_name, check_text
from device_profiles.profile import DeviceProfile, ProfileError, load
from firmware_bridges.fed import PLUG, fed

SECRETS = "secrets"
"""Folder in the state folder: DEVICE.json holds the secret options of a device that the controller told of."""
_KEYS = frozenset({"id", "name", "profile", "endpoint", "room", "options"})


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """One device to look after. `options` go on top of the profile's; an empty `room` is the agent's."""

    id: str
    name: str
    profile: DeviceProfile
    endpoint: str = ""
    room: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


def read_device(where: str, entry: Mapping[str, Any], profiles: Path) -> DeviceConfig:
    """An entry of agent.toml. Raises WrongConfig, which begins with `where`."""
    unknown = entry.keys() - _KEYS
    if unknown:
        raise WrongConfig(f"{where}: nobody knows the key {min(unknown)!r}")
    for key in ("id", "profile"):
        if key not in entry:
            raise WrongConfig(f"{where}: {key} is missing")
    for key in _KEYS - {"options"}:
        if not isinstance(entry.get(key, ""), str):
            raise WrongConfig(f"{where}: {key} = {entry[key]!r}: must be a text")
    if not isinstance(entry.get("options", {}), dict):
        raise WrongConfig(f"{where}: options must be a table")
    try:
        check_name(entry["id"], "id")
        profile = load(entry["profile"], profiles)
        name = entry.get("name", profile.name)
        check_text(name, "name", 128)
        check_text(entry.get("room", ""), "room", 64)
    except (ContractError, ProfileError) as error:
        raise WrongConfig(f"{where}: {error}") from None
    options = entry.get("options", {})
    plug = {**profile.options, **options}.get(PLUG)
    if plug is not None and not isinstance(plug, dict):
        raise WrongConfig(f"{where}: options.{PLUG} must be a table with the plug's endpoint")
    return DeviceConfig(
        id=entry["id"],
        name=name,
        profile=fed(profile) if plug else profile,
        endpoint=entry.get("endpoint", ""),
        room=entry.get("room", ""),
        options=options,
    )


def desired_device(wanted: DesiredDevice, state: Path, profiles: Path) -> DeviceConfig:
    """One that the controller told of, with its secrets. Raises WrongConfig."""
    where = f"devices.{wanted.id}"
    entry = {
        "id": wanted.id,
        "profile": wanted.profile,
        "endpoint": wanted.endpoint,
        "room": wanted.room,
        "options": {**wanted.options, **_secrets(state, wanted.id)},
    }
    return read_device(where, {**entry, "name": wanted.name} if wanted.name else entry, profiles)


def keep_secret(state: Path, device: str, option: str, text: str) -> None:
    """Keep a secret option of a device that the controller tells of; an empty text forgets it.

    Raises ContractError for what names no device or no secret, WrongConfig, OSError.
    """
    check_name(device, "device")
    if not is_secret(option) or not option.isidentifier():
        raise ContractError(f"{option[:80]}: this option holds no secret")
    given = {**_secrets(state, device), option: text}
    folder = state / SECRETS
    folder.mkdir(mode=0o700, exist_ok=True)
    kept = {name: each for name, each in given.items() if each}
    replace_file(folder / f"{device}.json", json.dumps(kept).encode())


def _secrets(state: Path, device: str) -> Mapping[str, str]:
    """Raises WrongConfig for a file that holds anything else."""
    path = state / SECRETS / f"{device}.json"
    try:
        given = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise WrongConfig(f"{path}: {error}") from None
    if not isinstance(given, dict) or not all(is_secret(name) and isinstance(given[name], str) for name in given):
        raise WrongConfig(f"{path}: must hold secret options and their texts, nothing else")
    return given
